"""What an answer prints belongs to the answer: it is shown with its result, not in whichever cell happens to run.

`print` looks `sys.stdout` up on each call, so for the time of a check we put a switch there: what the main thread
or the thread of a server prints goes on to the old stream, what the answer's thread (or a thread it starts) prints
is kept.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST_CHARACTERS = 2000  # of an answer's printing that is kept: a loop may print a million lines


VARIES = re.compile(r" at 0x[0-9a-fA-F]+|\S*/ipykernel_\d+/")  # in a warning, say: the text is to be equal on each run


class Kept:
    """The text kept so far, up to `MOST_CHARACTERS`."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._dropped = False

    def write(self, text: str) -> int:
        """Keep `text` as long as there is room."""
        room = MOST_CHARACTERS - self._text.tell()
        self._text.write(text[:room])
        self._dropped = self._dropped or len(text) > room
        return len(text)

    def value(self) -> str:
        """All that was kept, with a remark where something was dropped."""
        text = VARIES.sub("", self._text.getvalue().rstrip("\n"))
        return f"{text}\n... and more" if self._dropped else text


class _Switch:
    """Stands in for a stream: writes go to `kept` unless the writing thread was there before the answer's thread."""

    def __init__(self, stream: Any, kept: Kept, before: frozenset[int | None]) -> None:
        self._stream, self._kept, self._before = stream, kept, before

    def write(self, text: str) -> int:
        if threading.get_ident() in self._before:
            return int(self._stream.write(text) or 0)
        return self._kept.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Quiet(logging.Handler):
    """The root logger's handler where it has none: a library's log on an answer is long, and holds paths and addresses.

    With none, `logging.exception()` would install one for ever, on our switch.
    """

    def __init__(self, before: frozenset[int | None]) -> None:
        super().__init__(logging.WARNING)
        self._before = before

    def emit(self, record: logging.LogRecord) -> None:
        if logging.lastResort is not None and record.thread in self._before:
            logging.lastResort.handle(record)


@contextmanager
def captured() -> Iterator[Kept]:
    """Keep what threads started inside the block print to stdout and stderr."""
    kept = Kept()
    before = frozenset(thread.ident for thread in threading.enumerate())
    old = sys.stdout, sys.stderr
    switches = _Switch(old[0], kept, before), _Switch(old[1], kept, before)
    sys.stdout, sys.stderr = switches
    quiet = _Quiet(before)
    if not logging.root.handlers:
        logging.root.addHandler(quiet)
    try:
        yield kept
    finally:  # an answer may itself have replaced the streams: they come back in any case
        sys.stdout, sys.stderr = old
        logging.root.removeHandler(quiet)

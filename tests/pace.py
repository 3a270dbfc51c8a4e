"""How much slower a computation goes because other programs want the cores too.

A limit in seconds says something of our code only on a machine that does nothing else. Beside other programs a
computation waits for a core, and so does a small probe that runs meanwhile: how long the probe takes, as a multiple of
the time that it has a core, is what the limit may be stretched by.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

PROBE_S = 0.005  # of a core
EVERY_S = 0.1


class Pace:
    """Within its block a probe runs now and then. Afterwards `slowdown` is 1 on an idle machine, 2 where it had half
    of a core, and so on.
    """

    def __init__(self) -> None:
        self._waited_s = self._worked_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._probe, name="pace")

    def __enter__(self) -> Pace:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def slowdown(self) -> float:
        """At least 1."""
        return max(1.0, self._waited_s / self._worked_s)

    def _probe(self) -> None:
        while True:
            begin_s, began_s = time.monotonic(), time.thread_time()
            while time.thread_time() - began_s < PROBE_S:
                pass
            self._waited_s += time.monotonic() - begin_s
            self._worked_s += time.thread_time() - began_s
            if self._over.wait(EVERY_S):
                return

"""The transcript: what a step writes while it judges, line after line, until the first line that does not hold.

A step's body calls these methods; each records what was tried *before* it can fail, so a learner reads the way that
led to the failure, then what was expected and what came.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from midspan.arguments import checked
from midspan.checks.limits import within
from midspan.checks.values import difference, error_in_words, in_words
from midspan.checks.verdicts import Line
from midspan.refusal import need

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class Wrong(Exception):
    """Raised by a transcript at the first line that does not hold. `error` is what the answer raised, if it did."""

    def __init__(self, message: str, misconception: str = "", error: BaseException | None = None) -> None:
        super().__init__(message)
        self.message, self.misconception, self.error = message, misconception, error


class Caught:
    """What `raising` caught: `.error` is the exception once the block has ended; `.returned` what came without one."""

    def __init__(self) -> None:
        self.error: Any = None
        self.returned = ""


class Transcript:
    """Lines written by one step. The keyword arguments are the same everywhere:

    because: the words for the learner when the line does not hold.
    id: the misconception this line recognises, a key of the lab's table; its words come before `because`.
    """

    @checked
    def __init__(self, misconceptions: Mapping[str, str] | None = None) -> None:
        self.lines: list[Line] = []
        self._misconceptions = dict(misconceptions or {})

    def say(self, text: str) -> None:
        """Write a line that tests nothing: what we do next."""
        self.lines.append(Line("said", text))

    def note(self, text: str) -> None:
        """Write a remark that the learner should see although it decides nothing."""
        self.lines.append(Line("note", text))

    @contextmanager
    def folded(self, what: str) -> Iterator[None]:
        """One line in place of those written in the block, when all of them hold; else they stay, as the way there.

        A `note` stays in any case.
        """
        start = len(self.lines)
        yield
        notes = [line for line in self.lines[start:] if line.kind == "note"]
        self.lines[start:] = [*notes, Line("held", what)]

    def equal(self, what: str, got: object, expected: object, *, because: str = "", id: str = "") -> None:
        """`got == expected`, and both of one kind: 1 and True, or text and bytes, do not pass for each other."""
        if isinstance(got, bool) == isinstance(expected, bool) and _equal(got, expected):
            self.lines.append(Line("held", what))
            return
        remark = difference(got, expected)
        shown = _came(got) + (f"  ({remark})" if remark else "")
        self._broken(what, in_words(expected), shown, because, id, got if isinstance(got, BaseException) else None)

    def true(
        self, what: str, condition: object, *, got: object, expected: str, because: str = "", id: str = ""
    ) -> None:
        """`condition` holds. `expected` is a phrase ("at least 1 byte"), `got` any value."""
        if condition:
            self.lines.append(Line("held", what))
            return
        self._broken(what, expected, _came(got), because, id)

    def fail(self, what: str, *, got: object, expected: str, because: str = "", id: str = "") -> None:
        """A line that is known not to hold."""
        self.true(what, False, got=got, expected=expected, because=because, id=id)

    def raises(
        self,
        what: str,
        call: Callable[[], object],
        error_type: type[E],
        *,
        where: Callable[[E], object] | None = None,
        expected: str = "",
        because: str = "",
        id: str = "",
    ) -> E:
        """`call()` raises an `error_type` for which `where(error)` is true; returns the exception.

        `expected` says in words what `where` asks for ("with code 1002").
        """
        with self.raising(what, error_type, where=where, expected=expected, because=because, id=id) as caught:
            caught.returned = f"; it returned {_came(call())}"
        assert isinstance(caught.error, error_type)
        return caught.error

    @contextmanager
    def raising(
        self,
        what: str,
        error_type: type[E],
        *,
        where: Callable[[E], object] | None = None,
        expected: str = "",
        because: str = "",
        id: str = "",
    ) -> Iterator[Caught]:
        """The same as a `with` block, for code that awaits: `with t.raising("...", ValueError) as caught:`."""
        caught = Caught()
        phrase = f"{error_type.__name__} {expected}".strip()
        try:
            yield caught
        except (NotImplementedError, asyncio.CancelledError, Wrong):
            raise
        except Exception as error:
            caught.error = error
            if isinstance(error, error_type) and (where is None or where(error)):
                self.lines.append(Line("held", what))
                return
            self._broken(what, phrase, error_in_words(error), because, id, error)
        self._broken(what, phrase, f"no exception{caught.returned}", because, id)

    async def soon(
        self, what: str, awaitable: Awaitable[T], *, within_s: float = 1.0, because: str = "", id: str = ""
    ) -> T:
        """Await something that the answer owes us; a line that does not hold when it takes longer than `within_s`."""
        try:
            value = await within(awaitable, within_s)
        except TimeoutError:
            self._broken(what, f"an answer within {within_s:g} s", "nothing", because, id)
        self.lines.append(Line("held", what))
        return value

    def _broken(
        self, what: str, expected: str, got: str, because: str, id: str, error: BaseException | None = None
    ) -> Any:
        need(not id or id in self._misconceptions, "an id in the lab's table of misconceptions", id, "Add it there")
        self.lines.append(Line("broken", what, expected, got))
        words = [self._misconceptions.get(id, ""), because]
        raise Wrong("\n".join(w for w in words if w), id, error)


def _equal(got: object, expected: object) -> bool:
    """`==` that an answer's own `__eq__` cannot turn into something that is not a bool."""
    return (got == expected) is True


def _came(got: object) -> str:
    """What came, in words; a coroutine is named for the mistake it is and closed, so that nothing warns of it later."""
    if inspect.iscoroutine(got):
        got.close()
        return f"a coroutine: {got.__name__} is `async def`, and is called here without `await`"
    return in_words(got)

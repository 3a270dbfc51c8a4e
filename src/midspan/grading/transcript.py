"""The transcript: the lines that a check writes while it calls an answer, and the verdict at the end."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from midspan.errors import ShownAsCard, need, without_middle
from midspan.grading.limits import within

# Values in words: how a check shows the expected value and the actual value.
#
# The text must be short and equal on each run, and making it must never fail: a learner's `__repr__` may raise, return
# a megabyte or contain an address.


LONGEST = 160  # characters of a value that a transcript shows; about two lines of a notebook
MOST_BYTES = 48  # bytes shown in hex before they are cut in the middle: three rows of sixteen
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def in_words(value: object) -> str:
    """Write a value as one line: bytes in hex with their number, all else by `repr`; shortened in the middle."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _hex(bytes(value))
    if isinstance(value, BaseException):
        return error_in_words(value)
    try:
        text = repr(value)
    except BaseException as error:  # a learner's own __repr__ may raise anything
        return f"a {type(value).__name__} whose repr() raises {type(error).__name__}"
    return _shortened(ADDRESS.sub("", text))


def error_in_words(error: BaseException) -> str:
    """Write an exception as `Type: text`, shortened."""
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be shown)"
    name = type(error).__name__
    return _shortened(ADDRESS.sub("", f"{name}: {text}" if text else name))


def difference(got: object, expected: object) -> str:
    """Say at which place two bytes or text values first differ; "" where that does not help."""
    pair = (got, expected)
    if not (all(isinstance(v, (bytes, bytearray)) for v in pair) or all(isinstance(v, str) for v in pair)):
        return ""
    assert isinstance(got, (bytes, bytearray, str))
    assert isinstance(expected, (bytes, bytearray, str))
    unit = "character" if isinstance(got, str) else "byte"
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), None)
    if at is not None:
        return f"first difference at {unit} {at}"
    return f"{len(got)} {unit}s instead of {len(expected)}" if len(got) != len(expected) else ""


def _hex(data: bytes) -> str:
    number = f"({len(data)} byte{'s' * (len(data) != 1)})"
    if len(data) <= MOST_BYTES:
        return f"{data.hex(' ')} {number}".strip()
    half = MOST_BYTES // 2
    return f"{data[:half].hex(' ')} ... {data[-half:].hex(' ')} {number}"


def _shortened(text: str) -> str:
    text = text.replace("\n", "\\n")
    return without_middle(text, LONGEST)


# The output of a check: lines, a verdict, and the exception that has both.
#
# There are three verdicts: *passed*; *to do*, when the answer is missing or still raises `NotImplementedError`; *wrong*
# for everything else. The text of a result contains no time, no address and no process id, so that the same answer
# gives the same text on every run (nbval compares it).


StepVerdict = Literal["passed", "to do", "wrong", "borrowed"]
LineKind = Literal["said", "held", "broken", "note"]

SIGNS: dict[str, str] = {"passed": "✓", "to do": "○", "wrong": "✗", "borrowed": "◇", "lapsed": "↻"}
MARKS: dict[LineKind, str] = {"said": " ", "held": "✓", "broken": "✗", "note": "!"}


def since(last: str | None) -> tuple[str, str]:
    """Return sign and words for a step; `last` is the verdict of its last check, None if it never passed."""
    if last is None or last == "passed":
        return SIGNS[last or "to do"], ""
    if last == "borrowed":
        return SIGNS[last], "borrowed from the reference"
    return SIGNS["lapsed"], f"passed once, {last} at the last check"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript: what was tried; if it does not hold, also the expected and the actual value."""

    kind: LineKind
    text: str
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        lines = [f"  {MARKS[self.kind]} {self.text}"]
        lines += [f"      expected: {self.expected}"] if self.expected else []
        lines += [f"      got:      {self.got}"] if self.got else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one step.

    Args:
        lab, step: the names of the lab and of the step.
        verdict: "passed", "to do", "wrong", or "borrowed" when the reference's part stands in.
        lines: the transcript, in order.
        message: the words for the learner: why the answer is wrong, or what is to do ("" when passed).
        misconception: its id in the lab's table; "" when none was recognised.
        where: the lines of the learner's code that led to the error, outermost first.
        printed: what the answer printed while it was judged.
    """

    lab: str
    step: str
    verdict: StepVerdict
    lines: tuple[Line, ...] = ()
    message: str = ""
    misconception: str = ""
    where: tuple[str, ...] = ()
    printed: str = ""

    @property
    def passed(self) -> bool:
        """True for the verdict "passed"."""
        return self.verdict == "passed"

    @property
    def words(self) -> str:
        """Why the step did not pass: the line that does not hold, and the message; no other lines."""
        broken = [str(line) for line in self.lines if line.kind == "broken"]
        return "\n".join([*broken, *_indented(self.message, "  "), *(f"  {at}" for at in self.where)])

    def __str__(self) -> str:
        parts = [f"{SIGNS[self.verdict]} {self.step}: {self.verdict}", *(str(line) for line in self.lines)]
        parts += _indented(self.message, "  ")
        parts += [f"  {at}" for at in self.where]
        if self.printed:
            parts += ["  Your code printed:", *_indented(self.printed, "    | ")]
        return "\n".join(parts)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`."""
        lines = tuple(Line(**line) for line in plain["lines"])
        return cls(**{**plain, "lines": lines, "where": tuple(plain["where"])})


class CheckFailed(ShownAsCard, AssertionError):
    """A step did not pass. `result` is its result, which a notebook shows; `str()` is the text of the result.

    It is an `AssertionError`, since Run All, nbval, nbgrader and pytest take that as a failed check.
    """

    def __init__(self, result: Result) -> None:
        self.result = self.shown = result
        self.line = f"{result.step}: {result.verdict}. The transcript above says why, and Run All stops here."
        super().__init__(str(result))


def _indented(text: str, margin: str) -> list[str]:
    return [f"{margin}{line}" for line in text.splitlines()]


# The transcript ends at the first line that does not hold.
#
# The body of a step calls these methods. Each one records what is tried *before* it can fail. So a learner reads the
# lines that led to the failure, then the expected and the actual value.


T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class Wrong(Exception):
    """Raised by a transcript at the first line that does not hold. `error`: the answer's exception, if any."""

    def __init__(self, message: str, misconception: str = "", error: BaseException | None = None) -> None:
        super().__init__(message)
        self.message, self.misconception, self.error = message, misconception, error


class Caught:
    """What `raising` caught: `.error`, after the block, is the exception; `.returned` says what the call returned."""

    def __init__(self) -> None:
        self.error: Any = None
        self.returned = ""


class Transcript:
    """The lines of one step. All methods have the same keyword arguments:

    because: the words for the learner when the line does not hold.
    id: the misconception that this line recognises, a key of the lab's table; its words come before `because`.
    """

    def __init__(self, misconceptions: Mapping[str, str] | None = None) -> None:
        self.lines: list[Line] = []
        self._misconceptions = dict(misconceptions or {})

    def say(self, text: str) -> None:
        """Write a line that tests nothing: it says what the check does next."""
        self.lines.append(Line("said", text))

    def note(self, text: str) -> None:
        """Write a remark for the learner that has no effect on the verdict."""
        self.lines.append(Line("note", text))

    @contextmanager
    def folded(self, what: str) -> Iterator[None]:
        """Write one line in place of the lines of the block when all of them hold; else keep them.

        A `note` always stays.
        """
        start = len(self.lines)
        yield
        notes = [line for line in self.lines[start:] if line.kind == "note"]
        self.lines[start:] = [*notes, Line("held", what)]

    def equal(self, what: str, got: object, expected: object, *, because: str = "", id: str = "") -> None:
        """The line holds if `got == expected` and both have one kind: 1 is not True here, and text is not bytes."""
        if isinstance(got, bool) == isinstance(expected, bool) and _equal(got, expected):
            self.lines.append(Line("held", what))
            return
        remark = difference(got, expected)
        shown = _came(got) + (f"  ({remark})" if remark else "")
        self._broken(what, in_words(expected), shown, because, id, got if isinstance(got, BaseException) else None)

    def true(
        self, what: str, condition: object, *, got: object, expected: str, because: str = "", id: str = ""
    ) -> None:
        """The line holds if `condition` is true. `expected` is a phrase ("at least 1 byte"), `got` any value."""
        if condition:
            self.lines.append(Line("held", what))
            return
        self._broken(what, expected, _came(got), because, id)

    def fail(self, what: str, *, got: object, expected: str, because: str = "", id: str = "") -> None:
        """Write a line that does not hold."""
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
        """The line holds if `call()` raises an `error_type` for which `where(error)` is true. Return the exception.

        `expected` says in words what `where` requires ("with code 1002").
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
        """As `raises`, for a `with` block that may await: `with t.raising("...", ValueError) as caught:`."""
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
        """Await something that the answer must provide. The line does not hold when it takes longer than `within_s`."""
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
    """Compare with `==`, and always return a bool: an answer's own `__eq__` may return anything."""
    return (got == expected) is True


def _came(got: object) -> str:
    """Write the actual value in words. A coroutine is a mistake: say so, and close it, so that Python does not warn."""
    if inspect.iscoroutine(got):
        got.close()
        return f"a coroutine: {got.__name__} is `async def`, and is called here without `await`"
    return in_words(got)

"""What a check writes while it calls an answer, line by line, and the verdict that comes out."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from midspan.errors import need
from midspan.grading.limits import within

# Values in words: how a check shows what it expected and what came.
#
# The text must be equal on each run, short, and never fail: a learner's `__repr__` may raise, return a megabyte or
# hold an address.


LONGEST = 160  # characters of a value that a transcript shows; about two lines of a notebook
MOST_BYTES = 48  # bytes shown in hex before they are cut in the middle: three rows of sixteen
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def in_words(value: object) -> str:
    """One line for a value: bytes in hex with their number, all else by `repr`, shortened in the middle."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _hex(bytes(value))
    if isinstance(value, BaseException):
        return error_in_words(value)
    try:
        text = repr(value)
    except BaseException as error:  # the learner's own __repr__: whatever it raises, we still owe a sentence
        return f"a {type(value).__name__} whose repr() raises {type(error).__name__}"
    return _shortened(ADDRESS.sub("", text))


def error_in_words(error: BaseException) -> str:
    """`Type: text` of an exception, shortened."""
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be shown)"
    name = type(error).__name__
    return _shortened(ADDRESS.sub("", f"{name}: {text}" if text else name))


def difference(got: object, expected: object) -> str:
    """Where two byte or text values part, as a remark; "" where that is no help."""
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
    half = (LONGEST - 5) // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


# What a check says: lines of a transcript, a verdict, and the exception that carries both.
#
# There are three verdicts. *passed*; *to do*, when the answer still raises `NotImplementedError` or is not there;
# *wrong*, for everything else. The text of a result holds no time, no address and no process id, so that the same
# answer gives the same text on every run (nbval compares it).


StepVerdict = Literal["passed", "to do", "wrong"]
LineKind = Literal["said", "held", "broken", "note"]

SIGNS: dict[str, str] = {"passed": "✓", "to do": "○", "wrong": "✗", "lapsed": "↻"}
MARKS: dict[LineKind, str] = {"said": " ", "held": "✓", "broken": "✗", "note": "!"}


def since(last: str | None) -> tuple[str, str]:
    """Sign and words for a step by its last check, None for one that has never passed."""
    if last is None or last == "passed":
        return SIGNS[last or "to do"], ""
    return SIGNS["lapsed"], f"passed once, {last} at the last check"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript: what was tried, and for a broken one what was expected and what came."""

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
        lab, step: names, as in `check.<step>` of the lab `<lab>`.
        verdict: "passed", "to do" or "wrong".
        lines: the transcript, in order.
        message: the words for the learner: why it is wrong, or what is still to do ("" when passed).
        misconception: id in the lab's table of misconceptions, "" when none was recognised.
        where: lines of the learner's own code that led to the error, outermost first.
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
        """Why the step did not pass, without the transcript: what was tried, expected, got, and the message."""
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
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`."""
        lines = tuple(Line(**line) for line in plain["lines"])
        return cls(**{**plain, "lines": lines, "where": tuple(plain["where"])})


class CheckFailed(AssertionError):
    """A step that did not pass; `result` has the whole story, `str()` is its text.

    It is an `AssertionError` since Run All, nbval, nbgrader and pytest all take that for a failed check.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(str(result))

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this in place of a traceback: the transcript, and no line of ours."""
        return str(self).splitlines()


def _indented(text: str, margin: str) -> list[str]:
    return [f"{margin}{line}" for line in text.splitlines()]


# The transcript: what a step writes while it judges, line after line, until the first line that does not hold.
#
# A step's body calls these methods; each records what was tried *before* it can fail, so a learner reads the way that
# led to the failure, then what was expected and what came.


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

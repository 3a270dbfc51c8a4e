"""A lab, its steps, and what happens when a learner's answer meets a check.

A step's body is a function: the transcript first, then the answers it judges, by the names they have in the notebook::

    lab = Lab("lab1_framing", title="Whole messages only", misconceptions={"guid": "The GUID is appended, not ..."})
    check = lab.checks

    @lab.step("The accept key", minutes=8, lines=2, points=2, hints=("Read ...", "Use ...", "Join, hash, encode:
..."))     def accept_key(t: Transcript, accept_key: Callable[[str], str]) -> None:         t.equal("the example of
RFC 6455, section 1.3", accept_key("dGhl..."), "s3pP...", id="guid")

In the notebook `check.accept_key(accept_key)` returns a `Result` or raises `CheckFailed`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from midspan.arguments import Fitting
from midspan.checks import progress, unread
from midspan.checks.judging import judged
from midspan.checks.verdicts import CheckFailed, Line, Result, since
from midspan.refusal import Refusal, Words, need

Body = Callable[..., Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Hint:
    """One of the three hints of a step; `str()` is its text."""

    step: str
    level: int
    text: str

    def __str__(self) -> str:
        return f"Hint {self.level} of 3 for {self.step}: {self.text}"

    __repr__ = __str__


@dataclass(frozen=True)
class Step:
    """One step of a lab: call it with the answers, in the order of the body's parameters."""

    lab: Lab
    name: str
    title: str
    body: Body
    minutes: int
    lines: int
    points: int
    hints: tuple[str, str, str]
    limit_s: float
    processes: bool

    @property
    def answers(self) -> tuple[str, ...]:
        """Names that the notebook must define for this step."""
        return tuple(inspect.signature(self.body).parameters)[1:]

    def __call__(self, *answers: object) -> Result:
        """Judge, remember it in the learner's progress, raise `CheckFailed` for anything but a pass."""
        result = self.judge(*answers)
        if unread.holds(self.answers):
            result = replace(result, lines=(*result.lines, Line("note", unread.STALE)))
        if not result.passed:
            progress.failed(self.lab.name, self.name, result.verdict)
            raise CheckFailed(result)
        progress.passed(self.lab.name, self.name)
        return result

    def judge(self, *answers: object) -> Result:
        """Judge and return the result, whatever it is. Nothing is remembered."""
        names = ", ".join(self.answers)
        need(len(answers) == len(self.answers), f"check.{self.name}({names})", answers, "Pass these answers")
        return judged(self.lab.name, self.name, self.lab.misconceptions, self.body, answers, self.limit_s)

    def hint(self, level: int | None = None) -> Hint:
        """Hint 1, 2 or 3 (3 nearly gives it away); without a level the next one not yet seen."""
        if level is None:
            level = min(progress.hints_seen(self.lab.name, self.name) + 1, 3)
        need(level in (1, 2, 3), "a hint level: 1, 2 or 3", level, f"Try check.{self.name}.hint(1)")
        progress.hint_seen(self.lab.name, self.name, level)
        return Hint(self.name, level, self.hints[level - 1])

    def __repr__(self) -> str:
        size = f"{self.lines} line{'s' * (self.lines != 1)} in the reference"
        return f"check.{self.name}({', '.join(self.answers)}): {self.title} ({self.minutes} min, {size})"


@dataclass(frozen=True)
class Lab(Fitting):
    """A lab by its stem, with its steps in the order in which they are defined.

    Args:
        name: the stem of the notebook, "lab1_framing".
        title: the lab in a few words.
        misconceptions: id -> the words for the learner; the ids are those of predictions, wrong solutions and lines.
        serves: name of the answer that `python -m midspan serve` starts, "" for none.
        plays: name of the cast that `python -m midspan judge --seeds` plays schedules with, "" for none.
        on_nodes: whether that cast plays on three nodes and a broker (`midspan.bench.nodes`).
        stores: seconds that an append may take in those schedules; () for those of `midspan.sim.Shape`.
    """

    name: str
    title: str = ""
    misconceptions: Mapping[str, str] = field(default_factory=dict)
    serves: str = ""
    plays: str = ""
    on_nodes: bool = False
    stores: tuple[float, ...] = ()
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def checks(self) -> Checks:
        """What a notebook imports as `check`."""
        unread.watch()
        return Checks(self)

    def step(
        self,
        title: str,
        *,
        minutes: int,
        lines: int,
        points: int,
        hints: tuple[str, str, str],
        limit_s: float = 2.5,
        processes: bool = False,
    ) -> Callable[[Body], Step]:
        """Make a step of a body, a plain or an `async def` function.

        Args:
            minutes, lines, points: for the learner: time, size of the reference, weight in nbgrader.
            limit_s: seconds the body with all its answers may take.
            processes: True where the body itself starts processes; an answer never may.
        """

        need(len(hints) == 3 and all(hints), f"three hints for {title!r}", hints, "Write all three")

        def register(body: Body) -> Step:
            name = body.__name__
            need(name not in self.steps, "a name that no step of the lab has yet", name, "Choose another")
            made = Step(self, name, title, body, minutes, lines, points, hints, limit_s, processes)
            self.steps[name] = made
            return made

        return register


class NoSuchStep(Refusal, AttributeError):
    """A step that the lab does not have: an `AttributeError` for Python, one sentence for the learner."""


class Checks:
    """The steps of a lab by name: `check.accept_key`. Iterating gives them in order, `str()` shows which are done."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def __getattr__(self, name: str) -> Step:
        steps = self._lab.steps
        if name not in steps:
            near = difflib.get_close_matches(name, steps, n=1)
            do = f"The nearest is check.{near[0]}" if near else "Show them all with `check`"
            raise NoSuchStep(f"a step of {self._lab.name}", Words(name), do)
        return steps[name]

    def __iter__(self) -> Iterator[Step]:
        return iter(self._lab.steps.values())

    def __dir__(self) -> list[str]:
        return list(self._lab.steps)

    def __repr__(self) -> str:
        standing = progress.standing(self._lab.name)
        done = sum(standing.get(step.name) == "passed" for step in self)
        rows = []
        for step in self:
            sign, words = since(standing.get(step.name))
            rows.append(f"  {sign} {step!r}{words and ': ' + words}")
        return "\n".join([f"{self._lab.name}: {self._lab.title}. {done} of {len(rows)} steps done", *rows])

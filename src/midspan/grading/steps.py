"""A lab and its steps, how a check judges a learner's answer, and which labs there are."""

from __future__ import annotations

import ast
import difflib
import dis
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType
from typing import Any

from midspan.errors import Fitting, Refusal, Words, need, running_shell
from midspan.grading import limits, notebooks, progress, stopwatch
from midspan.grading.borrowing import Borrow, counts_as_failure, result_if_borrowed
from midspan.grading.transcript import CheckFailed, Line, Result, StepVerdict, Transcript, Wrong, error_in_words, since

# From a step's body and its answers to a verdict: run the body within the limit, then put the outcome into words.


TO_DO = "Still to do: the answer raises NotImplementedError. Replace that line with your code."


def judged(
    lab: str,
    step: str,
    misconceptions: Mapping[str, str],
    body: Callable[..., Any],
    answers: tuple[object, ...],
    limit_s: float,
) -> Result:
    """Return the result of `body(transcript, *answers)`; an error of an answer never leaves this function."""
    transcript = Transcript(misconceptions)
    outcome = limits.run(lambda: body(transcript, *answers), limit_s)
    verdict, message, error = verdict_of(outcome, limit_s)
    unheard = any(isinstance(error, NotImplementedError) for error in outcome.in_background)
    if verdict == "wrong" and (unheard or any(map(unwritten, answers))):
        # A library catches NotImplementedError in a server's handler, so the body only sees that nothing arrived.
        verdict, message = "to do", TO_DO
    # A copy, since a thread that we could not end may continue to write.
    lines = (*transcript.lines, *(Line("note", remark) for remark in remarks(outcome)))
    misconception = outcome.error.misconception if isinstance(outcome.error, Wrong) else ""
    where = notebooks.where(error, getattr(body, "__code__", None)) if error and verdict == "wrong" else ()
    return Result(lab, step, verdict, lines, message, misconception, where, outcome.printed)


def verdict_of(outcome: limits.CallOutcome, limit_s: float) -> tuple[StepVerdict, str, BaseException | None]:
    """Return the verdict, its words, and the learner's error if there was one."""
    error = outcome.error
    if outcome.expired:
        return "wrong", f"No answer after {limit_s:g} s: it hangs, or waits for something that never comes.", None
    if error is None:
        return "passed", "", None
    if isinstance(error, Wrong):
        return "wrong", error.message, error.error
    if isinstance(error, NotImplementedError):
        return "to do", TO_DO, error
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "wrong", f"Your code raised {error_in_words(error)}, which would end the whole program.", error
    return "wrong", f"Your code raised {error_in_words(error)}", error


def remarks(outcome: limits.CallOutcome) -> Iterable[str]:
    """Yield a sentence for each thing that a run left: tasks, errors in the background, a thread that still runs."""
    if outcome.left_tasks:
        names = ", ".join(f"{name}()" for name in outcome.left_tasks)
        yield f"Left running by the answer, and cancelled by the check: {names}."
    for error in outcome.in_background:
        if lines := notebooks.where(error):  # an error without a line of the learner does not help
            yield f"In the background your code raised {error_in_words(error)}; {lines[-1]}"
    if outcome.still_running:
        yield "It blocks inside one call, so it could not be ended: restart the kernel to be rid of it."


def unwritten(answer: object) -> bool:
    """Return whether a function only raises NotImplementedError, or whether a class has such a method."""
    if isinstance(answer, type):
        return any(unwritten(method) for method in vars(answer).values() if not isinstance(method, type))
    answer = getattr(answer, "fget", None) or getattr(answer, "__func__", None) or answer
    return isinstance(answer, FunctionType) and _only_raises(answer.__code__)


def _only_raises(code: CodeType) -> bool:
    """Return whether the code raises NotImplementedError first, as nbgrader's stub does."""
    kinds = ("LOAD_", "STORE_", "RAISE_", "FOR_")
    work = [step for step in dis.get_instructions(code) if step.opname.startswith(kinds)]
    names = [step.argval if step.opname == "LOAD_GLOBAL" else step.opname for step in work[:2]]
    return names == ["NotImplementedError", "RAISE_VARARGS"]


# How to define a lab. The body of a step is a function. Its parameters are the transcript, then the answers, with their
# names in the notebook::
#
#     lab = Lab("lab1_framing", title="Whole messages only", misconceptions={"guid": "The GUID is appended, not ..."})
#     check = lab.checks
#
#     @lab.step("The accept key", minutes=8, lines=2, points=2, hints=("Read ...", "Use ...", "Join, hash: ..."))
#     def accept_key(t: Transcript, accept_key: Callable[[str], str]) -> None:
#         t.equal("the example of RFC 6455, section 1.3", accept_key("dGhl..."), "s3pP...", id="guid")
#
# In the notebook `check.accept_key(accept_key)` returns a `Result` or raises `CheckFailed`.


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
    """One step of a lab. Call it with the answers, in the order of the body's parameters."""

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
        """The names that the notebook must define for this step."""
        return tuple(inspect.signature(self.body).parameters)[1:]

    def __call__(self, *answers: object) -> Result:
        """Judge the answers, store the verdict in the progress, and raise `CheckFailed` unless the step passed.

        A step that the calling notebook has borrowed is not judged, and does not raise.
        """
        if lent := result_if_borrowed(self.lab.name, self.name, sys._getframe(1).f_globals):
            progress.borrowed(self.lab.name, self.name)
            if counts_as_failure():
                raise CheckFailed(lent)
            return lent
        result = self.judge(*answers)
        if _unread_cell_names(self.answers):
            result = replace(result, lines=(*result.lines, Line("note", STALE)))
        if not result.passed:
            progress.failed(self.lab.name, self.name, result.verdict)
            raise CheckFailed(result)
        progress.passed(self.lab.name, self.name)
        stopwatch.step_passed(self.lab.name, self.name)
        return result

    def judge(self, *answers: object) -> Result:
        """Judge the answers and return the result, also one that did not pass. Store nothing."""
        names = ", ".join(self.answers)
        if len(answers) != len(self.answers):
            raise Refusal(f"check.{self.name}({names})", answers, "Pass these answers")
        return judged(self.lab.name, self.name, self.lab.misconceptions, self.body, answers, self.limit_s)

    def hint(self, level: int | None = None) -> Hint:
        """Return hint 1, 2 or 3 (3 is nearly the answer); without a level, the next hint that was not shown yet."""
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
    """A lab and its steps, in the order in which they are defined.

    Args:
        name: the stem of the notebook, "lab1_framing".
        title: the lab in a few words.
        misconceptions: id -> the words for the learner. Predictions, wrong solutions and lines have the same ids.
            Each step adds its own.
        serves: the name of the answer that `python -m midspan serve` starts; "" for none.
        plays: the name of the implementation that `python -m midspan judge --seeds` judges; "" for none.
        on_nodes: whether that implementation plays on three nodes and a broker (`midspan.simulation.nodes`).
        stores: seconds that an append may take in those schedules; () for those of `midspan.simulation.Shape`.
    """

    name: str
    title: str = ""
    misconceptions: dict[str, str] = field(default_factory=dict)
    serves: str = ""
    plays: str = ""
    on_nodes: bool = False
    stores: tuple[float, ...] = ()
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def checks(self) -> Checks:
        """The checks of the lab; a notebook imports them as `check`."""
        _watch_cells()
        return Checks(self)

    @property
    def borrow(self) -> Borrow:
        """Defines the reference's part of a step in a notebook; a notebook imports it as `borrow`."""
        return Borrow(self.name, self.steps)

    def step(
        self,
        title: str,
        *,
        minutes: int,
        lines: int,
        points: int,
        hints: tuple[str, str, str],
        words: Mapping[str, str] | None = None,
        limit_s: float = 2.5,
        processes: bool = False,
    ) -> Callable[[Body], Step]:
        """Register a step; decorates its body, a plain or an `async def` function.

        Args:
            minutes, lines, points: the time to plan, the size of the reference, the weight in nbgrader.
            hints: where to look, what to use, nearly the answer.
            words: misconception -> the words for the learner; other steps may use them too.
            limit_s: seconds that the body may take, with all calls of the answers.
            processes: whether the body itself starts processes; an answer must not.
        """

        need(len(hints) == 3 and all(hints), f"three hints for {title!r}", hints, "Write all three")
        twice = sorted(self.misconceptions.keys() & (words or {}).keys())
        need(not twice, "words for a misconception once in a lab", twice, "Use those that are there")
        self.misconceptions.update(words or {})

        def register(body: Body) -> Step:
            name = body.__name__
            need(name not in self.steps, "a name that no step of the lab has yet", name, "Choose another")
            made = Step(self, name, title, body, minutes, lines, points, hints, limit_s, processes)
            self.steps[name] = made
            return made

        return register


class NoSuchStep(Refusal, AttributeError):
    """The lab has no such step. Python sees an `AttributeError`, the learner one sentence."""


class Checks:
    """The steps of a lab by name: `check.accept_key`. Iteration gives them in order; `str()` shows which are done."""

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


# When the last cell had a SyntaxError, nothing of it ran, and a check judges the definitions from before. We learn of
# such a cell from IPython; outside IPython there are no cells.


STALE = "The cell before this one could not be read (SyntaxError), so it did not run: judged is what stood before."
_unread = ""  # the source of the last cell if Python could not read it, else ""


def _watch_cells() -> None:
    """Register `_ran` with IPython, once, for the end of each cell."""
    shell = running_shell()
    if shell is not None and _ran not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _ran)


def _unread_cell_names(names: Iterable[str]) -> bool:
    """Return whether Python could not read the last cell, and one of these names is in it."""
    return any(re.search(rf"\b{re.escape(name)}\b", _unread) for name in names)


def _ran(result: Any) -> None:
    global _unread
    stopwatch.cell_ran()
    source = str(getattr(getattr(result, "info", None), "raw_cell", ""))
    _unread = source if isinstance(getattr(result, "error_before_exec", None), SyntaxError) else ""
    try:
        ast.parse(_unread)
    except (SyntaxError, ValueError):
        return
    _unread = ""  # Python read it and refused it later, so its first lines may have run


# Which labs there are: each lab is a package, found by its name or by the start of its name.


HOMES = ["midspan.labs"]  # packages that contain labs; the tests add one


def modules() -> dict[str, str]:
    """Return lab name -> the module that defines it, sorted by name."""
    found = {}
    for home in HOMES:
        for module in pkgutil.iter_modules(importlib.import_module(home).__path__):
            if module.name.startswith("lab") and module.name[3:4].isdigit():
                found[module.name] = f"{home}.{module.name}"
    return dict(sorted(found.items()))


def find(name: str) -> Lab:
    """Return the lab with this name, or the one whose name begins with it ("lab1")."""
    known = modules()
    matches = [known[name]] if name in known else [known[k] for k in known if k.startswith(name) and name]
    if len(matches) != 1:
        raise Refusal(f"one of the labs {', '.join(known) or '(there are none)'}", name, "Name one of them")
    return load_lab(matches[0])


def load_lab(module: str) -> Lab:
    """Import a module and return the `lab` that it defines."""
    lab = importlib.import_module(module).lab
    assert isinstance(lab, Lab)
    return lab

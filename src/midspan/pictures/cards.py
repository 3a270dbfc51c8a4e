"""Results of checks, hints, guesses and progress as HTML; an expected error as one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from types import TracebackType

from midspan.conclusions.verdicts import ClaimList, Ledger, Ruling
from midspan.errors import Refusal, need
from midspan.grading import progress as remembered
from midspan.grading import steps
from midspan.grading.predictions import UNANSWERED, Guess, Score
from midspan.grading.steps import Hint, Lab
from midspan.grading.transcript import MARKS, SIGNS, Line, Result, since
from midspan.pictures.svg import FAULT, INK, LINE, MONO, QUIET, SHADE, SOCKETIO, WEBSOCKET

# Each verdict has a sign, a word and a colour, never the colour alone. All text is escaped, since an answer can print
# markup, and a check can show a hostile payload.


COLOURS = {"passed": SOCKETIO.colour, "to do": "#8a8a8a", "wrong": FAULT.colour, "borrowed": WEBSOCKET.colour}
GRID = "display:grid;grid-template-columns:max-content 1fr;gap:2px 10px;margin:2px 0 4px 26px"
LINE_COLOURS = {"held": SOCKETIO.colour, "broken": FAULT.colour}


def result_card(result: Result) -> str:
    """Show the verdict, then the transcript; below a line that does not hold, expected and actual value."""
    colour = COLOURS[result.verdict]
    head = f"<b>{escape(SIGNS[result.verdict])} {escape(result.step)}: {escape(result.verdict)}</b>"
    parts = [f"<div>{head}</div>", *map(_line, result.lines)]
    if result.message:
        parts.append(_block(result.message, "margin-top:6px"))
    parts += [_mono(at) for at in result.where]
    if result.printed:
        parts.append(f'<div style="color:{QUIET}">Your code printed:</div>{_mono(result.printed)}')
    return _card(colour, parts, f"{result.step}: {result.verdict}")


def hint_card(hint: Hint) -> str:
    """Show a hint, and how many hints there are."""
    head = f"<b>? Hint {hint.level} of 3</b> for {escape(hint.step)}"
    return _card(WEBSOCKET.colour, [f"<div>{head}</div>", _block(hint.text)], f"hint for {hint.step}")


def guess_card(guess: Guess) -> str:
    """Show the question and its options; the chosen one is marked."""
    rows = []
    for key, text in guess.options.items():
        mine = key == guess.mine
        words = f"<b>{escape(key)}</b>: {escape(text)}"
        rows.append(
            f'<div style="margin-left:12px">{"➤" if mine else "○"} {words}{" (our guess)" if mine else ""}</div>'
        )
    if guess.mine == UNANSWERED:
        rows.append(_block(str(guess).splitlines()[-1], f"color:{QUIET};margin-top:6px"))
    return _card(WEBSOCKET.colour, [f"<div><b>{escape(guess.question)}</b></div>", *rows], "a prediction")


def score_card(score: Score) -> str:
    """Show the guess and what happened."""
    colour = {None: COLOURS["to do"], True: COLOURS["passed"], False: COLOURS["wrong"]}[score.right]
    return _card(colour, [_block(str(score))], "a prediction and what happened")


def ruling_card(ruling: Ruling) -> str:
    """Show one verdict, what was seen, and the control in which it was false."""
    evidence = {"seen": ruling.seen, "false in the control": ruling.conclusion.control}
    rows = [f'<div style="color:{QUIET}">{name}</div><div>{escape(text)}</div>' for name, text in evidence.items()]
    parts = [f"<div><b>{escape(ruling.sentence)}</b></div>", f'<div style="{GRID}">{"".join(rows)}</div>']
    return _card(SOCKETIO.colour, parts, f"verdict on {ruling.conclusion.claim}")


def ledger_card(ledger: Ledger) -> str:
    """Show the verdicts as a table, in the order of the claims."""
    if not ledger.rulings:
        return _card(COLOURS["to do"], [escape(str(ledger))], "ledger")
    rows = [(one.conclusion.name, one.outcome, one.seen, one.conclusion.control) for one in ledger.rulings]
    return _table(["claim", "verdict", "seen here", "false in the control"], rows, "ledger")


def claims_card(claims: ClaimList) -> str:
    """Show the claims with their sentences, and below each its verdicts."""
    parts = []
    for claim, sentence in claims.sentences.items():
        parts.append(f"<div><b>{escape(claim)}</b> {escape(sentence)}.</div>")
        rulings = [ruling for ruling in claims.rulings if ruling.conclusion.claim == claim]
        parts += [_block(f"→ {ruling.sentence}", "margin-left:26px") for ruling in rulings]
    return _card(WEBSOCKET.colour, parts, "claims on trial")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], name: str) -> str:
    cell = f"padding:3px 8px;text-align:left;vertical-align:top;border-bottom:1px solid {LINE}"
    head = "".join(f'<th style="{cell}">{escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell};white-space:normal">{escape(text)}</td>' for text in row) + "</tr>"
        for row in rows
    )
    return (
        f'<table aria-label="{escape(name)}" style="color:{INK};border-collapse:collapse"><tr>{head}</tr>{body}</table>'
    )


@dataclass(frozen=True, repr=False)
class Progress:
    """The learner's progress. `labs`: each lab with step -> the verdict of its last check, from the progress file."""

    labs: tuple[tuple[Lab, Mapping[str, str]], ...]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return sum(len(lab.steps) for lab, _ in self.labs)

    @property
    def done(self) -> int:
        """How many of them passed at their last check."""
        return sum(_done(lab, standing) for lab, standing in self.labs)

    def __str__(self) -> str:
        lines = [f"{self.done} of {self.steps} steps done"]
        for lab, standing in self.labs:
            lines.append(f"{lab.name}: {lab.title}")
            lines += [f"  {_step(step, standing)}" for step in lab.steps]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        labs = []
        for lab, standing in self.labs:
            chips = "".join(_step_chip(step, standing, lab.steps[step].title) for step in lab.steps)
            done = _done(lab, standing)
            head = (
                f"<b>{escape(lab.title or lab.name)}</b> <span style='color:{QUIET}'>{done} of {len(lab.steps)}</span>"
            )
            labs.append(f'<div style="margin-top:8px">{head}</div><div style="line-height:2.1">{chips}</div>')
        bar = _bar(self.done, self.steps)
        return _card(
            SOCKETIO.colour, [f"<div><b>{self.done} of {self.steps} steps done</b></div>", bar, *labs], "progress"
        )


def progress(lab: str = "") -> Progress:
    """Return the progress in all labs, or in one lab by its name or the start of its name ("lab1").

    Raises:
        Refusal: there is no such lab.
    """
    need(isinstance(lab, str), "the name of a lab", lab, "Leave it out to see all of them")
    labs = [steps.find(lab)] if lab else [steps.load_lab(module) for module in steps.modules().values()]
    return Progress(tuple((one, remembered.standing(one.name)) for one in labs))


def _line(entry: Line) -> str:
    colour = LINE_COLOURS.get(entry.kind, INK)
    mark = f'<b style="color:{colour}">{escape(MARKS[entry.kind])}</b>'
    columns = "display:grid;grid-template-columns:18px 1fr;margin-left:6px"
    row = f'<div style="{columns}"><span>{mark}</span><span>{escape(entry.text)}</span></div>'
    sides = [("expected", entry.expected), ("got", entry.got)]
    cells = [f'<div style="color:{QUIET}">{name}</div>{_mono(text, bare=True)}' for name, text in sides if text]
    return row + (f'<div style="{GRID}">{"".join(cells)}</div>' if cells else "")


def _card(colour: str, parts: list[str], name: str) -> str:
    style = f"border-left:5px solid {colour};background:transparent;color:{INK};padding:4px 12px;line-height:1.5"
    return f'<div role="group" aria-label="{escape(name)}" style="{style}">{"".join(parts)}</div>'


def _block(text: str, style: str = "") -> str:
    return f'<div style="white-space:pre-wrap;{style}">{escape(text)}</div>'


def _mono(text: str, bare: bool = False) -> str:
    style = f"font-family:{MONO};font-size:12.5px;white-space:pre-wrap;overflow-wrap:anywhere"
    return f'<div style="{style}{"" if bare else ";margin-left:26px"}">{escape(text)}</div>'


def _done(lab: Lab, standing: Mapping[str, str]) -> int:
    return sum(standing.get(step) == "passed" for step in lab.steps)


def _step(step: str, standing: Mapping[str, str]) -> str:
    sign, words = since(standing.get(step))
    return f"{sign} {step}{words and ': ' + words}"


def _step_chip(step: str, standing: Mapping[str, str], title: str) -> str:
    last = standing.get(step)
    colour = LINE if last is None else COLOURS[last if last in ("passed", "borrowed") else "wrong"]
    style = f"border:1.5px solid {colour};background:{SHADE};border-radius:9px;padding:1px 9px;margin-right:6px"
    words = escape(_step(step, standing))
    return f'<span title="{escape(title)}" style="{style};white-space:nowrap;display:inline-block">{words}</span>'


def _bar(done: int, of: int) -> str:
    share = 100 * done / of if of else 0
    inner = f'<div style="width:{share:.0f}%;height:8px;background:{COLOURS["passed"]};border-radius:4px"></div>'
    return f'<div aria-hidden="true" style="background:{SHADE};border-radius:4px;max-width:420px">{inner}</div>'


class expected:  # noqa: N801  used as a verb in a `with` block, as pytest.raises
    """`with expected(InvalidStatus) as refused:` catches that error, and `refused` then shows it.

    Attributes:
        error: the exception; None before the block has ended. Its traceback is dropped, since it would keep alive
            all that the block had open.

    Raises:
        Refusal: nothing of that kind was raised in the block, or the kind is not a type of exception.
    """

    def __init__(self, kind: type[BaseException]) -> None:
        is_kind = isinstance(kind, type) and issubclass(kind, BaseException)
        need(is_kind, "a type of exception", kind, "Write `with expected(ValueError) as seen:`")
        self.kind, self.error = kind, None

    error: BaseException | None

    def __enter__(self) -> expected:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            raise Refusal(f"a {self.kind.__name__} in this block", "none", "What differs from the text above the cell?")
        if not isinstance(error, self.kind):
            return False
        self.error = error.with_traceback(None)
        return True

    def __str__(self) -> str:
        if self.error is None:
            return f"a {self.kind.__name__} is expected; nothing was raised so far"
        words = str(self.error)
        return f"{type(self.error).__name__}: {words}" if words else type(self.error).__name__

    __repr__ = __str__

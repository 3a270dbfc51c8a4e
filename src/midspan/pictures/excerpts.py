"""Which steps of a long run a ladder shows: those that decide its verdict; the others are folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from midspan.protocols.capture import count
from midspan.simulation.history import History
from midspan.simulation.run_report import Ladder, Mark, Rung

MOST_ROWS = 22  # steps and folds: with its heads and its legend a ladder is then one screen high
FIRST_STEPS = 5  # how each connection opens
ALARMING = ("closed", "crashed", "declined", "gave up", "restarted", "wiped", "revoked")


def deciding_message(history: History, reason: str) -> str:
    """Return the message that a violated verdict names first; "" if it names none."""
    sent = {record.message for record in history.of("sent")} - {""}
    named = {match.start(): message for message in sent if (match := _as_word(message).search(reason))}
    return named[min(named)] if named else ""


def mentions(step: Rung | Mark, message: str) -> bool:
    """Whether a step names this message, as a whole word; never for ""."""
    return bool(message) and bool(_as_word(message).search(step.text))


def excerpt(ladder: Ladder, message: str) -> Ladder:
    """Fold a ladder that is longer than `MOST_ROWS`.

    The steps that name the message stay, as do faults and what ends a connection, and as many of their neighbours as
    there is room for. Steps in a row that are left out become one mark of the kind "fold".
    """
    steps = ladder.steps
    if len(steps) <= MOST_ROWS:
        return ladder
    kept: set[int] = set()
    for row in _by_weight(ladder, message):
        if _rows(len(steps), kept | {row}) <= MOST_ROWS:
            kept.add(row)
    return Ladder(ladder.lanes, tuple(_folded(steps, kept)))


def _by_weight(ladder: Ladder, message: str) -> list[int]:
    """The rows of all steps: those that decide, the first and the last, then the others by their distance to these."""
    steps = ladder.steps
    decide = [row for row, step in enumerate(steps) if _decides(step, message)]
    first = [*decide, *range(min(FIRST_STEPS, len(steps))), len(steps) - 1]
    return [*dict.fromkeys([*first, *sorted(range(len(steps)), key=lambda row: min(abs(row - at) for at in first))])]


def _decides(step: Rung | Mark, message: str) -> bool:
    if mentions(step, message):
        return True
    return isinstance(step, Mark) and (step.kind == "fault" or step.text.startswith(ALARMING))


def _rows(steps: int, kept: set[int]) -> int:
    """The rows of an excerpt: the kept steps, and a fold for each gap between them."""
    return len(kept) + sum(not inside for inside, _ in groupby(row in kept for row in range(steps)))


def _folded(steps: tuple[Rung | Mark, ...], kept: set[int]) -> Iterator[Rung | Mark]:
    for inside, rows in groupby(range(len(steps)), key=kept.__contains__):
        chosen = [steps[row] for row in rows]
        yield from chosen if inside else [_fold(chosen)]


def _fold(left_out: list[Rung | Mark]) -> Mark:
    words = f"{count(len(left_out), 'step')} until {left_out[-1].at_s:.3f} s not drawn"
    return Mark(left_out[0].at_s, "", words, "fold")


def _as_word(message: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(message)}(?!\w)")


def finding(reasons: Iterable[str]) -> str:
    """Return the title of a ladder: the first sentence of the first reason, up to its semicolon."""
    first = next(iter(reasons), "")
    return first.partition(";")[0].rstrip(".")

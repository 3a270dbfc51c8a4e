"""What a predicate says of a history: holds, violated, or vacuous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from midspan.sim.index import Index

Outcome = Literal["holds", "violated", "vacuous"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one predicate on one history.

    Args:
        predicate: its name.
        outcome: *vacuous* says that the run tested nothing: passing it proves nothing.
        reason: one sentence; for a violation it names the message and the records.
    """

    predicate: str
    outcome: Outcome
    reason: str

    def __str__(self) -> str:
        return f"{self.predicate}: {self.outcome}. {self.reason}"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A guarantee, as a question to a history.

    Args:
        name: of the guarantee.
        claims: what it promises, as a sentence.
        wrong: says what is wrong with a history, or "".
        idle: says why a history that is not wrong has not tested it, or "".
    """

    name: str
    claims: str
    wrong: Callable[[Index], str]
    idle: Callable[[Index], str]
    holds: Verdict = field(init=False, repr=False, compare=False)  # one for all histories: a search makes thousands

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", Verdict(self.name, "holds", self.claims))

    def __str__(self) -> str:
        return f"{self.name}: {self.claims}"

    def judge(self, index: Index) -> Verdict:
        """Judge one history."""
        reason = self.wrong(index)
        if reason:
            return Verdict(self.name, "violated", reason)
        reason = self.idle(index)
        return Verdict(self.name, "vacuous", reason) if reason else self.holds

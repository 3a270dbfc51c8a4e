"""The ledger: the claims on trial, and the conclusion of the notebooks on each.

A claim is what people say, "L4: Socket.IO adds reconnection". A conclusion is what an experiment of the course shows
about it. It has a test: a function that reads the evidence of an experiment (histories, captures, measured numbers)
and says whether the relation holds there. The same test is run twice:

- in a notebook, on the evidence that its cells made. `verdict(conclusion, *evidence)` enters the result;
- in tests/test_conclusions_*.py, on the evidence of a control: a world in which the conclusion is false. There the test
  must come out false. So no conclusion stands on a test that cannot fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from textwrap import fill
from typing import Any, Literal, get_args

from midspan.errors import InOneSentence, checked, need

ClaimOutcome = Literal["holds", "holds only in", "holds only when", "does not hold"]

CLAIMS = {
    "L1": "They sit on different layers: WSS is a transport protocol, Socket.IO an application framework above it",
    "L2": "WSS is one persistent full-duplex TCP connection, RFC 6455 messages and TLS, and nothing more",
    "L3": "A Socket.IO message is not a bare WebSocket frame; the two ends do not interoperate",
    "L4": "Socket.IO adds a protocol, events, acknowledgements, reconnection, heartbeats, rooms, namespaces, fallback",
    "M1": "With raw WSS your code decides serialisation, ordering, acknowledgement, retry, fan-out",
    "M2": "Socket.IO wraps an event with packet type, namespace, event name and an optional ack id",
    "M3": "The framework manages heartbeats, buffering while reconnecting, optional retries",
    "M4": "The price: more bytes, more CPU; the gain: less protocol code of your own",
    "F1": "Raw: you detect a drop, decide the retry, restore state, handle partial messages and duplicate sends",
    "F2": "Socket.IO: automatic reconnection, buffering, optional state recovery, fallback when WebSocket is blocked",
    "F3": "The framework's defaults are designed for unreliable networks",
    "S1": "The hard part of scaling is infrastructure: sticky sessions, ownership, fan-out, cross-node, backpressure",
    "S2": "Socket.IO needs sticky sessions",
    "S3": "Socket.IO scales by adapters and pub/sub, which simplifies fan-out code",
    "S4": "Raw: you design routing, choose the pub/sub, distribute, and manage backpressure by hand",
    "O1": "At small scale the difference is negligible, at large scale measurable",
    "O2": "Raw has less framing, lower CPU per message, smaller memory per connection, a lower latency floor",
    "O3": "Socket.IO costs metadata, allocations, per-message work, slightly higher latency",
    "O4": "That does not make Socket.IO slow: it trades performance for guarantees",
    "W1": "Socket.IO hurts for ultra-low latency, custom binary, very many connections, strict backpressure, cost",
    "W2": "Raw is a liability for unstable networks, small teams, time to market, under-designed failure handling",
    "W3": "Fast systems fail from edge cases more often than from lack of speed",
    "W4": "Socket.IO scales by hiding failure, raw by having nothing in the way",
}
WIDE = 100  # characters: JupyterLab breaks a longer line anywhere
_entered: dict[tuple[str, str], Ruling] = {}  # of this kernel


@dataclass(frozen=True, slots=True)
class Seen:
    """What a conclusion's test read in its evidence.

    Attributes:
        holds: whether the relation holds there.
        values: the values that decide, as a text with units.
    """

    holds: bool
    values: str


@dataclass(frozen=True, eq=False)
class Conclusion:
    """A claim, or one row of it; its verdict; and the test that the verdict stands on.

    Attributes:
        claim: its id, "F1".
        row: one of the claim's rows ("reconnection"); "" for a claim without rows.
        outcome: "holds", "holds only in" an implementation, "holds only when" the relation holds, "does not hold".
        of: the implementations, "websockets, python-socketio". An installed package gets its version. "" for a
            statement about the protocols.
        relation: what the test asks, in words without numbers.
        control: the world in which it must come out false, in words.
        test: reads the evidence.
    """

    claim: str
    row: str
    outcome: ClaimOutcome
    of: str
    relation: str
    control: str
    test: Callable[..., Seen]

    @property
    def name(self) -> str:
        """The claim's id, and its row if it has one."""
        return f"{self.claim}, {self.row}" if self.row else self.claim

    def __call__(self, *evidence: Any) -> Seen:
        """Run the test on this evidence."""
        return self.test(*evidence)


def conclusion(
    claim: str, row: str, outcome: ClaimOutcome, of: str, relation: str, *, control: str
) -> Callable[[Callable[..., Seen]], Conclusion]:
    """Make a conclusion of the function below: its test. For the arguments see `Conclusion`.

    Raises:
        Refusal: there is no such claim or no such outcome, or the control has no words.
    """
    need(claim in CLAIMS, f"a claim, one of {', '.join(CLAIMS)}", claim, "Correct its id")
    outcomes = get_args(ClaimOutcome)
    need(outcome in outcomes, f"one of {', '.join(outcomes)}", outcome, "Choose one of them")
    need(bool(control), "a control in words", control, "Say in which world the test comes out false")
    return lambda test: Conclusion(claim, row, outcome, of, relation, control, test)


class NotAsConcluded(InOneSentence, AssertionError):
    """A conclusion's test came out false on a notebook's evidence: what was expected, what was seen, what to do."""

    def __init__(self, conclusion: Conclusion, seen: Seen) -> None:
        super().__init__(
            f"{conclusion.name}: expected that {conclusion.relation}. Seen: {seen.values}. Run the cells that made "
            "this evidence again. If it comes again on a machine that does nothing else, the chapter is wrong here: "
            "please tell us."
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """One row of the ledger: a conclusion, and what this kernel's evidence showed of it."""

    conclusion: Conclusion
    seen: str

    @property
    def of(self) -> str:
        """The implementations, with the versions that are installed here."""
        return ", ".join(map(_with_version, filter(None, self.conclusion.of.split(", "))))

    @property
    def outcome(self) -> str:
        """The verdict without the claim."""
        one = self.conclusion
        if one.outcome == "holds only when":
            return f"holds only when {one.relation} ({self.of})"
        of = "" if not self.of else f" {self.of}" if one.outcome == "holds only in" else f" for {self.of}"
        return f"{one.outcome}{of}: {one.relation}"

    @property
    def sentence(self) -> str:
        """The claim and its verdict."""
        return f"{self.conclusion.name}{':' if self.conclusion.row else ''} {self.outcome}"

    def __str__(self) -> str:
        """The text that a cell shows: the verdict, what was seen, and the control in which it was false."""
        return self.lines()

    __repr__ = __str__

    def lines(self, indent: str = "") -> str:
        """The text that a cell shows, behind an indent."""
        text = self.sentence.replace(self.of, self.of.replace(" ", "\xa0"))  # so that `fill` breaks no line there
        further = [f"seen: {self.seen}", f"false in the control: {self.conclusion.control}"]
        made = [_filled(text, indent), *(_filled(line, f"{indent}    ") for line in further)]
        return "\n".join(made).replace("\xa0", " ")


def _filled(text: str, indent: str = "") -> str:
    """Break a text into lines of `WIDE` characters at most, where it has spaces."""
    further = f"{indent}    "
    return fill(
        text, WIDE, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


@checked
def verdict(conclusion: Conclusion, *evidence: Any) -> Ruling:
    """Run a conclusion's test on the evidence of this notebook, and enter it into the ledger.

    A conclusion that is entered again replaces the earlier row.

    Raises:
        NotAsConcluded: the test came out false.
    """
    seen = conclusion(*evidence)
    if not seen.holds:
        raise NotAsConcluded(conclusion, seen)
    ruling = _entered[conclusion.claim, conclusion.row] = Ruling(conclusion, seen.values)
    return ruling


@dataclass(frozen=True, slots=True, repr=False)
class Ledger:
    """The verdicts that this kernel has entered, in the order of the claims."""

    rulings: tuple[Ruling, ...]

    def __iter__(self) -> Iterator[Ruling]:
        return iter(self.rulings)

    def __len__(self) -> int:
        return len(self.rulings)

    def __str__(self) -> str:
        return "\n".join(map(repr, self.rulings)) or "No verdict yet."

    __repr__ = __str__


def ledger() -> Ledger:
    """Return the verdicts so far."""
    places = {claim: place for place, claim in enumerate(CLAIMS)}
    return Ledger(tuple(sorted(_entered.values(), key=lambda ruling: places[ruling.conclusion.claim])))


@dataclass(frozen=True, slots=True, repr=False)
class ClaimList:
    """Claims by id with their sentences; below each the verdicts that this kernel has entered."""

    sentences: Mapping[str, str]
    rulings: tuple[Ruling, ...]

    def __str__(self) -> str:
        lines = []
        for claim, sentence in self.sentences.items():
            lines.append(_filled(f"{claim}  {sentence}."))
            lines += [ruling.lines(indent="      ") for ruling in self.rulings if ruling.conclusion.claim == claim]
        return "\n".join(lines)

    __repr__ = __str__


@checked
def claims(letter: str = "") -> ClaimList:
    """Return the claims on trial whose ids begin with this letter, "L"; "" for all of them.

    Raises:
        Refusal: no claim's id begins so.
    """
    sentences = {claim: sentence for claim, sentence in CLAIMS.items() if claim.startswith(letter)}
    letters = ", ".join(dict.fromkeys(claim[0] for claim in CLAIMS))
    need(bool(sentences), f"one of {letters}", letter, "Leave it out to see all claims")
    return ClaimList(sentences, ledger().rulings)


def _with_version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name

"""Predictions, which a notebook asks for before a run; and the ledger of claims, with the verdicts of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from textwrap import fill
from typing import Literal, get_args

from midspan.errors import checked, need
from midspan.grading.progress import predicted, prediction

# Predictions: the learner guesses before a run, and compares the guess with the result afterwards.
#
# A guess is recorded when its cell runs; a later cell shows the score. Run All needs no input: the default "?" means
# "no guess", and then the score does not show the answer. The text depends on the guesses of this kernel, and not on
# the progress file of an earlier run, so that a stored output is equal on each run.


UNANSWERED = "?"
NO_GUESS = (
    "No guess was made. What happened is in the run above.\n"
    'To compare, put an answer in place of "?" in the question\'s cell, then run both cells again.'
)
_guesses: dict[str, Guess] = {}  # of this kernel


@dataclass(frozen=True, slots=True)
class Guess:
    """A question, its options, and the option that was chosen ("?" for none yet)."""

    id: str
    question: str
    options: Mapping[str, str]
    mine: str

    def __str__(self) -> str:
        lines = [self.question]
        lines += [f"  {'>' if key == self.mine else ' '} {key}: {text}" for key, text in self.options.items()]
        if self.mine == UNANSWERED:
            lines.append(f'No guess yet: put one of {", ".join(self.options)} in place of "?" and run the cell again.')
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Score:
    """A guess and the answer. Without a guess `right` is None, and `str()` does not show the answer."""

    id: str
    mine: str
    answer: str
    saw: str

    @property
    def right(self) -> bool | None:
        """Whether the guess was right; None if there was no guess."""
        return None if self.mine == UNANSWERED else self.mine == self.answer

    def __str__(self) -> str:
        if self.right is None:  # do not show the answer to a learner who has not guessed; the run above shows it
            return NO_GUESS
        said = {
            True: f"✓ We guessed {self.mine}, and so it is.",
            False: f"✗ We guessed {self.mine}. Worth a look: what in the run above says otherwise?",
        }
        return f"{said[self.right]}\nWhat happened: {self.answer}{': ' + self.saw if self.saw else ''}"

    __repr__ = __str__


def predict(id: str, question: str, options: Mapping[str, str], mine: str = UNANSWERED) -> Guess:
    """Record a guess before the run.

    Args:
        id: chapter and topic, "01.masking"; its misconception, wrong solution and hint have the same id.
        question: one sentence.
        options: key -> text, {"a": "the client", "b": "the server"}; two or more.
        mine: the chosen key; "?" for no guess.
    """
    need(isinstance(id, str) and isinstance(question, str), "text for id and question", (id, question), "Write both")
    need(
        isinstance(options, Mapping) and len(options) >= 2, "two options or more, as {'a': 'text'}", options, "Add one"
    )
    is_one = isinstance(mine, str) and mine in (*options, UNANSWERED)
    need(is_one, f"one of {', '.join(map(str, options))}", mine, 'Set mine= to one of them, or to "?"')
    guess = Guess(id, question, dict(options), mine)
    _guesses[id] = guess
    if mine != UNANSWERED:  # Run All on a fresh copy must not delete an earlier guess
        predicted(id, mine=mine)
    return guess


@checked
def score(id: str, answer: str) -> Score:
    """Compare the guess with `answer`, the key of the option that was right."""
    guess = _guesses.get(id)
    if guess is None:  # the cell with the question has not run in this kernel
        mine = str(prediction(id).get("mine", UNANSWERED))
        return Score(id, mine, answer, "")
    need(answer in guess.options, f"one of {', '.join(guess.options)}", answer, "Pass the option that came true")
    if guess.mine != UNANSWERED:
        predicted(id, answer=answer)
    return Score(id, guess.mine, answer, guess.options[answer])


# The ledger: the claims, and the verdict of the notebooks on each.
#
# A verdict is always about named implementations, with the versions that are installed here. A cell first asserts the
# relation, then enters the verdict; so the assertion fails when a verdict no longer holds. A verdict that is entered
# again replaces the earlier one.


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
class Ruling:
    """One row of the ledger: a claim (or one row of it), its verdict, the implementations, the relation."""

    claim: str
    row: str
    outcome: ClaimOutcome
    of: str
    relation: str

    def __str__(self) -> str:
        what = f"{self.claim}, {self.row}:" if self.row else f"{self.claim}"
        if self.outcome == "holds only when":
            return f"{what} holds only when {self.relation} ({self.of})"
        of = "" if not self.of else f" {self.of}" if self.outcome == "holds only in" else f" for {self.of}"
        return f"{what} {self.outcome}{of}: {self.relation}"

    def __repr__(self) -> str:
        """The text that a cell shows: as `str()`; a long one takes two lines, with all implementations in one line."""
        return self.lines()

    def lines(self, indent: str = "") -> str:
        """The text that a cell shows, behind an indent."""
        text = str(self).replace(self.of, self.of.replace(" ", "\xa0"))  # so that `fill` breaks no line there
        return _filled(text, indent).replace("\xa0", " ")


def _filled(text: str, indent: str = "") -> str:
    """Break a text into lines of `WIDE` characters at most, where it has spaces."""
    further = f"{indent}    "
    return fill(
        text, WIDE, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


@checked
def verdict(claim: str, row: str, outcome: ClaimOutcome, of: str, relation: str) -> Ruling:
    """Enter a verdict whose relation the cell has asserted.

    Args:
        claim: its id, "F1".
        row: one of the claim's rows ("reconnection"); "" for a claim without rows.
        outcome: "holds", "holds only in" an implementation, "holds only when" the relation holds, "does not hold".
        of: the implementations, "websockets, python-socketio". An installed package gets its version. "" for a
            statement about the protocols.
        relation: the asserted relation, in words without numbers.

    Raises:
        Refusal: there is no such claim or no such outcome.
    """
    need(claim in CLAIMS, f"a claim, one of {', '.join(CLAIMS)}", claim, "Correct its id")
    need(
        outcome in get_args(ClaimOutcome), f"one of {', '.join(get_args(ClaimOutcome))}", outcome, "Choose one of them"
    )
    ruling = Ruling(claim, row, outcome, ", ".join(map(_with_version, filter(None, of.split(", ")))), relation)
    _entered[claim, row] = ruling
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
    return Ledger(tuple(sorted(_entered.values(), key=lambda ruling: places[ruling.claim])))


@dataclass(frozen=True, slots=True, repr=False)
class ClaimList:
    """Claims by id with their sentences; below each the verdicts that this kernel has entered."""

    sentences: Mapping[str, str]
    rulings: tuple[Ruling, ...]

    def __str__(self) -> str:
        lines = []
        for claim, sentence in self.sentences.items():
            lines.append(_filled(f"{claim}  {sentence}."))
            lines += [ruling.lines(indent="      ") for ruling in self.rulings if ruling.claim == claim]
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

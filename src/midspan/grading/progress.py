"""What this learner has done: steps, hints, predictions, and the ledger of claims."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, get_args

from midspan.errors import checked, need
from midspan.grading import notebooks

# One JSON file in the course's folder, sent nowhere.
#
# Several kernels may write at once, so each change reads, alters and writes the file while it holds a lock file's
# lock, and the file is replaced as a whole. Progress is a convenience: when it cannot be read or written we say so
# and go on.


Data = dict[str, Any]
PARTS = ("passed", "lapsed", "hints", "predictions")
_told: set[str] = set()  # each complaint once a kernel


def path() -> Path:
    """The file; `$MIDSPAN_HOME` overrides its folder."""
    return notebooks.home() / "progress.json"


def read() -> Data:
    """What is remembered, each part empty when new.

    `{"passed": {lab: [step, ...]}, "lapsed": {lab: {step: verdict}}, "hints": {lab: {step: level}},
    "predictions": {id: {...}}}`
    """
    try:
        data = json.loads(path().read_text("utf-8"))
        if not isinstance(data, dict) or not all(isinstance(data.get(part, {}), dict) for part in PARTS):
            raise ValueError("not a progress file")
    except FileNotFoundError:
        data = {}
    except (OSError, ValueError, RecursionError):
        _tell(f"{path().name} cannot be read, so we begin a new one; the old one is kept as {_spoilt().name}.")
        data = {}
    return {part: data.get(part, {}) for part in PARTS}


def passed(lab: str, step: str) -> None:
    """Remember that a step has passed."""

    def note(data: Data) -> None:
        data["passed"][lab] = sorted({*_sequence(data["passed"].get(lab)), step})
        _put(data, lab, {name: verdict for name, verdict in _lapsed(data, lab).items() if name != step})

    _change(note)


def failed(lab: str, step: str, verdict: str) -> None:
    """Remember that a step which once passed did not at its last check; of any other nothing is remembered."""

    def note(data: Data) -> None:
        passing, lapsed = _sequence(data["passed"].get(lab)), _lapsed(data, lab)
        if step in passing or step in lapsed:
            data["passed"][lab] = [name for name in passing if name != step]
            _put(data, lab, {**lapsed, step: verdict})

    if step in standing(lab):
        _change(note)


def standing(lab: str) -> dict[str, str]:
    """Step -> the verdict of its last check, for the steps of a lab that have passed at least once."""
    data = read()
    return {**_lapsed(data, lab), **dict.fromkeys(_sequence(data["passed"].get(lab)), "passed")}


def hints_seen(lab: str, step: str) -> int:
    """The highest level of hint seen, 0 for none."""
    return _level(_mapping(read()["hints"].get(lab)).get(step))


def hint_seen(lab: str, step: str, level: int) -> None:
    """Remember that a hint has been shown."""

    def note(data: Data) -> None:
        seen = _mapping(data["hints"].get(lab))
        data["hints"][lab] = {**seen, step: max(level, _level(seen.get(step)))}

    _change(note)


def prediction(id: str) -> Data:
    """What is remembered of a prediction: {"mine": option} and, once scored, {"answer": option}."""
    return _mapping(read()["predictions"].get(id))


def predicted(id: str, **facts: str) -> None:
    """Remember facts on a prediction beside those already known."""

    def note(data: Data) -> None:
        data["predictions"][id] = {**_mapping(data["predictions"].get(id)), **facts}

    _change(note)


def _change(note: Callable[[Data], None]) -> None:
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        with _locked(path().with_suffix(".lock")):
            data = read()
            before = json.dumps(data)
            note(data)
            if json.dumps(data) != before or not path().exists():
                _replace(json.dumps(data, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        _tell(f"Progress is not remembered: {error.strerror or error} ({path().parent.name}). All else works.")


def _replace(text: str) -> None:
    """Write the file as a whole, so that a reader sees the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path().parent, prefix=".progress-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the file's lock, which the system frees when a kernel dies."""
    with file.open("a+b") as lock:
        try:
            import fcntl
        except ImportError:  # Windows has its own way; ten tries of a second are built into it
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lapsed(data: Data, lab: str) -> dict[str, str]:
    return {step: word for step, word in _mapping(data["lapsed"].get(lab)).items() if isinstance(word, str)}


def _put(data: Data, lab: str, lapsed: dict[str, str]) -> None:
    """Note the lapsed steps of a lab; a lab without any is not there."""
    data["lapsed"].pop(lab, None)
    if lapsed:
        data["lapsed"][lab] = lapsed


def _spoilt() -> Path:
    """Move a file that cannot be read out of the way, and say where to."""
    kept = path().with_suffix(".spoilt.json")
    with contextlib.suppress(OSError):
        path().replace(kept)
    return kept


def _tell(sentence: str) -> None:
    if sentence not in _told:
        _told.add(sentence)
        print(sentence)


def _level(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _mapping(value: Any) -> Data:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


# Predictions: say what will happen before it runs, see afterwards how that compares.
#
# A guess is recorded when its cell runs; the score comes in a later cell. Run All works unattended: the default "?"
# means that nobody has guessed, and nobody is told the answer. The text depends on what this kernel was told, not on
# what an earlier run left in the progress file, so that a stored output is equal on each run.


NOBODY = "?"
NO_GUESS = (
    "No guess was made. What happened is in the run above.\n"
    'To compare, put an answer in place of "?" in the question\'s cell, then run both cells again.'
)
_guesses: dict[str, Guess] = {}  # of this kernel


@dataclass(frozen=True, slots=True)
class Guess:
    """A question, its options and what was chosen ("?" for nothing yet)."""

    id: str
    question: str
    options: Mapping[str, str]
    mine: str

    def __str__(self) -> str:
        lines = [self.question]
        lines += [f"  {'>' if key == self.mine else ' '} {key}: {text}" for key, text in self.options.items()]
        if self.mine == NOBODY:
            lines.append(f'No guess yet: put one of {", ".join(self.options)} in place of "?" and run the cell again.')
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Score:
    """A guess beside what happened. `right` is None where nobody guessed; then `str()` keeps the answer back."""

    id: str
    mine: str
    answer: str
    saw: str

    @property
    def right(self) -> bool | None:
        """Whether the guess was right; None where there was none."""
        return None if self.mine == NOBODY else self.mine == self.answer

    def __str__(self) -> str:
        if self.right is None:  # who has not thought yet is not told: the run above shows it to those who look
            return NO_GUESS
        said = {
            True: f"✓ We guessed {self.mine}, and so it is.",
            False: f"✗ We guessed {self.mine}. Worth a look: what in the run above says otherwise?",
        }
        return f"{said[self.right]}\nWhat happened: {self.answer}{': ' + self.saw if self.saw else ''}"

    __repr__ = __str__


def predict(id: str, question: str, options: Mapping[str, str], mine: str = NOBODY) -> Guess:
    """Record a guess before the run.

    Args:
        id: chapter and topic, "01.masking"; the same for its misconception, wrong solution and hint.
        question: one sentence.
        options: key -> text, {"a": "the client", "b": "the server"}; two or more.
        mine: the key chosen; "?" for no guess.
    """
    need(isinstance(id, str) and isinstance(question, str), "text for id and question", (id, question), "Write both")
    need(
        isinstance(options, Mapping) and len(options) >= 2, "two options or more, as {'a': 'text'}", options, "Add one"
    )
    is_one = isinstance(mine, str) and mine in (*options, NOBODY)
    need(is_one, f"one of {', '.join(map(str, options))}", mine, 'Set mine= to one of them, or to "?"')
    guess = Guess(id, question, dict(options), mine)
    _guesses[id] = guess
    if mine != NOBODY:  # Run All on a fresh copy must not wipe out what the learner once guessed
        predicted(id, mine=mine)
    return guess


@checked
def score(id: str, answer: str) -> Score:
    """Compare the guess with what happened; `answer` is the option's key."""
    guess = _guesses.get(id)
    if guess is None:  # only this cell was run since the kernel started
        mine = str(prediction(id).get("mine", NOBODY))
        return Score(id, mine, answer, "")
    need(answer in guess.options, f"one of {', '.join(guess.options)}", answer, "Pass the option that came true")
    if guess.mine != NOBODY:
        predicted(id, answer=answer)
    return Score(id, guess.mine, answer, guess.options[answer])


# The claims on trial, and what the notebooks found about each: the ledger.
#
# A verdict is always one on a named implementation, with the version that is installed here. It is entered by the
# cell that has just asserted its relation, so a verdict that no longer holds fails there. Entered again, it replaces
# itself.


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
    """One row of the ledger: a claim, or one row of it; what was found; of which implementation; the relation seen."""

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
        """What a cell shows: the same, over two lines where it is long, the implementations together in one."""
        text = str(self).replace(self.of, self.of.replace(" ", "\xa0"))  # no place for `fill` to break a line
        lines = fill(text, WIDE, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        return lines.replace("\xa0", " ")


@checked
def verdict(claim: str, row: str, outcome: ClaimOutcome, of: str, relation: str) -> Ruling:
    """Enter what a cell has asserted.

    Args:
        claim: its id, "F1".
        row: which of its rows ("reconnection"); "" for a claim that has none.
        outcome: "holds", "holds only in" an implementation, "holds only when" the relation is so, "does not hold".
        of: the implementations, "websockets, python-socketio": an installed package gets its version; "" for a
            statement about the protocols.
        relation: what was asserted, in words without numbers.

    Raises:
        Refusal: no such claim, no such outcome.
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
    """What this kernel has entered, in the order of the claims."""

    rulings: tuple[Ruling, ...]

    def __iter__(self) -> Iterator[Ruling]:
        return iter(self.rulings)

    def __len__(self) -> int:
        return len(self.rulings)

    def __str__(self) -> str:
        return "\n".join(map(repr, self.rulings)) or "No verdict yet."

    __repr__ = __str__


def ledger() -> Ledger:
    """The verdicts so far."""
    places = {claim: place for place, claim in enumerate(CLAIMS)}
    return Ledger(tuple(sorted(_entered.values(), key=lambda ruling: places[ruling.claim])))


def _with_version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name

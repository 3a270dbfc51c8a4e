"""Predictions: say what will happen before it runs, see afterwards how that compares.

A guess is recorded when its cell runs; the score comes in a later cell. Run All works unattended: the default "?"
means that nobody has guessed, and nobody is told the answer. The text depends on what this kernel was told, not on
what an earlier run left in the progress file, so that a stored output is equal on each run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midspan.arguments import checked
from midspan.checks import progress
from midspan.refusal import need

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
        progress.predicted(id, mine=mine)
    return guess


@checked
def score(id: str, answer: str) -> Score:
    """Compare the guess with what happened; `answer` is the option's key."""
    guess = _guesses.get(id)
    if guess is None:  # only this cell was run since the kernel started
        mine = str(progress.prediction(id).get("mine", NOBODY))
        return Score(id, mine, answer, "")
    need(answer in guess.options, f"one of {', '.join(guess.options)}", answer, "Pass the option that came true")
    if guess.mine != NOBODY:
        progress.predicted(id, answer=answer)
    return Score(id, guess.mine, answer, guess.options[answer])

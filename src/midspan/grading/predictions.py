"""Predictions: a notebook asks for a guess before a run, and scores it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

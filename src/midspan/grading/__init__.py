"""Checks: the code that judges a learner's answers, in the notebook and from the command line.

In this order:

1. `steps`: a lab, its steps, and the way from a call such as `check.mask(mask)` to a verdict.
2. `transcript`: the lines that a step writes, and its result. `limits`: runs an answer in a thread, with a time limit.
3. `progress`: the file with what the learner has done. `predictions`: guesses and their scores.
4. `notebooks`: the cells of a notebook. `judging`, `judge_process`: judge a whole notebook, in a process for each step.
5. `finished_labs`, `serving`: measure a finished lab, or serve it to real clients.
6. `lab_source`: write labs/ from solutions/, and store the outputs of notebooks.
"""

from midspan.errors import imported_when_used
from midspan.grading.steps import Checks, Hint, Lab, Step
from midspan.grading.transcript import CheckFailed, Result, Transcript

HOMES = {  # what notebooks use
    "earlier": "lab_source",
    "lab5_bare_contender": "finished_labs",
    "lab5_contender": "finished_labs",
}

__all__ = ["CheckFailed", "Checks", "Hint", "Lab", "Result", "Step", "Transcript", *HOMES]

__getattr__ = imported_when_used(__name__, HOMES)

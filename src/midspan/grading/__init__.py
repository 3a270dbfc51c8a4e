"""Checks: what judges a learner's answers, in the notebook and from the command line.

In this order:

1. `steps`: a lab, its steps, and the way from a call such as `check.mask(mask)` to a verdict.
2. `transcript`: the lines that a step writes, and its result; `limits`: an answer runs in a thread, under a time limit.
3. `progress` (the file of what the learner has done) and `predictions` (guesses, and the ledger of claims).
4. `notebooks`: the cells of a notebook; `judging` with `judge_process`: a whole notebook, a process for each step.
5. `finished_labs`, `serving`: a finished lab is measured, or served to real clients.
6. `lab_source`: writes labs/ from solutions/, and stores the outputs of notebooks.
"""

from midspan.errors import imported_when_used
from midspan.grading.steps import Checks, Hint, Lab, Step
from midspan.grading.transcript import CheckFailed, Result, Transcript

HOMES = {  # what notebooks use
    "lab5_contender": "finished_labs",
}

__all__ = ["CheckFailed", "Checks", "Hint", "Lab", "Result", "Step", "Transcript", *HOMES]

__getattr__ = imported_when_used(__name__, HOMES)

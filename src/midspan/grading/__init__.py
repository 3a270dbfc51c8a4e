"""Checks: what judges a learner's answers, in the notebook and from the command line.

`steps` (a lab and its steps), `transcript` (what a body writes), `verdicts` (what comes out), `limits` (time),
`progress`, `predictions`, `labs` (generated notebooks), `judge` (a whole file). One package per lab holds its
steps.


"""

from midspan.grading.steps import Checks, Hint, Lab, Step
from midspan.grading.transcript import CheckFailed, Result, Transcript

__all__ = ["CheckFailed", "Checks", "Hint", "Lab", "Result", "Step", "Transcript"]

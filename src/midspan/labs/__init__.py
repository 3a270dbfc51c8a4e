"""The labs: a package each, and in it a module for a group of steps, with the checks that judge them.

Each package has `lab`, which defines the lab, its table of misconceptions (id -> the words that the learner reads) and
the three hints of each step. A step is a function that `@lab.step` registers: it calls the learner's answer and writes
a transcript (`midspan.grading`). The wrong answers that it must catch are in `tests/bank/`. Begin with
`lab1_framing/frames.py`.
"""

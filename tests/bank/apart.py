"""The banks of several labs at once, in processes of their own.

A wrong solution is often one that waits for what never comes: an entry waits longer than it computes. Processes, and
not threads, since an answer's printing, its module and its lines are kept by name in its process. Each is as strict
as pytest is: a warning is an error, and what an entry leaves behind is told.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from midspan.grading import Result
from tests.bank import Judged, Right, entries, judged, load
from tests.left_behind import watching

PROCESSES = 4  # on two cores: half of the time is waiting
SHARES = 4  # of each bank; a share starts once what its entries have in common (lab 4's broker)

_unheard: list[str] = []  # exceptions that no code could catch: of finalisers, of threads


class LeftBehind(AssertionError):
    """Something outlived the entries of a bank."""


def judged_apart(names: Iterable[str]) -> dict[str, list[Judged]]:
    """Lab -> all entries of its bank, judged; `LeftBehind` where one left something behind."""
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
    with ProcessPoolExecutor(PROCESSES, context, initializer=be_strict) as pool:
        shares = {name: [pool.submit(share, name, first) for first in range(SHARES)] for name in names}
        return {name: in_order(name, [one.result() for one in found]) for name, found in shares.items()}


def all_entries(name: str) -> list[Right]:
    """The wrong and the right entries of a lab's bank."""
    wrong, right = entries(name)
    return [*wrong, *right]


def in_order(name: str, shares: list[list[dict[str, Result]]]) -> list[Judged]:
    """The shares, put together again in the order of the bank."""
    lab = load(name)
    return [
        Judged(lab, entry, shares[number % SHARES][number // SHARES]) for number, entry in enumerate(all_entries(name))
    ]


def share(name: str, first: int) -> list[dict[str, Result]]:
    """In a process: every so many-th entry of the bank."""
    with watching() as watch:
        found = [row.results for row in judged(load(name), all_entries(name)[first::SHARES])]
        left = watch.left()
    if left or _unheard:
        raise LeftBehind(f"{name}, share {first}:\n  " + "\n  ".join([*left, *_unheard]))
    return found


def be_strict() -> None:
    """What pytest's configuration does for a test: warnings are errors, and so is what a finaliser or thread raises."""
    warnings.simplefilter("error")
    sys.unraisablehook = lambda it: _unheard.append(f"{it.exc_value!r} in {it.object!r}")
    threading.excepthook = lambda it: _unheard.append(f"{it.exc_value!r} in thread {it.thread}")

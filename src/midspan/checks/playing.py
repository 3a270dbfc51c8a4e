"""The process in which a notebook's session plays many schedules (see `seeds`).

In: an order as `child` reads it, with the cells, the name of the cast, the seeds and the link. Out: one line of JSON,
the counts and the counterexamples in words, or `{"refused": a sentence}`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from midspan.checks import guard, limits
from midspan.checks.attempt import CELLS_LIMIT_S
from midspan.checks.cells import Answers
from midspan.checks.child import answer
from midspan.checks.sheet import Cell
from midspan.checks.values import error_in_words
from midspan.sim import Cast, Findings, SimulationError, search


def main() -> None:
    """Read the order, play, answer."""
    answer(_played)


def _played(order: dict[str, Any]) -> dict[str, Any]:
    sys.path[:] = order["path"]
    cells = [Cell(**cell) for cell in order["cells"]]
    play = search if order["link"] == "simulated" else _real()  # before processes are forbidden: TLS keys are made
    attempts = guard.forbid_processes()
    answers = Answers("__main__")
    with guard.little_memory():
        ran = limits.run(lambda: answers.run(cells), CELLS_LIMIT_S)
        if ran.error is not None or ran.expired:
            why = error_in_words(ran.error) if ran.error else f"no end after {CELLS_LIMIT_S:g} s"
            return {"refused": f"a cell that ends with {why}"}
        cast = getattr(answers, order["name"], None)
        if not isinstance(cast, Cast):
            return {"refused": f"no cast named {order['name']}"}
        try:
            found = play(cast, range(order["first"], order["first"] + order["count"]), keep_going=True)
        except (SimulationError, NotImplementedError) as error:
            return {"refused": str(error) or "an answer that is still to do"}
    if attempts:
        return {"refused": f"code that tried to use {attempts[0]}"}
    return _told(found, order)


def _real() -> Any:
    from midspan.bench.real import search_real

    return search_real


def _told(found: Findings, order: dict[str, Any]) -> dict[str, Any]:
    verdicts: dict[str, dict[str, int]] = {}
    for (predicate, outcome), count in found.verdicts.items():
        verdicts.setdefault(predicate, {})[outcome] = count
    again = f"python -m midspan judge {order['file']} --seeds 1 --link {order['link']} --start "
    examples = [replace(one, replay=f"{again}{one.found.seed}") for one in found.counterexamples.values()]
    return {"outcomes": found.outcomes, "verdicts": verdicts, "examples": [str(one) for one in examples]}

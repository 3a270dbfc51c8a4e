"""The process in which a notebook's session plays many schedules (see `seeds`).

In: an order as `child` reads it, with the cells, the name of the cast, the seeds and the link. Out: one line of JSON,
the counts and the counterexamples in words, or `{"refused": a sentence}`.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from midspan.checks import guard, limits
from midspan.checks.attempt import CELLS_LIMIT_S
from midspan.checks.cells import Answers
from midspan.checks.child import answer
from midspan.checks.seeds import NODES
from midspan.checks.sheet import Cell
from midspan.checks.values import error_in_words
from midspan.sim import Cast, Findings, Shape, SimulationError, search


def main() -> None:
    """Read the order, play, answer."""
    answer(_played)


def _played(order: dict[str, Any]) -> dict[str, Any]:
    sys.path[:] = order["path"]
    cells = [Cell(**cell) for cell in order["cells"]]
    play, broker = _player(order["link"])  # before processes are forbidden: TLS keys are made, the broker starts
    with broker:
        return _found(order, cells, play)


def _found(order: dict[str, Any], cells: list[Cell], play: Any) -> dict[str, Any]:
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
        seeds, stores = range(order["first"], order["first"] + order["count"]), tuple(order["stores"])
        try:
            found = play(cast, seeds, Shape(stores=stores) if stores else None, keep_going=True)
        except (SimulationError, NotImplementedError) as error:
            return {"refused": str(error) or "an answer that is still to do"}
    if attempts:
        return {"refused": f"code that tried to use {attempts[0]}"}
    return _told(found, order)


def _player(link: str) -> tuple[Any, AbstractContextManager[object]]:
    """What plays the schedules, and what is open meanwhile."""
    if link == "simulated":
        return search, nullcontext()
    if link == NODES:
        from midspan.bench.nodes import bus, search_nodes

        return search_nodes, bus()
    from midspan.bench.real import search_real

    return search_real, nullcontext()


def _told(found: Findings, order: dict[str, Any]) -> dict[str, Any]:
    verdicts: dict[str, dict[str, int]] = {}
    for (predicate, outcome), count in found.verdicts.items():
        verdicts.setdefault(predicate, {})[outcome] = count
    link = "" if order["link"] == NODES else f" --link {order['link']}"
    again = f"python -m midspan judge {order['file']} --seeds 1{link} --start "
    examples = [replace(one, replay=f"{again}{one.found.seed}") for one in found.counterexamples.values()]
    return {"outcomes": found.outcomes, "verdicts": verdicts, "examples": [str(one) for one in examples]}

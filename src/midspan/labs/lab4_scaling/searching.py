"""Lab 4: its schedules for three nodes and a broker, its demonstrations, and its node for a cluster."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

from midspan.errors import checked, need
from midspan.grading import Lab, Transcript, steps
from midspan.grading.finished_labs import written
from midspan.grading.notebooks import Answers
from midspan.grading.serving import cells_of, define
from midspan.labs import lab3_failure
from midspan.labs.lab3_failure.searching import Search
from midspan.labs.lab3_failure.session import of_step, seen, seen_again, session_parts
from midspan.net.child_process import ServedNode
from midspan.net.servers import HOST, Served
from midspan.simulation import PREDICATES, Counterexample, Implementation, Schedule, Shape
from midspan.simulation.nodes import NODE_SHAPE, generate_nodes
from midspan.simulation.nodes.run import opened_nodes
from midspan.simulation.run import Player

lab = Lab(
    "lab4_scaling",
    title="Any node, any client",
    misconceptions={
        "vacuous": "A run in which nothing was at risk proves nothing: the verdict is vacuous, not passed."
    },
    serves="serve_node",
    plays="ours",
    on_nodes=True,
)


# Schedules for three nodes and a broker. A check plays them after its quick checks hold.
#
# A `Search` is as in lab 3. But sockets, TLS and broker are real, so a schedule takes a quarter of a second. A check
# plays few of them, and the end of the lab plays many.


FIRST = 0  # the seed with which each search begins


@dataclass(frozen=True)
class NodeSearch(Search):
    """A `Search` that plays the schedules on three nodes with one broker."""

    where: ClassVar[str] = " on three nodes"
    most_runs: ClassVar[int] = 25  # each run takes 0.25 s

    def schedules(self) -> Iterator[Schedule]:
        seeds = range(FIRST, FIRST + self.seeds) if self.only is None else [self.only]
        return (generate_nodes(seed, self.shape) for seed in seeds)

    def player(self, implementation: Implementation, /) -> AbstractContextManager[Player]:
        return opened_nodes(implementation)


def _shape(*kinds: str, messages: int = 6, clients: int = 4, faults: int = 2) -> Shape:
    return Shape(messages, clients, faults, bursts=0.0, kinds=kinds)


SEARCHES: dict[str, NodeSearch] = {
    "follow": NodeSearch(
        "links that are cut, nodes that are killed, a balancer that goes away",
        _shape("Cut", "NodeKill", "BalancerCut", "ClientRestart"),
        {
            "no_loss": "lost-while-away",
            "no_duplicate": "dedupe-in-the-node",
            "order": "gap-taken",
            "convergence": "epoch-ignored",
        },
        seeds=8,
    ),
    "accept": NodeSearch(
        "links to the broker that are cut, a broker that restarts with its data and without",
        _shape("BrokerCut", "BrokerRestart", "Cut", messages=3, clients=2),
        {"ack_after_durable": "ack-before-durable", "no_loss": "ack-before-durable", "liveness": ""},
        seeds=8,
    ),
    "leaving": NodeSearch(
        "nodes that leave, one after the other",
        _shape("NodeDrain", "NodeDrain", "Cut", faults=3),
        {"no_loss": "", "no_duplicate": "", "liveness": "", "bounded_recovery": ""},
        seeds=4,
    ),
    "control": NodeSearch("all faults, all predicates", NODE_SHAPE, dict.fromkeys(PREDICATES, ""), seeds=8),
}


def search_holds(t: Transcript, implementation: Implementation, step: str) -> None:
    """Check that the search of a step finds nothing; else show the smallest counterexample."""
    lab3_failure.searching.search_holds(t, implementation, step, (SEARCHES[step],))


# Demonstrations of this lab: judge an unfinished part, search with three nodes, and play one schedule again.


PARTS = (
    *("Rooms", "broadcast", "Log", "take_script", "take", "resume", "follow", "accept", "Owners", "release_script"),
    *("mailbox", "Outlet", "Presence", "drain"),
)  # the parts of a node in the notebook
LIMIT_S = 60.0  # the limit of a demonstration, on a machine with ten busy kernels


@checked
def draft(step: str, *answers: object) -> None:
    """Judge an unfinished part up to the first line that does not hold, and print the result. Store nothing.

    Raises:
        Refusal: there is no such step, or it takes other answers.
    """
    need(step in lab.steps, f"one of the steps {', '.join(lab.steps)}", step, "Name one of them")
    if written(*answers):
        result = lab.steps[step].judge(*answers)
        print(*(line for line in result.lines if line.kind != "note"), sep="\n")
        if not any(line.kind == "broken" for line in result.lines):
            print(result.message or "Nothing breaks it.")


@checked
def look(implementation: Implementation, step: str) -> Counterexample | None:
    """Return the smallest counterexample that the search of a step finds; if none, print a sentence and return None.

    Raises:
        Refusal: there is no such search.
    """
    return seen(implementation, (of_step(SEARCHES, step),), step, session_parts(implementation, PARTS), LIMIT_S)


@checked
def again(implementation: Implementation, step: str, seed: int | None = None) -> Counterexample | None:
    """Play the schedule of one seed again; a check prints this line. If all holds now, print a sentence, return None.

    Raises:
        Refusal: there is no such search, or no seed was given.
    """
    parts = session_parts(implementation, PARTS)
    return seen_again(implementation, (of_step(SEARCHES, step),), step, seed, parts, LIMIT_S)


# The node of lab 4 as an application of a cluster (`experiments.clusters`)::
#
#     nodes = await bench.enter(cluster("a", "b", authority=bench.authority))
#     await nodes.serve(lab4_node)        # ours; source="labs": the learner's


LAB = "lab4"


def lab4_node(node, source="solutions"):  # type: ignore[no-untyped-def]  # its source text goes to another process
    """The application for `Cluster.serve`."""
    from midspan.labs.lab4_scaling import searching  # in that process nothing else of this module is defined

    return searching.on_node(node, source)


def defined(source: str) -> Answers:
    """Run the lab's cells up to its node; return their namespace.

    Raises:
        Refusal: an answer is to do, or a cell raises.
    """
    answers, lab = Answers(), steps.find(LAB)
    with contextlib.redirect_stdout(sys.stderr):  # of the cells' prints, since our stdout is for our parent
        define(answers, lab, cells_of(lab, source), source)
    return answers


@asynccontextmanager
async def on_node(node: ServedNode, source: str) -> AsyncIterator[Served]:
    """Run the lab's node as a node of a cluster; the parent can ask it to `drain`."""
    serve_node = defined(source).serve_node
    server = await serve_node(HOST, 0, None, broker=node.broker, node=node.name, prefix=node.prefix)
    node.commands["drain"] = server.drain
    port = server.sockets[0].getsockname()[1]
    try:
        yield Served(f"ws://{HOST}:{port}", port)
    finally:
        server.close()

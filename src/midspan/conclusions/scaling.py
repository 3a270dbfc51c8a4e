"""The conclusions of chapter 04: which node reaches a client, which one answers it, what a broker loses, what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.experiments.cluster_clients import DeliveryReport
from midspan.experiments.cluster_trials import HEARD, TwoRequests
from midspan.experiments.slow_clients import Waiting

Reached = Mapping[str, Mapping[str, str]]


@conclusion(
    "S1",
    "connection ownership",
    "holds",
    "websockets",
    "a message arrives when both people are connected to one node, and only then",
    control="the same mailbox on nodes that publish each message to all of them",
)
def only_the_owner_delivers(reached: Reached) -> Seen:
    """For each reader the writers, as `everybody_writes` returns them, on more than one node."""
    together, apart = _by_node(reached)
    return Seen(
        all(together) and len(apart) > 0 and not any(apart),
        f"{sum(together)} of {len(together)} messages arrived on one node, {sum(apart)} of {len(apart)} between nodes",
    )


@conclusion(
    "S1",
    "sticky sessions",
    "holds only when",
    "python-socketio",
    "clients begin with polling",
    control="a balancer that is sticky, in place of one that takes the nodes in turn",
)
def polling_needs_stickiness(served: Mapping[str, Mapping[str, int]], clients: int) -> Seen:
    """How many of `clients` were served: by the way to balance ("in turn", "cookie"), then by the transports."""
    polls: list[int] = []
    others: list[int] = []
    for way, row in served.items():
        for transports, count in row.items():
            (polls if way.startswith("in turn") and transports.startswith("polling") else others).append(count)
    return Seen(
        max(polls) < clients == min(others),
        f"in turn, at most {max(polls)} of {clients} clients that begin with polling were served; "
        f"in all other cases at least {min(others)} of {clients}",
    )


@conclusion(
    "S2",
    "",
    "holds only when",
    "python-socketio",
    "a session takes more than one HTTP request: no node but the one that opened it accepts the next request",
    control="the same two requests through a sticky balancer",
)
def a_session_lives_in_one_node(in_turn: TwoRequests, sticky: TwoRequests, by_websocket: int) -> Seen:
    """The first two requests over polling, with both balancers; how many WebSocket clients were served in turn."""
    moved = in_turn.opened_by != in_turn.answered_by and sticky.opened_by == sticky.answered_by
    return Seen(
        moved and in_turn.status == 400 and sticky.status == 200 and by_websocket > 0,
        f"status {sticky.status} from the node that opened the session, {in_turn.status} from another one; "
        f"{by_websocket} clients served by one WebSocket each",
    )


@conclusion(
    "S3",
    "",
    "holds",
    "python-socketio",
    "emit reaches another node's clients only with an adapter, which takes fewer lines than a bus by hand",
    control="both clients on one node, where emit needs no adapter",
)
def an_adapter_is_less_code(
    alone: DeliveryReport, adapter: DeliveryReport, by_hand: DeliveryReport, lines: Mapping[str, int]
) -> Seen:
    """Messages between two nodes: without an adapter, with it, by hand on raw WSS; the lines of code of each server."""
    added = {"adapter": lines["with_adapter"] - lines["no_adapter"], "by hand": lines["by_hand"] - lines["no_bus"]}
    needed = len(alone.lost) == alone.sent and not adapter.lost and not by_hand.lost
    return Seen(
        needed and 0 < added["adapter"] < added["by hand"],
        f"without an adapter {alone}; with it {adapter}, for {added['adapter']} more lines; "
        f"by hand {by_hand}, for {added['by hand']} more lines",
    )


@conclusion(
    "S4",
    "routing and pub/sub",
    "holds",
    "websockets",
    "no message reaches another node's clients until code of our own publishes it there",
    control="a server of python-socketio with its adapter, in place of the raw one without a bus",
)
def raw_needs_its_own_bus(reached: Reached, alone: DeliveryReport, by_hand: DeliveryReport) -> Seen:
    """The mailbox on more than one node; messages between two nodes without a bus of our own, and with it."""
    _, apart = _by_node(reached)
    return Seen(
        len(apart) > 0 and not any(apart) and len(alone.lost) == alone.sent and not by_hand.lost,
        f"mailbox: {sum(apart)} of {len(apart)} arrived between nodes; broadcast alone: {alone}; our bus: {by_hand}",
    )


@conclusion(
    "S1",
    "cross-node messages",
    "holds",
    "python-socketio, websockets",
    "over pub/sub, a node without its link to the broker misses messages, and no send fails",
    control="the same cut, with a stream in place of the channel",
)
def pubsub_forgets(*to_it: DeliveryReport) -> Seen:
    """For each implementation: what was said to clients of a node that had no broker for a while."""
    return Seen(all(run.silently_lost > 0 and run.refused == 0 for run in to_it), " and ".join(map(str, to_it)))


@conclusion(
    "S1",
    "backpressure",
    "holds",
    "python-socketio, websockets",
    "while a client that reads nothing is connected, each further message stays in the node's memory",
    control="a policy: skip a client for which more than a limit waits",
)
def a_slow_reader_fills_memory(*runs: Sequence[Waiting]) -> Seen:
    """For each implementation, the looks at what waits: from the first look to the last one with a connection."""
    ends = [_while_connected(run) for run in runs]
    grown = [(last.waiting - first.waiting, last.sent - first.sent) for first, last in ends]
    return Seen(
        all(more >= sent > 0 for more, sent in grown),
        " and ".join(f"{more} more wait after {sent} more" for more, sent in grown),
    )


@conclusion(
    "S4",
    "backpressure",
    "holds",
    "websockets",
    "keepalive leaves a client connected that reads nothing; a policy of our own ends the growth",
    control="python-socketio in place of websockets: its heartbeat ends the session",
)
def raw_needs_its_own_policy(keepalive: Sequence[Waiting], policy: Sequence[Waiting]) -> Seen:
    """The looks at what waits: with a heartbeat that is much shorter than the run; and with a limit besides."""
    (before, last), (limited_before, limited) = keepalive[-2:], policy[-2:]
    grows = last.connected and last.waiting - before.waiting >= last.sent - before.sent > 0
    return Seen(
        grows and limited.waiting == limited_before.waiting,
        f"keepalive alone: {last}; with the policy: {limited}",
    )


def _by_node(reached: Reached) -> tuple[list[bool], list[bool]]:
    """Which messages arrived: those between people of one node, and those between nodes."""
    together: list[bool] = []
    apart: list[bool] = []
    for reader, writers in reached.items():
        for writer, mark in writers.items():
            if writer != reader:
                (together if _node(writer) == _node(reader) else apart).append(mark == HEARD)
    return together, apart


def _node(label: str) -> str:
    """The node of "ana (a)"."""
    return label.rpartition(" ")[2]


def _while_connected(run: Sequence[Waiting]) -> tuple[Waiting, Waiting]:
    connected = [look for look in run if look.connected]
    return connected[0], connected[-1]

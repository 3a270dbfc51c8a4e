"""Chapter 04 reaches a verdict on each part of its claims; its trials find what they say, and refuse bad arguments."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Awaitable, Callable, Iterator
from types import CodeType
from typing import Any

import pytest

from midspan.conclusions import scaling
from midspan.errors import Refusal
from midspan.experiments import (
    away_for_four,
    broadcasts,
    clients_served,
    cut_off,
    emits,
    everybody_writes,
    first_two_requests,
    mailbox,
    no_bus,
    one_slow_reader,
    say_across,
    ticker,
    what_waits,
)
from midspan.experiments import cluster_apps as apps
from midspan.experiments.clusters import Cluster
from midspan.experiments.clusters import cluster as open_cluster
from midspan.net.balancers import by_cookie, by_user, round_robin
from midspan.net.servers import Authority
from tests.clusters import running_cluster
from tests.course import Notebook, calls, found, questions_with_asserted_scores, words
from tests.loops import in_a_loop

AUTHORITY = Authority()
ROWS = {
    "S1": {"sticky sessions", "connection ownership", "cross-node messages", "backpressure"},  # fan-out: chapter 05
    "S2": {""},
    "S3": {""},
    "S4": {"routing and pub/sub", "backpressure"},
}


def chapter() -> Notebook:
    (notebook,) = (notebook for notebook in found("notebooks") if notebook.path.stem == "04_scaling")
    return notebook


def test_every_row_of_a_claim_has_its_verdict() -> None:
    drawn = [getattr(scaling, words(call.args[0])) for cell in chapter().code for call in calls(cell, "verdict")]
    entered = [(conclusion.claim, conclusion.row) for conclusion in drawn]
    assert sorted(entered) == sorted((claim, row) for claim, rows in ROWS.items() for row in rows)


def test_every_prediction_is_scored_by_what_ran() -> None:
    assert len(questions_with_asserted_scores(chapter())) >= 7


def test_an_application_imports_what_it_needs() -> None:
    """A cluster sends its source alone: no name of its module may stand in it."""
    served = (apps.mailbox, apps.no_adapter, apps.no_bus, apps.with_adapter, apps.by_hand, ticker, broadcasts, emits)
    for app in served:
        assert _loaded(app.__code__) <= {*vars(builtins)}, app.__name__


def _loaded(code: CodeType) -> set[str]:
    """The names that a function, with the functions in it, takes from its module."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return names.union(*(_loaded(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


# The trials, on a cluster of two nodes


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """Two nodes, in a thread of their own, as a bench has them."""
    with running_cluster("a", "b", authority=AUTHORITY) as opened:
        yield opened


def names_itself(node: Any) -> Any:
    """A Socket.IO server that says which node it is."""

    def register(sio: Any) -> None:
        async def who(_sid: str) -> str:
            return str(node.name)

        sio.on("who", who)

    return node.socketio(register)


def stops(node: Any, policy: str) -> Any:
    """A ticker that sends one message, and then no more; its option is told back."""
    import json
    import time

    from websockets.asyncio.server import broadcast

    def start(ticks: int) -> None:
        broadcast(node.connections, json.dumps({"at": time.monotonic(), "of": ticks, "policy": policy}))

    node.commands["start"] = start
    node.commands["waiting"] = lambda: 3 * 1024
    return node.raw(compression=None)


@in_a_loop
async def test_a_mailbox_reaches_the_people_of_its_own_node(nodes: Cluster) -> None:
    await nodes.serve(mailbox)
    reached = await everybody_writes(nodes, AUTHORITY.client, ["ana", "ben", "cleo"])
    assert reached == {
        "ana (a)": {"ana (a)": "", "ben (b)": "-", "cleo (a)": "heard"},
        "ben (b)": {"ana (a)": "-", "ben (b)": "", "cleo (a)": "-"},
        "cleo (a)": {"ana (a)": "heard", "ben (b)": "-", "cleo (a)": ""},
    }


@in_a_loop
async def test_a_client_that_polls_is_served_when_the_balancer_is_sticky() -> None:
    """On a cluster of its own: its end also ends the tunnels of clients that were not served."""
    async with open_cluster("a", "b", authority=AUTHORITY) as own:
        await own.serve(names_itself)
        assert await clients_served(own, AUTHORITY.client, by_cookie, ["polling"], visits=3) == 3
        assert await clients_served(own, AUTHORITY.client, round_robin, ["polling"], visits=1) == 0
        assert await clients_served(own, AUTHORITY.client, by_cookie, ["websocket"], visits=3) == 3


@in_a_loop
async def test_a_stream_has_what_a_channel_forgets(nodes: Cluster) -> None:
    async with nodes.broker.client() as bus:
        found = await away_for_four(bus, nodes.broker.name("channel"), nodes.broker.name("stream"))
    assert found == ([0, 1, 2, 7, 8, 9], [*range(10)])


@in_a_loop
async def test_the_others_are_counted_and_the_slow_one_is_not(nodes: Cluster) -> None:
    found = await one_slow_reader(nodes, stops, "any", ticks=1, others=2)
    assert found["others heard"] == 1
    assert found["waiting KiB"] == 3
    assert 0 < found["p50 ms"] <= found["p99 ms"]


@in_a_loop
async def test_a_session_over_polling_begins_with_two_requests(nodes: Cluster) -> None:
    await nodes.serve(names_itself)
    found = await first_two_requests(nodes, AUTHORITY.client, by_user)
    assert found.opened_by == found.answered_by
    assert (found.status, found.body) == (200, "OK")
    found = await first_two_requests(nodes, AUTHORITY.client, round_robin)
    assert (found.opened_by, found.answered_by) == ("a", "b")
    assert (found.status, found.body) == (400, '"Invalid session SID"')


@in_a_loop
async def test_a_node_without_a_bus_reaches_its_own_clients_alone(nodes: Cluster) -> None:
    assert len((await say_across(nodes, no_bus, "ab", waits=False)).lost) == 20
    assert (await say_across(nodes, no_bus, "aa")).lost == ()


Call = Callable[[Cluster], Awaitable[object]]
REFUSED: list[tuple[str, Call]] = [
    ("two names or more", lambda nodes: everybody_writes(nodes, AUTHORITY.client, ["ana"])),
    ("each once", lambda nodes: everybody_writes(nodes, AUTHORITY.client, ["ana", "ana"])),
    ("one client or more", lambda nodes: clients_served(nodes, AUTHORITY.client, by_cookie, visits=0)),
    ("one tick and one reader", lambda nodes: one_slow_reader(nodes, stops, "any", ticks=0)),
    ("text", lambda nodes: one_slow_reader(nodes, stops, 3)),
    ("one look or more", lambda nodes: what_waits(nodes, broadcasts, looks=0)),
    ("two names of nodes", lambda nodes: say_across(nodes, no_bus, "abc")),
    ("a node: a, b", lambda nodes: cut_off(nodes, "a", "z")),
    ("choose", lambda nodes: first_two_requests(nodes, AUTHORITY.client, "in turn")),
    ("bus", lambda _: away_for_four("redis://", "channel", "stream")),
]


@pytest.mark.parametrize(("what", "call"), REFUSED, ids=[what for what, _ in REFUSED])
@in_a_loop
async def test_what_cannot_be_tried_is_refused(what: str, call: Call, nodes: Cluster) -> None:
    with pytest.raises(Refusal, match=what):
        await call(nodes)

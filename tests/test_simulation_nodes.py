"""Three nodes and a real broker under schedules of faults: the clock waits for the broker, rooms are judged apart.

What restarts the broker, and what searches, is in `test_simulation_nodes_search`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
import redis.asyncio

from midspan.errors import Refusal
from midspan.simulation import (
    NAIVE,
    BrokerCut,
    BrokerRestart,
    Cut,
    History,
    NodeDrain,
    NodeKill,
    Schedule,
    Shape,
    Trigger,
    draw,
    judge,
    play,
    shrink,
    simple,
)
from midspan.simulation.nodes import ROOMS, MemberContext, generate_nodes, play_nodes, search_nodes
from midspan.simulation.nodes.broker import RunBroker, shared_broker
from midspan.simulation.tls import play_real
from midspan.simulation.tls.loop import VirtualTimeSelectorLoop
from tests.nodes_session import A2, Client, Node, implementation, schedule, with_client, with_node
from tests.test_simulation_tls import outcomes

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too


@pytest.fixture(scope="module", autouse=True)
def one_broker() -> Iterator[RunBroker]:
    """One broker for all tests of this module: a fresh one takes as long as four runs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("REDIS_URL", raising=False)
        with shared_broker() as opened:
            yield opened


@pytest.fixture(autouse=True)
def nothing_left_in_the_broker(one_broker: RunBroker) -> Iterator[None]:
    """After each test no key is left, and nobody is connected but we."""
    yield
    with redis.Redis.from_url(one_broker.url) as client:
        assert client.keys("*") == []
        assert len(client.client_list()) == 2  # this one, and the one that settles


# the clock


def turning(loop: VirtualTimeSelectorLoop, main: Any) -> Any:
    """Run this to its end, and close the loop."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def waiting_for(broker: RunBroker) -> VirtualTimeSelectorLoop:
    loop = VirtualTimeSelectorLoop()
    loop.wait_for_others = broker.settle
    return loop


def client_of(broker: RunBroker) -> Any:
    return redis.asyncio.Redis.from_url(broker.url, socket_timeout=None)


SLOW = "local n = 0; for i = 1, 20000000 do n = n + i end; return n"  # a fifth of a second
QUICK = "return 1"


async def asked(loop: VirtualTimeSelectorLoop, broker: RunBroker, script: str) -> float:
    """How long the broker takes to answer, by the clock of a loop that has something to jump to."""
    beat(loop)
    async with client_of(broker) as client:
        await client.ping()
        began_s = loop.time()
        await client.eval(script, 0)
        return loop.time() - began_s


def beat(loop: VirtualTimeSelectorLoop) -> None:
    """There is always a timer to come."""
    loop.call_later(0.1, beat, loop)


@pytest.mark.parametrize("script", [QUICK, SLOW], ids=["quick", "slow"])
def test_the_clock_does_not_move_while_the_broker_works(one_broker: RunBroker, script: str) -> None:
    loop = waiting_for(one_broker)
    assert turning(loop, asked(loop, one_broker, script)) == 0.0


def test_without_asking_the_clock_jumps_over_a_slow_broker(one_broker: RunBroker) -> None:
    """The guard is needed: what it guards against happens without it."""
    loop = VirtualTimeSelectorLoop()
    assert turning(loop, asked(loop, one_broker, SLOW)) > 1.0


def test_what_the_broker_pushes_comes_in_the_same_moment(one_broker: RunBroker) -> None:
    """To who has subscribed, and to who waits for a stream to grow."""
    loop, heard = waiting_for(one_broker), list[tuple[str, float]]()

    async def listen(client: Any) -> None:
        async with client.pubsub() as channel:
            await channel.subscribe("channel")
            async for message in channel.listen():
                heard.append((message["type"], loop.time()))

    async def follow(client: Any) -> None:
        await client.xread({"stream": "$"}, block=0)
        heard.append(("entry", loop.time()))

    async def main() -> None:
        async with client_of(one_broker) as client:
            tasks = [loop.create_task(listen(client)), loop.create_task(follow(client))]
            await asyncio.sleep(1)
            await client.publish("channel", "hello")
            await client.xadd("stream", {"body": "hello"})
            await asyncio.sleep(1)
            await client.delete("stream")
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    turning(loop, main())
    assert [what for what, _ in heard] == ["subscribe", "message", "entry"]
    assert [at_s for _, at_s in heard] == pytest.approx([0, 1, 1])


# histories


def test_without_faults_each_room_has_its_own_messages() -> None:
    history = play_nodes(implementation(), schedule())
    assert history.rooms == (("red", ("a", "c")), ("blue", ("b",)))
    delivered = {who: [r.message for r in history.of("delivered") if r.who == who] for who in "abc"}
    assert delivered == {"a": ["a1", "c1", "a2", "c2"], "b": ["b1", "b2"], "c": ["a1", "c1", "a2", "c2"]}
    assert [r.detail for r in history.of("opened") if r.detail] == ["n1", "n2", "n3"]


def test_a_message_of_the_other_room_is_a_phantom() -> None:
    class Gossip(Node):
        async def take(self, connection: Any, who: str, room: str, *rest: Any) -> None:
            await super().take(connection, who, ROOMS[1 - ROOMS.index(room)], *rest)

    verdict = judge(play_nodes(with_node(Gossip), schedule(messages=1)))["no_phantom"]
    assert verdict.outcome == "violated"
    assert verdict.reason.startswith("In the room red: b1 was delivered to a")


def test_durable_is_what_the_stream_holds() -> None:
    """An append that takes 0.2 s is durable half way there and back, and acknowledged after it."""
    history = play_nodes(implementation(), replace(schedule(messages=1), write_s=0.2))
    durable = {r.message: r.at_s for r in history.of("durable")}
    for record in history.of("acknowledged"):
        assert record.at_s - durable[record.message] == pytest.approx(0.1 + 0.01, abs=1e-4)


def test_a_killed_node_forgets_and_its_clients_come_out_on_another() -> None:
    history = play_nodes(implementation(), schedule(NodeKill(A2, down_s=2.0), rooms=("red",)))
    assert [r.detail for r in history.of("opened") if r.detail] == ["n1", "n2"]
    assert [(r.who, round(r.at_s, 1)) for r in history.of("restarted")] == [("n1", 2.1)]


def test_a_drained_node_is_asked_first() -> None:
    """What it was taking is acknowledged before its connections go."""
    asked: list[str] = []

    class Leaving(Node):
        async def drain(self) -> None:
            asked.append(self.context.name)
            await asyncio.sleep(0.5)
            await super().drain()

    history = play_nodes(with_node(Leaving), schedule(NodeDrain(A2), rooms=("red",)))
    assert asked == ["n1"]
    closed_s = next(r.at_s for r in history.of("closed") if r.who == "a")
    assert closed_s == pytest.approx(history.of("fault")[0].at_s + 0.5 + 0.01)  # and the goodbye's way
    assert history.of("acknowledged")[0].at_s < closed_s


def test_a_node_that_does_not_end_its_drain_is_killed() -> None:
    class Staying(Node):
        async def drain(self) -> None:
            await asyncio.sleep(60)

    history = play_nodes(with_node(Staying), schedule(NodeDrain(A2), rooms=("red",)))
    assert history.of("gave up")[0].detail == "drained for 5 s"
    assert outcomes(history)["no_loss"] == "holds"


def test_a_node_that_cannot_reach_the_broker_is_started_again() -> None:
    class Eager(Node):
        async def start(self) -> None:
            await self.broker.ping()

    faults = (NodeKill(A2), BrokerCut(A2, "n1", 2.0))
    history = play_nodes(with_node(Eager), schedule(*faults, rooms=("red",)))
    assert len([r for r in history.of("restarted") if r.who == "n1"]) > 2
    assert history.of("crashed") == ()


def test_nodes_that_never_start_are_refusals_to_their_clients() -> None:
    class Lost(Node):
        async def start(self) -> None:
            raise ConnectionRefusedError(111, "somebody else's service")

    history = play_nodes(with_node(Lost), schedule(rooms=("red",), messages=1))
    assert history.of("refused")
    assert not history.of("opened")
    assert not history.of("crashed")
    assert outcomes(history)["liveness"] == "violated"


def test_an_error_of_the_node_is_a_crash_that_names_it() -> None:
    class Broken(Node):
        async def handle(self, connection: Any) -> None:
            await connection.recv()
            raise KeyError("room")

    crash = play_nodes(with_node(Broken), schedule(rooms=("red",), messages=1)).of("crashed")[0]
    assert (crash.who, crash.detail.startswith("KeyError")) == ("n1", True)


def test_an_entry_without_a_body_is_told() -> None:
    class Mute(Node):
        async def take(self, _connection: Any, _who: str, room: str, *_rest: Any) -> None:
            await self.broker.xadd(self.context.stream(room), {"text": "a1"})

    crash = play_nodes(with_node(Mute), schedule(rooms=("red",), messages=1)).of("crashed")[0]
    assert "has no field body, only text" in crash.detail


def test_a_schedule_of_nodes_goes_to_json_and_back() -> None:
    for seed in range(50):
        made = generate_nodes(seed)
        assert Schedule.from_json(made.to_json()) == made
        assert generate_nodes(seed) == made


def test_a_history_with_rooms_goes_to_json_and_back() -> None:
    history = play_nodes(implementation(), schedule())
    assert History.from_json(history.to_json()) == history


def test_a_fault_of_nodes_shrinks_to_the_simplest_that_still_counts() -> None:
    """To a kill of whatever node serves the client, soon and short, if a kill is all that it takes."""
    big = schedule(NodeKill(Trigger("a", "up", 3, "reply", 0.5), "n2", 30.0), BrokerRestart(A2, 2.0, False))

    def breaks(smaller: Schedule) -> bool:
        return any(isinstance(fault, NodeKill) for fault in smaller.faults)

    smallest = shrink(big, breaks)
    assert smallest.faults == (NodeKill(Trigger("a", "up", 1), "", 0.05),)
    assert str(smallest) == "seed 0: a (red) says 1; a's node is killed (0.05 s down) before a's message 1 up leaves"


def test_the_ladder_has_a_lane_for_each_node_and_for_the_broker() -> None:
    _, ladder = draw(implementation(), schedule(Cut(replace(A2, when="reply")), rooms=("red",), messages=1), play_nodes)
    assert ladder.lanes == ("a", "n1", "n2", "n3", "broker")
    assert {step.lane for step in ladder if hasattr(step, "lane")} <= set(ladder.lanes)
    text = str(ladder)
    assert '[1, "a1"] --> n1' in text
    assert '[1, "a1"] --> n2' in text
    assert "broker durable a1 red" in text


# entrances


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refusal, match="an Implementation"):
        play_nodes("no cast", schedule())  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="a Shape"):
        search_nodes(implementation(), [1], 5)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="a Schedule"):
        play_nodes(implementation(), "no schedule")  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="a node: n1, n2, n3"):
        NodeKill(A2, "n4")
    with pytest.raises(Refusal, match="kinds of fault"):
        Shape(kinds=("NodeKilled",))


def test_one_server_has_no_nodes() -> None:
    for player in (play, play_real):
        with pytest.raises(Refusal, match="a fault of one server and its clients"):
            player(NAIVE, simple(1, faults=(NodeKill(Trigger("a", "up", 1)),)))


def test_a_seat_says_its_room() -> None:
    contexts: list[MemberContext] = []

    class Asking(Client):
        def __init__(self, context: MemberContext, flaws: frozenset[str]) -> None:
            contexts.append(context)
            super().__init__(context, flaws)

    play_nodes(with_client(Asking), schedule())
    assert {context.me: context.room for context in contexts} == {"a": "red", "b": "blue", "c": "red"}

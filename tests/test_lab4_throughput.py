"""Lab 4's node beside python-socketio in one room, and with a slow reader in it: a small sample of the whole measuring.

The whole of it is `python -m tests.test_lab4_throughput` (some minutes, and a machine with nothing else to do).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.net.brokers import Broker, broker
from tests.loops import in_a_loop
from tests.rooms import Speaks, beside_a_slow_one, delivering, lab4_on, socketio_on

BOUNDED = ({"policy": "let go"}, {"policy": "drop oldest"}, {"policy": "conflate"})
NO_BOUND = {"policy": "drop oldest", "most": 10**9}
MOST_MB = 20.0  # that one slow reader may cost a node


@pytest.fixture(autouse=True)
def _no_broker_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.mark.alone
@in_a_loop
async def test_it_delivers_more_for_less_on_one_node_and_on_two() -> None:
    """The bars are 2.5 and 2, in a room of 1,000; here we look for a difference that no busy machine hides."""
    async with broker() as bus:
        for theirs, nodes in ((socketio_on(), 1), (socketio_on(bus, 2), 2)):
            run = await delivering([lab4_on(bus, nodes), theirs], members=100, messages=20, rounds=1)
            assert run.ratio(theirs.name, "lab 4", "cpu_us").median > 1.7
            if run.ratio(theirs.name, "lab 4", "each_us").median <= 1.2:  # real time: one round can meet other programs
                run = await delivering([lab4_on(bus, nodes), theirs], members=100, messages=20, rounds=3)
            assert run.ratio(theirs.name, "lab 4", "each_us").median > 1.2


@pytest.mark.alone
@pytest.mark.parametrize("outlet", BOUNDED, ids=lambda outlet: outlet["policy"])
@in_a_loop
async def test_what_a_slow_reader_leaves_unread_is_bounded(outlet: dict[str, Any]) -> None:
    """Of 33 MB that one member does not read, a node keeps a hundred messages, 7 MB."""
    assert await _grown_mb(outlet) <= MOST_MB


@pytest.mark.alone
@in_a_loop
async def test_a_node_without_a_bound_is_seen_to_grow() -> None:
    """The same room: what the system's buffers do not take of the 33 MB, the node keeps."""
    assert await _grown_mb(NO_BOUND) > MOST_MB


async def _grown_mb(outlet: dict[str, Any]) -> float:
    async with broker() as bus:
        node = lab4_on(bus, outlet=outlet, heartbeat=False)
        found = await beside_a_slow_one(node, members=5, messages=500, rounds=1)
    return found.grown_mb[0]


@in_a_loop
async def test_bad_arguments_are_sentences() -> None:
    with pytest.raises(Refusal, match="one of aiohttp, uvicorn"):
        socketio_on(server="gunicorn")
    with pytest.raises(Refusal, match="servers, each with a name of its own"):
        await delivering([])
    with pytest.raises(Refusal, match="a member, a message and a round"):
        await delivering([socketio_on()], members=0)
    with pytest.raises(Refusal, match="a member, a message and a round"):
        await beside_a_slow_one(socketio_on(), rounds=0)


async def whole(rounds: int) -> None:
    """All bars, said as they come."""
    async with broker() as bus:
        one = [lab4_on(bus), socketio_on(), socketio_on(server="uvicorn")]
        await _delivered("one node", one, rounds)
        await _delivered("two nodes", [lab4_on(bus, 2), socketio_on(bus, 2), socketio_on(bus, 2, "uvicorn")], rounds)
        for outlet in (*BOUNDED, NO_BOUND):
            await _slow(bus, outlet, 2)


async def _delivered(title: str, contenders: list[Speaks], rounds: int) -> None:
    run = await delivering(contenders, rounds=rounds)
    for theirs in run.names[1:]:
        for what in ("each_us", "cpu_us"):
            medians = f"{run.median(theirs, what):.1f} : {run.median('lab 4', what):.1f}"
            print(f"{title}: {theirs} : lab 4, {what}: {medians} = {run.ratio(theirs, 'lab 4', what)}", flush=True)


async def _slow(bus: Broker, outlet: dict[str, Any], rounds: int) -> None:
    node = lab4_on(bus, outlet=outlet, heartbeat=False)
    found = await beside_a_slow_one(node, messages=400, rounds=rounds)
    print(f"{outlet}: {found} {found.p99_times} {found.grown_mb}", flush=True)


if __name__ == "__main__":
    asyncio.run(whole(5))

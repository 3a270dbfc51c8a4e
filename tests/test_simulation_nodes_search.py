"""Nodes whose broker restarts, and searches: the right session holds, wrong ones are found and shrunk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psutil
import pytest
import redis

from midspan.simulation import (
    BalancerCut,
    BrokerCut,
    BrokerRestart,
    NodeDrain,
    NodeKill,
    Schedule,
    ServerRestart,
    Trigger,
    draw,
    judge,
)
from midspan.simulation.nodes import generate_nodes, play_nodes, search_nodes, shared_broker
from midspan.simulation.shrinking import size
from tests.nodes_session import A2, Client, implementation, schedule, with_client
from tests.test_simulation_tls import outcomes, steps

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too


@pytest.fixture(autouse=True)
def own_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A broker for each test, since a restart makes another process of it; no key is left in it at the end."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    with shared_broker() as opened:
        yield
        with redis.Redis.from_url(opened.url) as client:
            assert client.keys("*") == []


FAULTS: dict[str, Any] = {
    "node killed": NodeKill,
    "another node killed": partial(NodeKill, node="n3"),
    "node drained": NodeDrain,
    "broker link cut": BrokerCut,
    "broker restarted": BrokerRestart,
    "broker restarted without its data": partial(BrokerRestart, keeps_log=False),
    "balancer cut": BalancerCut,
    "all nodes killed": ServerRestart,
    "all nodes killed and the data lost": partial(ServerRestart, keeps_log=False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_right_session_survives_each_fault(fault: str) -> None:
    for when in ("during", "reply"):
        history = play_nodes(implementation(), schedule(FAULTS[fault](at=replace(A2, when=when))))
        assert len(history.of("fault")) == 1
        assert "violated" not in outcomes(history).values(), judge(history)
        assert outcomes(history)["no_loss"] == "holds"


def broker_pids() -> set[int]:
    """Process ids of the brokers below us."""
    return {one.pid for one in psutil.Process().children(recursive=True) if "valkey" in one.name()}


@pytest.mark.parametrize(("keeps_log", "count"), [(True, 2), (False, 1)])
def test_the_broker_is_really_killed(keeps_log: bool, count: int) -> None:
    """It comes back with its data, as another process, or with nothing of this run: then a new epoch begins."""
    before = broker_pids()
    fault = BrokerRestart(Trigger("a", "up", 3, "reply"), keeps_log=keeps_log)
    history = play_nodes(implementation(), schedule(fault, rooms=("red",)))
    assert broker_pids().isdisjoint(before)
    assert len(history.of("reset")) == 3 - count
    assert len(history.of("wiped")) == (0 if keeps_log else 1)


def test_a_run_is_the_same_each_time() -> None:
    for seed in (1, 11, 31, 45, 63):
        first, second = (play_nodes(implementation(), generate_nodes(seed)) for _ in range(2))
        assert steps(first) == steps(second)


def test_the_right_session_holds() -> None:
    found = search_nodes(implementation(), range(20), keep_going=True)
    assert found.outcomes["violated"] == 0, str(found)
    assert found.outcomes["holds"] >= 12


WRONG = {"own dedupe": "no_duplicate", "hasty ack": "ack_after_durable", "pub/sub": "no_loss"}


@pytest.mark.parametrize("flaw", WRONG)
def test_a_wrong_session_is_found_and_shrunk(flaw: str) -> None:
    """What is found is small, and breaks the same promise when it is played again, from its JSON too."""
    wrong, predicate = implementation(flaw), WRONG[flaw]
    example = search_nodes(wrong, range(20), names=(predicate,)).counterexamples[predicate]
    assert size(example.schedule) <= size(example.found)
    assert len(example.schedule.faults) <= 1
    again, ladder = draw(wrong, Schedule.from_json(example.schedule.to_json()), play_nodes)
    verdict = judge(again, (predicate,))[predicate]
    assert (verdict.outcome, verdict.reason) == ("violated", example.reason)
    assert str(ladder) == str(example.ladder)
    assert example.replay == f"search_nodes(implementation, [{example.found.seed}])"


def test_who_listens_to_a_channel_misses_what_is_said_meanwhile() -> None:
    """Pub/sub alone, to a listener that was there from the start: lost with its node, and only then."""

    class Patient(Client):
        """Speaks a second after it has begun to listen."""

        async def pump(self, connection: Any) -> None:
            await asyncio.sleep(1)
            await super().pump(connection)

    kill = NodeKill(Trigger("a", "up", 1, "after", 0.5), "n3")
    for faults, outcome in (((), "vacuous"), ((kill,), "violated")):
        history = play_nodes(with_client(Patient, "pub/sub"), schedule(*faults, messages=1))
        assert outcomes(history)["no_loss"] == outcome

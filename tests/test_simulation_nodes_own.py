"""Nodes on a broker of one's own: it is neither killed nor emptied, and may ask for a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
import redis

from midspan.errors import Refusal
from midspan.net.background_loop import LoopThread
from midspan.net.brokers import broker
from midspan.net.servers import HOST
from midspan.net.tcp import gate
from midspan.simulation import BrokerRestart, NodeKill
from midspan.simulation.nodes import play_nodes
from tests.nodes_session import A2, implementation, schedule
from tests.test_simulation_tls import outcomes

OWNER = "ACL SETUSER guest on >secret ~* &* +@all"


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A broker of somebody else's, at REDIS_URL, over TCP and with a password; and its owner's client."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    home, stack = LoopThread(), AsyncExitStack()
    opened = home.run(stack.enter_async_context(broker()))
    port = home.run(stack.enter_async_context(gate(opened.url))).port
    with redis.Redis.from_url(opened.url) as client:
        client.execute_command(*OWNER.split())
        client.config_set("requirepass", "another")
        monkeypatch.setenv("REDIS_URL", f"redis://guest:secret@{HOST}:{port}")
        yield client
    home.run(stack.aclose())
    home.close()


def test_ones_own_broker_is_neither_killed_nor_emptied(theirs: redis.Redis) -> None:
    """What the nodes see of a restart are connections that break; of lost data, that the run's keys are gone."""
    theirs.set("theirs", 1)
    process = theirs.info("server")["process_id"]
    for fault, wiped in ((NodeKill(A2), 0), (BrokerRestart(A2), 0), (BrokerRestart(A2, keeps_log=False), 1)):
        history = play_nodes(implementation(), schedule(fault))
        assert outcomes(history)["no_loss"] == "holds"
        assert len(history.of("wiped")) == wiped
    assert theirs.keys("*") == [b"theirs"]
    assert theirs.info("server")["process_id"] == process


def test_a_broker_that_speaks_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is opened there: its certificate would not match the address of the nodes' way to it."""
    monkeypatch.setenv("REDIS_URL", f"rediss://{HOST}:1")
    with pytest.raises(Refusal, match="a broker without TLS"):
        play_nodes(implementation(), schedule())

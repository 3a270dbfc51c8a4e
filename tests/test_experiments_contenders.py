"""The implementations on trial: unmodified libraries in virtual time, each run the same as the one before."""

from __future__ import annotations

import gc
import inspect
import random
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from itertools import pairwise

import pytest
from engineio.base_client import connected_clients

from midspan.errors import Refusal
from midspan.experiments.guarantee_matrix import CONVERSATION
from midspan.experiments.on_trial import CONTENDERS, Candidate, named
from midspan.implementations.in_memory_adapter import patched_clock_and_random
from midspan.simulation import (
    ClientRestart,
    Cut,
    HalfOpen,
    History,
    Join,
    Refuse,
    Revoke,
    Say,
    Schedule,
    Trigger,
    play,
    run_in_virtual_time,
)
from midspan.simulation.guarantees import judge
from midspan.simulation.run import run_in_thread
from midspan.simulation.tls import play_real

CUT = replace(CONVERSATION, faults=(Cut(Trigger("a", "up", 2, "after")), Refuse("a", 2)))
ALL = pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
SOCKET, CLIENT, WEBSOCKET = map(import_module, ("engineio.async_socket", "socketio.async_client", "websockets.client"))
SOCKETIO = pytest.mark.parametrize("name", ["python-socketio", "recipe"])


def what(history: History, who: str, kind: str) -> list[float]:
    return [record.at_s for record in history if record.who == who and record.what == kind]


@ALL
def test_undisturbed_everything_arrives_everywhere_and_is_acknowledged(contender: Candidate) -> None:
    history = play(contender.implementation, CONVERSATION)
    assert {verdict.outcome for verdict in judge(history).values()} <= {"holds", "vacuous"}
    assert len(history.of("delivered")) == 6
    assert {record.message for record in history.of("acknowledged")} == {"a1", "b1", "a2"}


@ALL
def test_two_runs_of_one_schedule_are_equal_and_chance_comes_from_its_seed(contender: Candidate) -> None:
    """Also where the library draws its own random delays and session ids."""
    first = play(contender.implementation, CUT)
    assert play(contender.implementation, CUT) == first
    if contender.name != "raw":  # which never comes back
        assert what(play(contender.implementation, replace(CUT, seed=2)), "a", "attempt") != what(first, "a", "attempt")


@ALL
def test_each_is_as_short_as_what_people_write(contender: Candidate) -> None:
    for party in (contender.implementation.server, contender.implementation.client):
        assert len(inspect.getsource(party).splitlines()) <= 60


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Refusal, match="one of raw, websockets, python-socketio, recipe"):
        named("sockjs")


# what the libraries do by themselves, seen in virtual time


def test_raw_never_notices_a_dead_connection_and_never_returns() -> None:
    history = play(named("raw").implementation, replace(CUT, faults=(HalfOpen(Trigger("a", "up", 1)),)))
    assert what(history, "a", "closed") == []
    assert len(what(play(named("raw").implementation, CUT), "a", "attempt")) == 1


def test_websockets_comes_back_at_once_and_after_a_refusal_by_its_own_delays() -> None:
    """Random only the first time, 5 s at most; then 3.1 s, growing (`websockets.client.backoff`)."""
    faults = (Cut(Trigger("a", "up", 2)), Refuse("a", 2, 3))
    _, *returns = what(play(named("websockets").implementation, replace(CUT, faults=faults)), "a", "attempt")
    assert returns[0] == 0.5  # when it is cut
    first, second, third = (late - early for early, late in pairwise(returns))
    assert first < 5.2
    assert 3.0 < second < 3.3
    assert third > second


@SOCKETIO
def test_python_socketio_comes_back_by_its_own_backoff(name: str) -> None:
    """1 s, 2 s, 4 s, each plus or minus half a second (`AsyncClient._handle_reconnect`)."""
    faults = (Cut(Trigger("a", "up", 2)), Refuse("a", 2, 2))
    _, *returns = what(play(named(name).implementation, replace(CUT, faults=faults)), "a", "attempt")
    waits = [late - early for early, late in pairwise([0.5, *returns])]
    assert all(nominal - 0.5 <= wait <= nominal + 0.7 for nominal, wait in zip((1, 2, 4), waits, strict=True))


@SOCKETIO
def test_python_socketio_notices_a_dead_connection_after_interval_and_timeout(name: str) -> None:
    """25 s + 20 s after the last thing it heard; the connection is closed when the next one is open."""
    history = play(named(name).implementation, replace(CUT, faults=(HalfOpen(Trigger("a", "up", 2)),)))
    (closed, *_), (silent, *_) = what(history, "a", "closed"), what(history, "a", "silent")
    assert 40 < closed - silent < 48
    assert 40 < what(history, "server/a", "closed")[0] - silent < 48


@SOCKETIO
def test_who_is_refused_on_connect_gets_nothing(name: str) -> None:
    says = (Say(0.5, "a", "a1"), Say(9.0, "b", "b1"))
    history = play(named(name).implementation, replace(CUT, says=says, faults=(Revoke(Trigger("a", "up", 2)),)))
    assert judge(history)["authorised"].outcome == "holds"
    assert len(what(history, "a", "attempt")) > 1


def test_python_socketio_refuses_what_is_said_while_it_is_away() -> None:
    says = (Say(0.5, "a", "a1"), Say(0.6, "a", "a2"))
    history = play(named("python-socketio").implementation, replace(CUT, says=says))
    assert [(record.message, record.detail) for record in history.of("declined")] == [("a2", "BadNamespaceError")]


def test_a_first_connection_that_is_refused_is_tried_again() -> None:
    schedule = Schedule(1, (Join(0.0, "a"),), (Say(9.0, "a", "a1"),), (Refuse("a", 1, 2),))
    for name in ("websockets", "python-socketio", "recipe"):
        assert len(play(named(name).implementation, schedule).of("acknowledged")) == 1, name


# what is lent, and to whom


def test_libraries_get_the_runs_clock_and_chance_in_its_thread_only() -> None:
    seen: dict[str, float] = {}

    async def inside() -> None:
        seen["time"], seen["random"] = SOCKET.time.time(), WEBSOCKET.random.random()
        thread = threading.Thread(target=outside)
        thread.start()
        thread.join()

    def outside() -> None:
        seen["time elsewhere"] = SOCKET.time.time()

    with patched_clock_and_random(7):
        run_in_virtual_time(inside())
    assert seen["time"] == 0.0
    assert seen["random"] == random.Random(7).random()
    assert abs(seen["time elsewhere"] - time.time()) < 60


def test_what_was_lent_is_given_back() -> None:
    with patched_clock_and_random(1), patched_clock_and_random(2):
        assert SOCKET.time is not time
        assert SOCKET.time.sleep is time.sleep  # the rest of the module is there
    assert SOCKET.time is time
    assert CLIENT.random is random


def test_a_cast_without_a_loan_is_not_repeatable() -> None:
    """The guard guarded: this is what the loan is for."""
    implementation = replace(named("websockets").implementation, around=nullcontext)
    attempts = {tuple(what(play(implementation, CUT), "a", "attempt")) for _ in range(3)}
    assert len(attempts) == 3


@ALL
def test_no_client_of_a_run_stays_on_the_librarys_list(contender: Candidate) -> None:
    """Engine.IO keeps one of all that are connected, for Ctrl-C."""
    before = list(connected_clients)
    play(contender.implementation, replace(CUT, faults=(ClientRestart(Trigger("a", "up", 2)),)))
    assert connected_clients == before


@SOCKETIO
def test_on_a_real_link_no_connection_stays_open(name: str) -> None:
    """Engine.IO forgets a silent connection without closing it; aiohttp would warn of it when it is collected."""
    for fault in (HalfOpen(Trigger("a", "up", 2, "during")), ClientRestart(Trigger("a", "up", 2, "during"))):
        run_in_thread(play_real, named(name).implementation, replace(CUT, faults=(fault,)))
        gc.collect()

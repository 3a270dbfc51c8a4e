"""One run: what faults do to processes and stores, how a run ends, and that it can be replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.simulation import (
    ClientRestart,
    Cut,
    Disk,
    Fault,
    History,
    Implementation,
    Revoke,
    ServerRestart,
    Store,
    Trigger,
    WallClock,
    generate,
    judge,
    play,
    simple,
)
from midspan.simulation.baseline import NAIVE, NaiveServer
from tests.simulation_session import Client, implementation


def lines(history: History, *what: Any) -> list[str]:
    return [f"{record.who} {record.what} {record.message}".rstrip() for record in history.of(*what)]


def violated(history: History) -> list[str]:
    return [name for name, verdict in judge(history).items() if verdict.outcome == "violated"]


def test_without_faults_everything_arrives_everywhere() -> None:
    history = play(implementation(), simple(3))
    assert [record.message for record in history.of("durable")] == ["a1", "b1", "a2"]
    assert len(history.of("delivered")) == 6
    assert violated(history) == []


def test_a_run_is_the_same_each_time() -> None:
    """Faults, chance and all: two runs of one schedule have equal histories, on one loop after the other."""
    for seed in range(40):
        schedule = generate(seed)
        assert play(implementation(), schedule) == play(implementation(), schedule)


def test_a_run_ends_soon_after_all_is_delivered() -> None:
    assert play(implementation(), simple(2)).records[-1].at_s < 2


def test_a_run_that_never_completes_ends_after_the_patience() -> None:
    assert play(implementation("no ack"), simple(1)).records[-1].at_s == pytest.approx(20, abs=1)


RESTARTS: list[tuple[Fault, list[str]]] = [
    (ServerRestart(Trigger("a", "up", 2, "after", 0.05)), ["server restarted"]),
    (ServerRestart(Trigger("a", "up", 2, "after", 0.05), keeps_log=False), ["server wiped", "server restarted"]),
    (ClientRestart(Trigger("a", "up", 2, "after", 0.05)), ["a restarted"]),
]


@pytest.mark.parametrize(("fault", "expected"), RESTARTS, ids=str)
def test_processes_restart_on_what_their_store_kept(fault: Fault, expected: list[str]) -> None:
    """With its log a server knows what it took; without it, it starts at nothing and clients hear of it."""
    history = play(implementation(), simple(3, ("a",), faults=(fault,)))
    assert lines(history, "restarted", "wiped") == expected
    assert violated(history) == []


def test_a_killed_server_has_not_written_what_it_was_writing() -> None:
    """The append takes 5 ms; the process is killed after 2."""
    killed = ServerRestart(Trigger("a", "up", 2, "after", 0.002))
    history = play(implementation("hasty ack"), simple(1, ("a",), faults=(killed,)))
    durable = history.of("durable")
    assert len(durable) == 1
    assert durable[0].at_s > history.of("restarted")[0].at_s


def test_a_killed_client_hears_nothing_more() -> None:
    at = Trigger("a", "up", 2, "after")
    history = play(implementation(), simple(1, ("a",), faults=(ClientRestart(at, 5.0),)))
    down_s, up_s = history.of("fault")[0].at_s, history.of("restarted")[0].at_s
    assert up_s == pytest.approx(down_s + 5)
    assert not [
        r for r in history.of("delivered", "acknowledged", "attempt") if r.who == "a" and down_s < r.at_s < up_s
    ]


def test_all_tasks_of_a_killed_process_end_with_it() -> None:
    """Those it started in the background too: they belong to the process in whose code they were created."""
    alive: list[str] = []

    class Haunted(Client):
        async def run(self) -> None:
            asyncio.get_running_loop().create_task(self.haunt(len(alive)))
            await super().run()

        async def haunt(self, life: int) -> None:
            alive.append("")
            while True:
                await asyncio.sleep(0.1)
                alive[life] = f"until {self.context.now():.1f} s"

    haunted = Implementation(implementation().server, lambda context: Haunted(context, frozenset()))
    play(haunted, simple(1, ("a",), faults=(ClientRestart(Trigger("a", "up", 2, "after", 0.53), 3.0),)))
    assert alive[0] == "until 0.5 s"


def test_what_is_said_to_a_client_that_is_down_is_said_when_it_is_back() -> None:
    restart = ClientRestart(Trigger("a", "up", 1), 2.0)
    history = play(implementation(), simple(3, ("a",), gap_s=0.5, faults=(restart,)))
    assert [record.message for record in history.of("sent")] == ["a1", "a2", "a3"]
    assert violated(history) == []


def test_who_is_revoked_is_cut_and_stays_out() -> None:
    history = play(implementation(), simple(2, ("a", "b"), faults=(Revoke(Trigger("a", "down", 2)),)))
    assert lines(history, "revoked") == ["a revoked"]
    assert violated(history) == []
    assert violated(
        play(implementation("trusting"), simple(2, ("a", "b"), faults=(Revoke(Trigger("a", "down", 2)),)))
    ) == ["authorised"]


def test_a_session_that_declines_has_not_sent() -> None:
    class Full(Client):
        def send(self, body: str) -> None:
            raise OverflowError(body)

    history = play(Implementation(implementation().server, lambda context: Full(context, frozenset())), simple(1))
    assert lines(history, "declined") == ["a declined a1"]
    assert {verdict.outcome for name, verdict in judge(history).items() if name == "no_loss"} == {"vacuous"}


def test_an_error_in_the_code_under_test_is_its_own_verdict() -> None:
    """In the handler, in run(), in a task that nobody awaits: no_crash says which error and whose."""

    class Fails(NaiveServer):
        async def handle(self, _connection: Any) -> None:
            raise ZeroDivisionError("handler")

    verdict = judge(play(Implementation(Fails, NAIVE.client), simple(1)))["no_crash"]
    assert verdict.outcome == "violated"
    assert verdict.reason == "The code of server raised at 0.060 s: ZeroDivisionError: handler."

    class Loses(Client):
        async def run(self) -> None:
            self.task = asyncio.get_running_loop().create_task(self.later())
            await super().run()

        async def later(self) -> None:
            raise KeyError("background")

    reason = judge(
        play(Implementation(implementation().server, lambda context: Loses(context, frozenset())), simple(1))
    )["no_crash"].reason
    assert "KeyError: 'background'" in reason


def test_code_that_leaves_virtual_time_is_refused_even_if_it_swallows_the_refusal() -> None:
    class Threads(Client):
        async def run(self) -> None:
            try:
                await asyncio.to_thread(print)
            except Exception:
                await super().run()

    with pytest.raises(WallClock, match=r"asyncio\.to_thread"):
        play(Implementation(implementation().server, lambda context: Threads(context, frozenset())), simple(1))


def test_a_busy_loop_is_a_crash_not_a_hang() -> None:
    class Busy(Client):
        async def run(self) -> None:
            while True:  # noqa: ASYNC110
                await asyncio.sleep(0)

    verdict = judge(
        play(Implementation(implementation().server, lambda context: Busy(context, frozenset())), simple(1))
    )["no_crash"]
    assert "a loop goes round without waiting" in verdict.reason


def test_nothing_is_left_running() -> None:
    """The loop of each run is closed and empty; the fixture looks for threads, sockets and tasks."""
    for seed in range(20):
        play(implementation(), generate(seed))
    play(NAIVE, simple(2, faults=(Cut(Trigger("a", "up", 1)),)))


def test_a_run_that_gets_nowhere_ends_after_the_stated_recovery_times_the_patience() -> None:
    """a's only message is lost with its connection, and a naive session does not send it again."""
    lost = simple(1, faults=(Cut(Trigger("a", "up", 1, "during")),))
    for patience in (1.0, 2.0, 3.0):
        impatient = replace(NAIVE, patience=patience)
        history = play(impatient, lost)
        (fault,) = history.of("fault")
        assert history.records[-1].at_s - fault.at_s == pytest.approx(patience * NAIVE.bounds.recovery_s)


def test_what_stands_around_each_run_is_entered_with_its_seed() -> None:
    seeds: list[int] = []

    @contextmanager
    def noted(seed: int) -> Iterator[None]:
        seeds.append(seed)
        yield
        seeds.append(-seed)

    play(replace(NAIVE, around=noted), replace(simple(1), seed=7))
    assert seeds == [7, -7]


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1, [2]), (1, {"a": 2}), (1, (2, [3]))])
def test_a_fact_that_can_change_later_is_refused(value: object) -> None:
    """Else a change of it would be durable without a write: also where it hides in a tuple."""
    store: Any = Store(Disk(), 0.0)
    with pytest.raises(Refusal, match="Store what cannot change later"):
        store["cursor"] = value
    assert "cursor" not in store
    store["cursor"] = ("epoch", (1, None))
    assert store["cursor"] == ("epoch", (1, None))


def test_a_store_that_writes_at_once_needs_no_task() -> None:
    """An entry is durable when `write` returns; a store that takes its time says that it has to be awaited."""
    disk = Disk()
    Store(disk, 0.0).write("hello", who="a")
    assert disk.log == [("hello", {"who": "a"})]
    with pytest.raises(StopIteration):
        Store(disk, 0.0).append("again", who="a").send(None)
    assert [entry.body for entry in disk.log] == ["hello", "again"]
    with pytest.raises(Refusal, match=r"a store that writes at once, .*takes 0.1 s.* Await append"):
        Store(disk, 0.1).write("late", who="a")
    dead = Store(disk, 0.0)
    dead.kill()
    dead.write("too late", who="a")
    assert len(disk.log) == 2

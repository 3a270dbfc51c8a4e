"""The conclusions of chapter 03 are false where they should be: one thing changed, and the same experiment again."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache, partial
from itertools import count
from random import Random
from typing import Any

import pytest

from midspan import Bench, herd, simulation
from midspan.conclusions.failure_handling import (
    an_outage_is_buffered,
    an_outage_is_refused,
    halves_are_not_handed_over,
    recovery_needs_an_event,
    restoring_is_left_to_you,
    retries_reach_and_double,
    speed_does_not_help,
    the_revoked_are_served,
    what_is_not_sent_again_is_lost,
    what_is_sent_again_arrives_twice,
)
from midspan.conclusions.reconnecting import (
    both_try_again,
    defaults_restore_connections_only,
    only_the_framework_falls_back,
    polling_first_falls_back,
    silence_is_filled_with_pings,
    the_heartbeat_notices,
    the_library_detects_a_drop,
    the_longest_wait_spreads,
)
from midspan.conclusions.verdicts import Conclusion
from midspan.errors import Refusal
from midspan.experiments.disconnection import noticed, noticed_by, noticed_cut_s
from midspan.experiments.failure_trials import (
    BLOCKS,
    MISSED,
    at_every_moment,
    connect_all,
    doubled,
    handed_over,
    histories,
    with_the_library,
    without_a_library,
)
from midspan.experiments.on_trial import Candidate, named
from midspan.implementations.in_python import EventClient, EventServer
from midspan.labs.lab3_failure.session import implementation_of
from midspan.simulation import Implementation, Join, RunReport, Say, Schedule, draft, show_run, simple
from midspan.simulation.faults import Cut, Trigger
from midspan.simulation.history import History
from midspan.simulation.reconnect_herd import javascript_waits
from tests.controls import Evidence, control, false_in_its_control
from tests.course import found
from tests.loops import in_a_loop

JS, PYTHON = "socket.io (JS)", "python-socketio"


def of(name: str) -> Implementation:
    return named(name).implementation


def from_the_chapter(name: str) -> Any:
    """A class that chapter 03 defines in a cell: its controls run with the same one."""
    (chapter,) = (notebook for notebook in found("notebooks") if notebook.path.stem == "03_failure_handling")
    nodes = (node for cell in chapter.code for node in cell.tree.body)
    made = next(node for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name)
    space = {**{each: getattr(simulation, each) for each in simulation.__all__}, "count": count}
    exec(compile(ast.Module([made], []), name, "exec"), space)
    return space[name]


# Heartbeats.


class Patient(EventClient):
    """Gives the server an hour to ping, whatever the opening packet says."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.sio.on("connect", self.connected)

    def connected(self) -> None:
        self.sio.eio.ping_timeout = 3600


class QuickServer(EventServer):
    options = {"ping_interval": 1.0, "ping_timeout": 1.0}  # noqa: RUF012


@control(the_heartbeat_notices)
def a_client_that_gives_the_server_an_hour() -> Evidence:
    patient = replace(of(PYTHON), server=QuickServer, client=Patient)
    return (noticed_by(patient, PYTHON, 1.0, 1.0),)


@control(the_library_detects_a_drop)
def a_client_without_keepalive() -> Evidence:
    silent = replace(of("websockets"), limits=replace(of("websockets").limits, ping_interval=None))
    return (noticed_by(silent, "websockets", 1.0, 1.0),)


SILENCE = Schedule(0, (Join(0.0, "a"),), (Say(100.0, "a", "a1"),))


@control(silence_is_filled_with_pings)
def the_same_silence_without_keepalive() -> Evidence:
    return (show_run(of("raw"), SILENCE),)


# Coming back.


@control(both_try_again)
def a_client_that_connects_once() -> Evidence:
    return ({name: noticed_cut_s(name) for name in (PYTHON, "raw")},)


def spread(longest_s: float) -> Evidence:
    """python-socketio's own waits, and the chapter's full jitter with two longest waits: five seconds, and this."""
    full_jitter = from_the_chapter("full_jitter")
    crowds = herd(5000, short=partial(full_jitter, longest_s=5), long=partial(full_jitter, longest_s=longest_s))
    return crowds.returns[0], *crowds.returns[3:]


@control(the_longest_wait_spreads)
def the_same_jitter_with_a_short_longest_wait() -> Evidence:
    return spread(5)


def test_a_longer_wait_spreads_the_javascript_waits_too() -> None:
    """One thing changed, the longest wait: a third of the crowd, at most."""
    waits = herd(2000, longer=partial(javascript_waits, longest_s=60.0)).returns
    assert waits[1].peak > 3 * waits[3].peak


def test_without_a_random_part_that_grows_it_does_not() -> None:
    """As chapter 03 writes python-socketio's formula, with a minute as its longest wait."""
    fixed_jitter = from_the_chapter("fixed_jitter")
    long = herd(2000, long=fixed_jitter).returns[3]
    short = herd(2000, short=partial(fixed_jitter, longest_s=5)).returns[3]
    assert long.peak > short.peak / 2
    assert 0.5 <= next(fixed_jitter(Random(1))) <= 1.5


async def all_connect(*blocks: str) -> dict[str, dict[str, str]]:
    """As chapter 03 does: a client of each kind, for each block."""
    async with Bench(links=True) as bench:
        return {str(n): await connect_all(bench, block, 2) for n, block in enumerate(blocks)}


@control(polling_first_falls_back)
async def a_link_without_a_block() -> Evidence:
    return (await all_connect("", "", ""),)


@control(only_the_framework_falls_back)
async def the_link_of_both_without_a_block() -> Evidence:
    return (await all_connect("", ""),)


@in_a_loop
async def test_what_falls_back_where_the_upgrade_is_blocked() -> None:
    ended = await all_connect(*BLOCKS)
    assert polling_first_falls_back(ended).holds
    assert only_the_framework_falls_back({block: ended[block] for block in ("0", "1")}).holds
    assert not only_the_framework_falls_back(ended).holds  # a swallowed upgrade keeps the framework out too


# Sending again.

ON_ITS_WAY = simple(1, ("a",), faults=(Cut(Trigger("a", "up", 2, "during")),))
BEFORE_THE_ANSWER = simple(1, ("a",), faults=(Cut(Trigger("a", "up", 2, "reply")),))


@control(what_is_not_sent_again_is_lost)
def a_client_that_sends_again() -> Evidence:
    return tuple(show_run(draft(), ON_ITS_WAY) for _ in range(2))


@control(what_is_sent_again_arrives_twice)
def a_server_that_remembers() -> Evidence:
    remembers = from_the_chapter("Remembers")
    return (show_run(draft(remembers), BEFORE_THE_ANSWER),)


# Going on.

GAP = Schedule(0, (Join(0.0, "b"), Join(0.2, "a")), (Say(0.256, "b", "b1"),))
LATE = replace(GAP, says=(Say(0.1, "b", "b1"), Say(0.255, "b", "b2")))


class NextOnly(simulation.BaselineClient):
    """Shows the next number only, and keeps a later one until its turn: a contiguous offset."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.early: dict[int, str] = {}

    def entry(self, number: int, body: str) -> None:
        self.early[number] = body
        while self.offset + 1 in self.early:
            super().entry(self.offset + 1, self.early.pop(self.offset + 1))


def three_ways(third: Any) -> tuple[RunReport, ...]:
    """The chapter's drafts; the last one with this client."""
    subscribes_first = from_the_chapter("SubscribesFirst")
    return (
        show_run(draft(), GAP, "no_loss", "order"),
        show_run(draft(subscribes_first), LATE, "no_loss", "order"),
        show_run(draft(subscribes_first, third), LATE, "no_loss", "order"),
    )


@control(restoring_is_left_to_you)
def a_draft_that_replays_its_log() -> Evidence:
    return show_run(draft(), MISSED, "no_loss"), *three_ways(from_the_chapter("KeepsTheMaximum"))


@control(restoring_is_left_to_you)
def a_client_that_shows_the_next_number_only() -> Evidence:
    return show_run(of("websockets"), MISSED, "no_loss"), *three_ways(NextOnly)


async def broken_off(by: Any) -> Evidence:
    """As chapter 03 does: three cuts inside of an answer, and one behind it."""
    async with Bench(links=True) as bench:
        return {cut: await handed_over(bench, cut, by=by) for cut in (1_000, 30_000, 60_000, 100_000)}, 60_000


@control(halves_are_not_handed_over)
async def a_client_without_a_library() -> Evidence:
    return await broken_off(without_a_library)


@in_a_loop
async def test_the_library_hands_over_whole_messages() -> None:
    assert halves_are_not_handed_over(*await broken_off(with_the_library)).holds


@in_a_loop
async def test_bad_input_is_refused_in_a_sentence() -> None:
    """What was expected, what came, what to do."""
    nothing: Any = None
    async with Bench() as bench:  # without links
        for attempt in (connect_all(nothing), connect_all(bench), connect_all(bench, "none"), handed_over(bench, 1)):
            with pytest.raises(Refusal, match="Expected"):
                await attempt


# The guarantee matrix.


@cache
def runs(name: str, fault: str) -> tuple[History, ...]:
    return at_every_moment(name, fault)


@cache
def of_lab_3(fault: str) -> tuple[History, ...]:
    return histories(Candidate("lab 3", "the reference", implementation_of()), fault)


@control(an_outage_is_buffered)
def python_socketio_in_an_outage() -> Evidence:
    return (runs(PYTHON, "outage"),)


@control(an_outage_is_refused)
def the_javascript_client_in_an_outage() -> Evidence:
    return (runs(JS, "outage"),)


@control(retries_reach_and_double)
@control(recovery_needs_an_event)
def python_socketio_under_a_cut() -> Evidence:
    return (runs(PYTHON, "cut"),)


@control(retries_reach_and_double)
@control(recovery_needs_an_event)
def lab_3_under_a_cut() -> Evidence:
    return (of_lab_3("cut"),)


@control(the_revoked_are_served)
def python_socketio_asks_on_each_connection() -> Evidence:
    return (runs(PYTHON, "revoke"),)


class GivesUp(EventClient):
    """One option changed: reconnection=False."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.sio.reconnection = False


@control(defaults_restore_connections_only)
def a_client_that_does_not_reconnect() -> Evidence:
    return (histories(Candidate("gives up", "", replace(of(PYTHON), client=GivesUp)), "cut"),)


@control(defaults_restore_connections_only)
def a_client_that_keeps_its_messages() -> Evidence:
    return (runs("recipe", "cut"),)


@control(speed_does_not_help)
def a_link_slower_than_the_timer() -> Evidence:
    return (
        {(faults, at_s): doubled(at_s, faults == "cuts", 25) for faults in ("none", "cuts") for at_s in (0.4, 0.04)},
    )


test_false_in_its_control = false_in_its_control(__name__)


# What holds in the notebook holds here: of the conclusions whose evidence costs little.


@pytest.mark.parametrize(
    ("conclusion", "evidence"),
    [
        (silence_is_filled_with_pings, lambda: (show_run(of(PYTHON), SILENCE),)),
        (the_heartbeat_notices, lambda: (noticed(PYTHON, 1, 1),)),
        (the_library_detects_a_drop, lambda: (noticed("websockets", 1, 1),)),
        (the_longest_wait_spreads, lambda: spread(60)),
        (an_outage_is_buffered, lambda: (runs(JS, "outage"),)),
        (an_outage_is_refused, lambda: (runs(PYTHON, "outage"),)),
        (retries_reach_and_double, lambda: (runs(JS, "cut"),)),
        (recovery_needs_an_event, lambda: (runs(JS, "cut"),)),
        (the_revoked_are_served, lambda: (runs(JS, "revoke"),)),
        (defaults_restore_connections_only, lambda: (runs(PYTHON, "cut"),)),
    ],
    ids=lambda value: getattr(value, "row", ""),
)
def test_it_holds_where_the_chapter_concludes_it(conclusion: Conclusion, evidence: Any) -> None:
    seen = conclusion(*evidence())
    assert seen.holds, seen.values

"""The guarantee matrix: every cell measured, the same on each measurement, and no guarantee given away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.experiments.guarantee_matrix import TRIALS, Matrix, Play, measure, moments
from midspan.experiments.on_trial import CONTENDERS, Candidate, Recorded, named
from midspan.simulation import ClientContext, Schedule, ServerContext, Trigger, play
from midspan.simulation.guarantees import PREDICATES, judge
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import run_in_thread
from midspan.simulation.tls import play_real
from tests.simulation_session import implementation as honest

pytestmark = pytest.mark.timeout(180)  # some seconds of work, on a machine that may be busy
RAW = named("raw")


class Idle:
    """A client that does not play."""

    def __init__(self, _seat: ClientContext) -> None:
        pass

    def send(self, body: str) -> None:
        raise NotImplementedError(body)

    async def run(self) -> None:
        await asyncio.Event().wait()


class Mute:
    def __init__(self, _seat: ServerContext) -> None:
        pass

    async def handle(self, _connection: Any) -> None:
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return measure(*CONTENDERS, Candidate("honest", "the tests' own session", honest()), Recorded())


def test_every_cell_is_measured(matrix: Matrix) -> None:
    """No cell is missing, none stands on fewer moments than there are messages, and each says why."""
    expected = {(g, c.name, t.name) for g in PREDICATES for c in matrix.contenders for t in TRIALS}
    assert matrix.cells.keys() == expected
    assert all(cell.runs >= cell.tested >= cell.violated and cell.runs >= 12 and cell.reason for cell in matrix)
    assert all((cell.tested == 0) == (cell.outcome == "vacuous") for cell in matrix)
    assert {cell.outcome for cell in matrix} == {"holds", "violated", "vacuous"}


def test_every_guarantee_is_put_to_the_test_by_some_fault(matrix: Matrix) -> None:
    for name in PREDICATES:
        assert any(cell.outcome != "vacuous" for cell in matrix if cell.guarantee == name), name


@pytest.mark.parametrize("name", ["raw", "recipe"])
def test_a_second_measurement_is_equal_to_the_last_reason(matrix: Matrix, name: str) -> None:
    assert measure(named(name)).cells == {key: cell for key, cell in matrix.cells.items() if key[1] == name}


# what the course says of it


def test_delay_alone_breaks_nothing(matrix: Matrix) -> None:
    """TCP delays, and keeps order: the only fault that needs no session."""
    assert {cell.fault for cell in matrix if cell.outcome == "violated"} == {t.name for t in TRIALS} - {"delay"}


def test_who_does_not_send_again_loses(matrix: Matrix) -> None:
    for name in ("raw", "websockets", "python-socketio"):
        assert {"no_loss", "liveness"} <= set(matrix.broken(name))
        assert matrix.cell("no_duplicate", name, "cut").outcome == "holds"


def test_the_recipe_survives_a_cut_and_loses_what_it_has_acknowledged(matrix: Matrix) -> None:
    assert matrix.cell("no_loss", "recipe", "cut").outcome == "holds"
    cell = matrix.cell("ack_after_durable", "recipe", "server restart")
    assert cell.outcome == "violated"
    assert "never became durable" in cell.reason


def test_javascript_sends_again_and_nobody_drops_the_copy(matrix: Matrix) -> None:
    assert matrix.cell("no_duplicate", "socket.io (JS)", "cut").outcome == "violated"


def test_an_honest_session_keeps_all_but_what_needs_a_heartbeat_or_a_bound(matrix: Matrix) -> None:
    """It has neither."""
    others = [cell for cell in matrix.violated("honest") if cell.guarantee != "bounded_memory"]
    assert {cell.fault for cell in others} == {"half-open"}


# a verdict that cannot fail proves nothing


def test_who_does_nothing_is_given_nothing() -> None:
    with pytest.raises(Refusal, match="none by mute"):
        measure(Candidate("mute", "nothing", Implementation(Mute, Idle)))


FLAWS: list[tuple[str, str]] = [
    ("no dedupe", "no_duplicate"),
    ("hasty ack", "ack_after_durable"),
    ("trusting", "authorised"),
]


@pytest.mark.parametrize(("flaw", "guarantee"), FLAWS)
def test_a_flaw_shows_in_its_row(flaw: str, guarantee: str) -> None:
    flawed = measure(Candidate("flawed", flaw, honest(flaw)), faults=("cut", "revoke"))
    assert guarantee in flawed.broken("flawed")


# shown and asked


def test_its_text_has_a_sign_for_each_cell_and_no_time(matrix: Matrix) -> None:
    lines = str(matrix).splitlines()
    assert lines[0].split()[:2] == ["raw", "websockets"]
    assert len(lines) == 1 + len(PREDICATES) + 2
    for line in lines[1 : 1 + len(PREDICATES)]:
        name, *signs = line.split()
        assert name in PREDICATES
        assert [len(sign) for sign in signs] == [len(TRIALS)] * len(matrix.contenders)
    assert not any(character.isdigit() for line in lines[1:] for character in line)


def test_a_violated_cell_shows_its_smallest_schedule_and_finds_it_again(matrix: Matrix) -> None:
    found = matrix.counterexample("no_loss", "raw", "server restart")
    assert len(found.schedule.faults) <= 1
    assert found.replay == "matrix.counterexample('no_loss', 'raw', 'server restart')"
    assert judge(found.history)["no_loss"].outcome == "violated"
    assert matrix.counterexample("no_loss", "raw", "server restart") == found


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m: m.cell("speed", "raw", "cut"), "one of no_crash, no_loss"),
        (lambda m: m.cell("no_loss", "sockjs", "cut"), "one of raw, websockets"),
        (lambda m: m.cell("no_loss", "raw", "gremlins"), "one of cut, half-open"),
        (lambda m: m.broken("sockjs"), "one of raw, websockets"),
        (lambda m: m.counterexample("no_loss", "raw", "delay"), "a cell that is violated"),
        (lambda m: m.counterexample("no_duplicate", "socket.io (JS)", "cut"), "an implementation that runs here"),
        (lambda _: measure(RAW, RAW), "a name of its own"),
        (lambda _: measure(), "a name of its own"),
        (lambda _: measure(RAW, faults=("gremlins",)), "faults among cut, half-open"),
        (lambda _: measure(RAW, faults=()), "a fault or more"),
    ],
)
def test_what_it_does_not_have_is_refused(matrix: Matrix, ask: Callable[[Matrix], object], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        ask(matrix)


def test_a_cell_says_at_how_many_moments(matrix: Matrix) -> None:
    assert "raw, cut: violated at " in str(matrix.cell("no_loss", "raw", "cut"))
    cell = matrix.cell("order", "raw", "cut")
    assert f"holds at all {cell.tested} moments that put it to the test. " in str(cell)
    assert "raw, cut: vacuous. " in str(matrix.cell("authorised", "raw", "cut"))


# the real link


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_the_real_link_gives_the_same_verdicts(contender: Candidate) -> None:
    """Over TLS on loopback, python-socketio on aiohttp: for each fault one moment up and one down.

    Not *after*: on a real link that is when the receiver has read the message, in virtual time before.
    """
    at = [trigger for trigger in moments(contender.implementation) if trigger.when == "during"]
    chosen = (at[0], next(trigger for trigger in at if trigger.way == "down"))
    for trial in TRIALS:
        for schedule in map(trial.at, chosen):
            assert _outcomes(contender, schedule, play_real) == _outcomes(contender, schedule), schedule


def _outcomes(contender: Candidate, schedule: Schedule, on: Play = play) -> dict[str, str]:
    history = run_in_thread(on, contender.implementation, schedule)
    return {name: verdict.outcome for name, verdict in judge(history).items()}


def test_the_moments_are_those_of_the_conversation() -> None:
    """Each message up and down, but for the greeting; four moments up, two down."""
    found = list(moments(RAW.implementation))
    assert Trigger("a", "up", 1) in found
    assert sum(trigger.way == "up" for trigger in found) == 3 * 4
    assert sum(trigger.way == "down" for trigger in found) == 6 * 2
    assert min(at.n for at in moments(named("websockets").implementation) if at.way == "up") == 2
    assert list(moments(replace(RAW.implementation))) == found

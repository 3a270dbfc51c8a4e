"""The matrix that the chapters show: all columns, lab 3's among them, measured once a kernel."""

from __future__ import annotations

import pytest

from midspan import guarantee_matrix
from midspan.errors import Refusal
from midspan.experiments import guarantee_matrix as guarantee_matrix_module
from midspan.experiments.guarantee_matrix import TRIALS
from midspan.experiments.on_trial import CONTENDERS
from midspan.labs.lab3_failure import implementation_of, session
from midspan.simulation.baseline import NAIVE
from midspan.simulation.implementation import Implementation

pytestmark = pytest.mark.timeout(180)  # some seconds of work, on a machine that may be busy
FAULTS = ("cut", "delay")
COLUMNS = [*(one.name for one in CONTENDERS), "socket.io (JS)", "lab 3"]


def columns(**more: Implementation) -> list[str]:
    return [one.name for one in guarantee_matrix(faults=FAULTS, **more).contenders]


def test_an_unsolved_lab_is_no_column() -> None:
    assert columns() == COLUMNS


def test_a_finished_lab_is_a_column_right_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        session, "implementation_of", lambda source: NAIVE if source == "labs" else implementation_of(source)
    )
    matrix = guarantee_matrix(faults=FAULTS)
    assert [one.name for one in matrix.contenders] == [*COLUMNS, "your lab 3"]
    assert "no_loss" in matrix.broken("your lab 3")


def test_the_reference_breaks_nothing() -> None:
    """Under any fault; and each guarantee is put to the test by some fault."""
    matrix = guarantee_matrix()
    assert matrix.violated("lab 3") == ()
    assert all("✓" in matrix.signs(name, "lab 3") for name in matrix.guarantees)


def test_what_was_measured_is_not_measured_again() -> None:
    first = guarantee_matrix(faults=FAULTS)
    misses = session._once.cache_info().misses
    assert guarantee_matrix(faults=FAULTS) == first
    assert guarantee_matrix(faults=("cut",)).cells.items() <= first.cells.items()
    assert session._once.cache_info().misses == misses


def test_a_cast_of_ones_own_is_one_more_column() -> None:
    assert columns(mine=NAIVE) == [*COLUMNS, "mine"]


def test_the_own_column_stands_last_is_marked_and_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries are measured once: a learner runs the cell again after a change."""
    monkeypatch.setattr(guarantee_matrix_module, "TRIALS", TRIALS[:1])
    ours = implementation_of("solutions")
    first = session.own_column(ours)
    assert [one.name for one in first.contenders] == [*COLUMNS[:-1], "yours"]
    assert (first.marked, first.broken("yours")) == ("yours", ())
    misses = session._once.cache_info().misses
    assert session.own_column(NAIVE).broken("yours")
    assert session._once.cache_info().misses == misses


def test_bad_input_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(Refusal, match="an implementation as mine"):
        guarantee_matrix(mine=3)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="a name of its own"):
        guarantee_matrix(raw=NAIVE)
    with pytest.raises(Refusal, match="an implementation, but got 3"):
        session.own_column(3)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="faults among cut"):
        guarantee_matrix(faults=("gremlins",))

"""Lab 4's nodes as processes, a balancer and a broker that are really killed and cut: nothing lost, doubled, reordered.

A sample of what `python -m tests.nodes_apart 40` plays.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from midspan.grading import notebooks
from midspan.labs.lab4_scaling.searching import lab4_node
from tests.loops import in_a_loop
from tests.nodes_apart import KINDS, faults_of, play, serving, verdicts

SEEDS = (2, 8)
CONTROL = 0
RESUMES = "return offset if epoch == place.epoch and place.start <= offset <= place.end else place.start"


def test_the_sample_has_each_kind_of_fault() -> None:
    assert {fault.kind for seed in SEEDS for fault in faults_of(seed)} == {*KINDS}
    assert "kill" in {fault.kind for fault in faults_of(CONTROL)}


@in_a_loop
async def test_schedules_hold_and_a_node_that_does_not_resume_is_caught(tmp_path: Path) -> None:
    async with serving() as (nodes, implementation, trust):
        for seed in SEEDS:
            history = await play(nodes, implementation, trust, seed)
            assert verdicts(history) == {}, "; ".join(map(str, faults_of(seed)))
            assert len(history.of("acknowledged")) == len(history.of("sent")) > 20
        await nodes.serve(lab4_node, source=str(mistaken(tmp_path)))
        history = await play(nodes, implementation, trust, CONTROL, patience_s=2.0)
        assert verdicts(history).keys() & {"no_loss", "convergence"}


def mistaken(folder: Path) -> Path:
    """The solution with one mistake: whoever comes back goes on at the end of the log."""
    text = notebooks.solution("lab4_scaling").read_text("utf-8")
    assert text.count(json.dumps(RESUMES)[1:-1]) == 1
    path = folder / "lab4_scaling.ipynb"
    path.write_text(text.replace(json.dumps(RESUMES)[1:-1], "return place.end"), "utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_broker_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)

"""The JavaScript column: the record is whole, of the versions that `make node` installs, and still what Node does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.experiments.guarantee_matrix import CONVERSATION, TRIALS, measure
from midspan.experiments.on_trial import WITHIN_A_MINUTE, Recorded, play_in_node
from midspan.implementations import javascript_clients
from midspan.net.servers import Authority
from midspan.simulation import History, HistoryRecord, Trigger, judge, play
from tests.course import ROOT
from tests.node import needs_node

pytestmark = pytest.mark.timeout(180)  # some seconds of work, on a machine that may be busy
RECORDED = Recorded()
needs_packages = needs_node("socket.io", "socket.io-client")

# For a fault a moment and a guarantee that is decided by what the libraries do, and not by who is faster.
AGAIN = {
    "cut": (Trigger("b", "down", 4, "during"), "no_duplicate"),  # what is stored by then, Node has read
    "delay": (Trigger("a", "up", 2, "during"), "no_loss"),
    "outage": (Trigger("b", "down", 4, "during"), "no_duplicate"),
    "client restart": (Trigger("a", "up", 2, "during"), "liveness"),
    "revoke": (Trigger("b", "down", 5, "during"), "authorised"),
}
SLOWER = {"revoke": (1.5, 3.0)}  # speed and opening: b must be back before a speaks again, on a busy machine too


def test_the_record_is_of_the_versions_that_the_course_installs() -> None:
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]
    versions = RECORDED.made["versions"]
    assert {name: versions[name] for name in ("socket.io", "socket.io-client")} == {
        name: wanted[name] for name in ("socket.io", "socket.io-client")
    }
    assert RECORDED.made["date"] in RECORDED.made_of
    assert versions["node"] in RECORDED.made_of


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_the_record_has_every_fault_at_its_moments(trial) -> None:  # type: ignore[no-untyped-def]
    """Each history is of the schedule beside it: what was said then, and the fault that happened."""
    runs = list(RECORDED.runs(trial))
    assert len(runs) >= 12
    assert len({schedule.faults for schedule, _ in runs}) == len(runs)
    for schedule, history in runs:
        assert {record.message for record in history.of("sent")} == {say.body for say in schedule.says}
        assert [record.detail for record in history.of("fault")] == [str(schedule.faults[0])]
        assert history.records[-1].what == "ended"
        assert [record.at_s for record in history] == sorted(record.at_s for record in history)


def test_what_the_course_says_of_it() -> None:
    """Buffered while offline, sent again and doubled, recovered in memory only, and without asking who it is."""
    matrix = measure(RECORDED)
    name = RECORDED.name
    assert matrix.cell("no_duplicate", name, "cut").outcome == "violated"
    assert matrix.cell("liveness", name, "outage").outcome == "holds"
    assert matrix.cell("authorised", name, "revoke").outcome == "violated"
    assert matrix.cell("no_loss", name, "server restart").outcome == "violated"
    outage = next(trial for trial in TRIALS if trial.name == "outage")
    assert not any(history.of("declined") for _, history in RECORDED.runs(outage))


@needs_packages
def test_node_does_it_again() -> None:
    """Where Node is: played now, the faults give the verdicts of the record."""
    trials = {trial.name: trial for trial in TRIALS if trial.name in AGAIN}
    with ThreadPoolExecutor(2) as pool:
        show_run = pool.map(lambda name: play_in_node(trials[name], (AGAIN[name][0],), *SLOWER.get(name, ())), AGAIN)
        now = {
            name: outcome(name, run["records"])
            for name, made in zip(AGAIN, show_run, strict=True)
            for run in made["runs"]
        }
    assert now == {name: recorded(name) for name in AGAIN}
    assert set(now.values()) == {"holds", "violated"}


def recorded(name: str) -> str:
    at = AGAIN[name][0]
    run = next(run for run in RECORDED.made["runs"][name] if run["at"] == [at.link, at.way, at.n, at.when])
    return outcome(name, run["records"])


def outcome(name: str, records: list[list[Any]]) -> str:
    guarantee = AGAIN[name][1]
    history = History(tuple(HistoryRecord(*record) for record in records), WITHIN_A_MINUTE)
    return judge(history, (guarantee,))[guarantee].outcome


def test_without_node_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(Refusal, match="Install Node, then run `make node`"), javascript_clients.node():
        pass


@needs_packages
def test_without_its_packages_node_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))  # they are looked for from here upwards
    with pytest.raises(Refusal, match="Cannot find module"), javascript_clients.node():
        pass


@needs_packages
def test_the_simulated_link_is_not_for_node() -> None:
    with javascript_clients.node() as process:
        implementation = javascript_clients.javascript(process, Authority(), WITHIN_A_MINUTE)
        history = play(implementation, CONVERSATION)
    assert any("real link" in record.detail for record in history.of("crashed"))

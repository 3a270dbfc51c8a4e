"""`judge --seeds`: any range of seeds against the session of any notebook, on both links, in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from midspan.__main__ import main
from midspan.errors import Refusal
from midspan.grading.judging import judge_seeds
from midspan.simulation import search
from tests.course import ROOT
from tests.solved import LAB3

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that does other work too

NO_DEDUPE = ('return "new" if number == expected else "again" if number < expected else "gap"', 'return "new"')
HASTY = (
    "                await self.log.append(body, who, number)\n",
    "                self.writing = asyncio.create_task(self.log.append(body, who, number))\n",
)
BUSY = (
    "            await asyncio.sleep(interval_s)\n",
    "            asyncio.get_running_loop()\n            continue\n",
)


def notebook(folder: Path, *edits: tuple[str, str], solved: Path = LAB3.path) -> Path:
    """The solution with these edits, in a file from elsewhere under another name."""
    text = json.loads(solved.read_text("utf-8"))
    for old, new in edits:
        cells = [cell for cell in text["cells"] if old in "".join(cell["source"])]
        assert len(cells) == 1
        cells[0]["source"] = "".join(cells[0]["source"]).replace(old, new)
    path = folder / "handed_in.ipynb"
    path.write_text(json.dumps(text), "utf-8")
    return path


@pytest.fixture(autouse=True)
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_COURSE", str(ROOT))


@pytest.mark.parametrize("link", ["simulated", "real"])
def test_the_solution_holds(link: str) -> None:
    report = judge_seeds(LAB3.path, range(5, 25), link)
    assert report.passed
    lines = str(report).splitlines()
    assert lines[0] == f"{LAB3.name}, answers from {LAB3.name}.ipynb, seeds 5 to 24, {link} link"
    assert lines[1].split() == ["predicate", "held", "violated", "vacuous"]
    assert lines[-1].startswith("20 schedules: ")
    assert ", 0 violated, " in lines[-1]
    assert {line.split()[2] for line in lines[2:-1]} == {"0"}


@pytest.mark.parametrize(
    ("link", "edit", "seeds", "words"),
    [
        ("simulated", NO_DEDUPE, range(20), "no_duplicate is violated. a1 was delivered to a at"),
        ("real", HASTY, range(2), "ack_after_durable is violated. a1 was acknowledged to a at"),
    ],
)
def test_a_wrong_session_is_told_by_its_smallest_counterexamples(
    link: str, edit: tuple[str, str], seeds: range, words: str, tmp_path: Path
) -> None:
    path = notebook(tmp_path, edit)
    report = judge_seeds(path, seeds, link)
    assert not report.passed
    assert report.outcomes["violated"] > 0
    assert sum(report.outcomes.values()) == len(seeds)
    told = str(report)
    assert words in told
    assert "Smallest schedule: seed" in told
    assert f"Again: python -m midspan judge handed_in.ipynb --seeds 1 --link {link} --start " in told
    again = int(told.partition("--start ")[2].split()[0])
    assert judge_seeds(path, range(again, again + 1), link).outcomes == {"violated": 1}


def test_the_command_exits_with_0_1_or_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def judged(*arguments: object) -> tuple[int, str, str]:
        code = main(["judge", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    assert judged(LAB3.path, "--seeds", 3)[0] == 0
    code, out, _ = judged(notebook(tmp_path, NO_DEDUPE), "--seeds", 1, "--start", 5)
    assert (code, "no_duplicate is violated" in out) == (1, True)
    code, out, err = judged(ROOT / "labs" / f"{LAB3.name}.ipynb", "--seeds", 3)
    assert (code, out) == (2, "")
    assert "still to do: sender, heartbeat, reconnect, outbox" in err
    assert "All steps are needed: finish it, or take solutions/lab3_failure.ipynb" in err
    assert "Traceback" not in err
    assert judged(ROOT / "solutions" / "lab1_framing.ipynb", "--seeds", 3)[0] == 2


def test_only_vacuous_runs_do_not_pass() -> None:
    """A seed in which nothing is at risk."""
    seed = next(seed for seed in range(100) if search(LAB3.reference, [seed]).outcome == "vacuous")
    report = judge_seeds(LAB3.path, range(seed, seed + 1))
    assert report.outcomes == {"vacuous": 1}
    assert not report.passed


CANNOT = {
    "hangs": (BUSY, "hangs inside one call"),
    "starts a process": (
        ("        self.taken = {}\n", "        import subprocess; subprocess.run(['true'])\n        self.taken = {}\n"),
        "use a subprocess",
    ),
    "looks at the clock": (
        ("        self.taken = {}\n", "        import time; self.at_s = time.monotonic()\n        self.taken = {}\n"),
        "time.monotonic",
    ),
    "a cell raises": (("class OutboxFull(Exception):", "1 / 0\n\n\nclass OutboxFull(Exception):"), "ZeroDivisionError"),
    "ends the process": (("        self.taken = {}\n", "        import os; os._exit(7)\n"), "exit code 7"),
}


@pytest.mark.parametrize("what", CANNOT)
def test_what_cannot_be_played_is_a_sentence(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "hangs":
        monkeypatch.setenv("MIDSPAN_PATIENCE", "0.05")
    edit, words = CANNOT[what]
    with pytest.raises(Refusal, match=words):
        judge_seeds(notebook(tmp_path, edit), range(3))


@pytest.mark.parametrize(
    ("seeds", "link", "words"), [(range(0), "simulated", "at least one seed"), (range(3), "rea", "a link")]
)
def test_bad_arguments_are_a_sentence(seeds: range, link: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        judge_seeds(LAB3.path, seeds, link)

"""When the time is over, tests end cleanly, and that is no failure; what fails, or crashes, still is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.course import ROOT

# What the made-up tests import: the clock of the plugin, and a way to say that the time is over.
CONFTEST = """
import pytest
from tests import budget

def over():
    budget.now = lambda: float("inf")

def pytest_runtest_logstart(nodeid):  # in the worker, and in the process that hands out
    if "test_waits" in nodeid:
        over()

@pytest.fixture(scope="module")
def opened(request):
    yield
    (request.config.rootpath / "closed").touch()
"""
PASSES = "def test_passes(): pass\n"
ENDS = "from conftest import over\ndef test_ends(opened): over()\n"
FAILS = "def test_fails(): assert False\n"
CRASHES = "import os\ndef test_crashes(): os._exit(1)\n"
WAITS = "import threading\nfrom tests import budget\n"
WAITS += "def test_waits(opened):\n    budget.interrupt()\n    threading.Event().wait()\n"
AFTER = "def test_after(opened): assert False\n"
ONLY_OURS = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # loading all plugins takes seconds
LATE = 2**40  # seconds since 1970: not over by itself


def run(folder: Path, source: str, *options: str, until: float = LATE) -> tuple[int, str]:
    """The exit code, and what the plugin says, of a run of one file of tests."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]")
    plugin = [
        "-p",
        "xdist",
        "-p",
        "xdist.looponfail",
        "-p",
        "tests.budget",
        f"--until={until}",
        f"--basetemp={folder / 'temporary'}",
    ]
    command = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *options, "test_it.py"]
    ran = subprocess.run(command, cwd=folder, env=os.environ | ONLY_OURS, capture_output=True, text=True)
    said = [line for line in ran.stdout.splitlines() if line.startswith("check: ")]
    return ran.returncode, said[-1] if said else ran.stdout + ran.stderr


TOLD = "check: {}, nearest first"
LEFT = "; the time was over before the end of test_it.py"
OVER = TOLD + LEFT


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (PASSES, 0, TOLD.format("1 passed, 0 failed")),
        (ENDS, 0, TOLD.format("1 passed, 0 failed")),
        (ENDS + AFTER, 0, OVER.format("1 passed, 0 failed")),
        (FAILS + ENDS + AFTER, 1, OVER.format("1 passed, 1 failed")),
        (PASSES + WAITS + AFTER, 0, OVER.format("1 passed, 0 failed")),
        (FAILS + WAITS, 2, OVER.format("0 passed, 1 failed")),
    ],
    ids=["all", "in time", "over", "over and failed", "interrupted", "interrupted and failed"],
)
def test_time_that_is_over_is_no_failure(source: str, code: int, said: str, tmp_path: Path) -> None:
    assert run(tmp_path, source, "-n0") == (code, said)
    assert (tmp_path / "closed").exists() == ("opened" in source), "what a fixture opens is closed"


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (PASSES + ENDS + AFTER, 0, OVER.format("2 passed, 0 failed").replace("the time was over", "it stopped")),
        (PASSES + WAITS + AFTER, 0, OVER.format("1 passed, 0 failed")),
        (PASSES + CRASHES, 1, TOLD.format("1 passed, 1 failed")),
    ],
    ids=["over", "interrupted", "crashed"],
)
def test_in_workers_too(source: str, code: int, said: str, tmp_path: Path) -> None:
    came = run(tmp_path, source, "-n1", "--dist=loadfile", "--max-worker-restart=0")
    assert (min(came[0], 1), came[1].partition(";")[0]) == (code, said.partition(";")[0])
    assert (tmp_path / "closed").exists() == ("opened" in source)


def test_when_no_test_had_its_turn_nothing_is_known(tmp_path: Path) -> None:
    assert run(tmp_path, PASSES, "-n0", until=0) == (5, f"check: no test had its turn{LEFT}")


def test_only_those_tests_run_that_are_meant(tmp_path: Path) -> None:
    assert run(tmp_path, PASSES + FAILS, "-n0", "--only=test_it.py=passes") == (0, TOLD.format("1 passed, 0 failed"))
    assert run(tmp_path, FAILS, "-n0", "--only=test_it.py=nothing") == (0, TOLD.format("0 passed, 0 failed"))


def test_the_order_is_that_of_the_command_line(tmp_path: Path) -> None:
    """Without a budget the longest come first; the order of the map would be lost."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", f"--basetemp={tmp_path}", "-p", "tests.budget"]
    files = ["tests/test_turns.py", "tests/test_budget.py"]

    def order(*options: str) -> list[str]:
        ran = subprocess.run([*command, *options, *files], cwd=ROOT, capture_output=True, text=True)
        return list(dict.fromkeys(line.partition("::")[0] for line in ran.stdout.splitlines() if "::" in line))

    assert order(f"--until={LATE}") == files
    assert order() == files[::-1]

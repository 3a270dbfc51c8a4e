"""`make test-pythons`: which interpreters it picks, and what it says where one is missing or fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import pythons
from tests.course import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a stand-in for a Python is a shell script")


def stand_in(path: Path, version: str, *, venv: bool = True, runs: bool = True) -> Path:
    """A program that says what a Python of this version says when it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        "#!/bin/sh",
        f'case "$2" in *venv*) exit {int(not venv)};; esac',
        f"echo {version}",
        f"exit {int(not runs)}",
    ]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


def test_it_finds_what_pyenv_has_and_then_what_debian_has(tmp_path: Path) -> None:
    """Debian's folder has more that begins with python3."""
    names = ("python3", "python3.9", "python3.11", "python3.11-config", "python3-config")
    debian = [stand_in(tmp_path / "usr" / name, "3.11.2") for name in names]
    theirs = [stand_in(tmp_path / f"pyenv/versions/{version}/bin/python", version) for version in ("3.12.1", "3.9.18")]
    found = pythons.candidates(tmp_path / "pyenv", tmp_path / "usr")
    assert found[:2] == theirs
    assert set(found[2:]) == {debian[1], debian[2]}


def test_it_picks_one_of_each_version_that_the_course_allows(tmp_path: Path) -> None:
    """Oldest first by number, not by letter; the one of `make test` is left out, and each that is has its reason."""
    versions = ["3.100.0", "3.10.13", "3.12.1", "3.11.2", "3.11.7", "3.12.1"]
    paths = [stand_in(tmp_path / str(n) / "python", version) for n, version in enumerate(versions)]
    silent = stand_in(tmp_path / "silent", "3.13.0", runs=False)
    chosen, left_out = pythons.chosen([*paths, silent, tmp_path / "nowhere"], tested="3.11.7")
    assert chosen == {"3.11.2": paths[3], "3.12.1": paths[2], "3.100.0": paths[0]}
    assert left_out == [
        f"{paths[1]} is left out: 3.10.13 is older than pyproject.toml allows.",
        f"{paths[4]} is left out: `make test` uses 3.11.7.",
        f"{paths[5]} is left out: there is another 3.12.1.",
        f"{silent} is left out: it does not run.",
        f"{tmp_path / 'nowhere'} is left out: it does not run.",
    ]


def test_those_that_are_named_are_tried_even_if_make_test_uses_one(tmp_path: Path) -> None:
    one, other = (stand_in(tmp_path / name, version) for name, version in (("a", "3.11.7"), ("b", "3.12.1")))
    assert pythons.pick(f"{one} {other}", tested=one) == ({"3.11.7": one, "3.12.1": other}, [])


def test_a_named_python_that_is_not_here_ends_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"PYTHONS names {tmp_path}/python3.99, which this machine does not have"):
        pythons.named(f"{sys.executable} {tmp_path}/python3.99")


def test_a_python_without_venv_is_skipped_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails nothing: what cannot be tried is told."""
    bare = stand_in(tmp_path / "python", "3.12.1", venv=False)
    assert pythons.main(["--pythons", str(bare)]) == 0
    said = capsys.readouterr().out
    assert f"3.12.1 is skipped: {bare} came without venv or ensurepip." in said
    assert "3.12.1  skipped    skipped  skipped  0" in said


def test_no_other_python_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "candidates", lambda _home: [Path(sys.executable)])
    assert pythons.main(["--tested", sys.executable]) == 0
    assert "No other Python here: nothing to try" in capsys.readouterr().out


@pytest.fixture
def playing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """The commands of each stage, which a test may change; an environment is a folder."""
    environment = tmp_path / ".venvs" / "3.12.1"
    environment.mkdir(parents=True)
    counts = {"notebooks": "540 passed in 200.00s", "judge": "passed", "labs": "7 passed, 1 skipped in 3.00s"}
    stages = {stage: [["echo", words]] for stage, words in counts.items()}
    monkeypatch.setattr(pythons, "VENVS", tmp_path / ".venvs")
    monkeypatch.setattr(pythons, "fill", lambda _python, _environment: True)
    monkeypatch.setattr(pythons, "commands", lambda stage, _python, _workers: stages[stage])
    return stages


def tried(tmp_path: Path) -> int:
    return pythons.main(["--pythons", str(stand_in(tmp_path / "python", "3.12.1"))])


Stages = dict[str, list[list[str]]]


def test_a_line_for_each_stage_and_a_table(tmp_path: Path, playing: Stages, capsys: pytest.CaptureFixture[str]) -> None:
    playing["judge"] *= 5
    assert tried(tmp_path) == 0
    said = capsys.readouterr().out
    assert "== 3.12.1 notebooks: 540 passed (0 s)" in said
    assert said.splitlines()[-2:] == [
        "Python  notebooks   judge        labs      seconds",
        "3.12.1  540 passed  5 of 5 labs  7 passed  0",
    ]


@pytest.mark.parametrize("stage", pythons.STAGES)
def test_a_stage_that_fails_is_shown_and_fails_all(
    stage: str, tmp_path: Path, playing: Stages, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others run all the same; the end of its output stands there, and where the rest is."""
    playing[stage] = [["sh", "-c", "echo FAILED because; echo 1 failed, 6 passed in 1.00s; exit 1"]]
    assert tried(tmp_path) == 1
    said = capsys.readouterr().out
    assert "FAILED because" in said
    assert f"(all of it: {tmp_path / '.venvs' / '3.12.1' / stage}.log)" in said
    assert ("0 of 1 labs" if stage == "judge" else "1 failed, 6 passed") in said.splitlines()[-1]
    assert all(f"== 3.12.1 {name}: " in said for name in pythons.STAGES)


def test_a_stage_that_never_began_says_so() -> None:
    assert pythons.outcome("labs", [1], ["ModuleNotFoundError: No module named 'pytest'"]) == "did not run"
    assert pythons.outcome("labs", [1], []) == "did not run"


def test_an_environment_that_cannot_be_filled_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the rule of the Makefile: what the lock does not allow is no reason to skip."""
    monkeypatch.setattr(pythons, "VENVS", tmp_path / ".venvs")
    assert tried(tmp_path) == 1
    said = capfd.readouterr().out
    assert "3.12.1: its environment could not be filled" in said
    assert said.splitlines()[-1].count("did not run") == len(pythons.STAGES)


def test_the_commands_name_tests_and_notebooks_that_are_there() -> None:
    """And every lab is judged."""
    labs = {path.name for path in (ROOT / "labs").glob("lab*.ipynb")}
    assert {Path(command[-1]).name for command in pythons.commands("judge", Path("python"), "2")} == labs
    (command,) = pythons.commands("labs", Path("python"), "2")
    files = [word for word in command if word.startswith("tests/")]
    assert len(files) > 10
    assert all((ROOT / name).is_file() for name in files)


def test_the_door_hands_over_what_is_asked(tmp_path: Path) -> None:
    words: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    make = ["make", "--dry-run", "test-pythons", f"PY={tmp_path}", "PYTHONS=python3.12 /opt/python", "WORKERS=3"]
    asked = subprocess.run(make, **words).stdout
    assert f'{tmp_path} tests/pythons.py --tested {tmp_path} --workers 3 --pythons "python3.12 /opt/python"' in asked

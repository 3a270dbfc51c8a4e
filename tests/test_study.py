"""`make study`: JupyterLab on the course, on any machine; a notebook that was only read stays the same file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from nbformat.sign import NotebookNotary

from midspan.grading import lab_source, notebooks
from midspan.study import FOLDERS, jupyter_folders, leave_out, own_folder, prepare, standard_options, trust
from tests.course import ROOT

posix = pytest.mark.skipif(os.name == "nt", reason="signals and user ids are things of POSIX")
OURS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.ipynb"))
EMPTY: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"midspan": {}}, "cells": []}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of three notebooks, one a folder, in a folder with spaces and umlauts."""
    folder = tmp_path / "Übung mit Lücken"
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
        (folder / name / "first.ipynb").write_text(json.dumps(EMPTY))
    return folder


@pytest.fixture
def home(own_folders: Path) -> Path:  # noqa: ARG001  # it sets the variable
    """Where this test's progress and logs go."""
    return Path(os.environ["MIDSPAN_HOME"])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Jupyter keeps what it has signed."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# Options, folders


@posix
@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)], ids=["root", "a learner"])
def test_root_is_allowed_only_where_it_is_root(user: int, allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab refuses to start as root unless told; other users' JupyterLab is not told."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert ("--allow-root" in standard_options("a.ipynb")) is allowed


@pytest.mark.parametrize(
    ("platform", "display", "flag"), [("linux", "", True), ("linux", ":0", False), ("darwin", "", False)]
)
def test_no_browser_is_opened_without_a_screen(
    platform: str, display: str, flag: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Linux without a display the address is printed and no browser is looked for."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    assert ("--no-browser" in standard_options("a.ipynb")) is flag


MOVED = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


@pytest.mark.parametrize("read_only", [False, True])
def test_jupyters_folders_move_where_home_cannot_be_written(
    read_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A HOME that is a file stands for one that is read-only: root may write any folder."""
    for name in (*MOVED, "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "learner"))
    (tmp_path / "learner").touch() if read_only else (tmp_path / "learner").mkdir()
    moved = jupyter_folders(tmp_path / "own")
    assert set(moved) == (set(MOVED) if read_only else set())
    assert all(Path(folder).is_dir() for folder in moved.values())


def test_a_course_that_cannot_be_written_has_its_log_elsewhere(
    tmp_path: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays of the temporary folder."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIDSPAN_HOME", str(tmp_path / "file/.midspan"))
    with own_folder() as folder:
        assert folder.parent == own_folders
    assert not folder.exists()


def test_a_course_that_cannot_be_written_says_so(
    course: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may write everywhere, so the look at the folder is a stand-in."""
    monkeypatch.setattr("midspan.study.can_be_written", lambda folder: folder != course)
    prepare(course, data)
    assert f"{course} cannot be written" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(data))
    prepare(course, data)
    assert "cannot be written: to keep" not in capsys.readouterr().out


# Trust


def is_trusted(path: Path, data: Path) -> bool:
    notary = NotebookNotary(data_dir=str(data))  # type: ignore[no-untyped-call]
    try:
        return bool(notary.check_signature(nbformat.read(path, as_version=4)))  # type: ignore[no-untyped-call]
    finally:
        notary.store.close()


def test_the_courses_notebooks_are_trusted_and_only_those(course: Path, data: Path) -> None:
    """The three folders' own notebooks; what is no notebook is named, and the rest is trusted all the same."""
    strange = course / "strange.ipynb"
    strange.write_text(json.dumps(EMPTY | {"metadata": {"midspan": {}, "by": "someone else"}}))
    (course / "labs/broken.ipynb").write_text("{")
    assert not is_trusted(course / "labs/first.ipynb", data)
    assert trust(course) == (3, ["labs/broken.ipynb"])
    assert is_trusted(course / "labs/first.ipynb", data)
    assert not is_trusted(strange, data)


# Saving


def saved(raw: notebooks.Raw, **metadata: Any) -> str:
    """The text of a notebook after JupyterLab has opened it and saved it."""
    raw = raw | {"metadata": raw["metadata"] | metadata}
    leave_out({"type": "notebook", "content": raw}, path="a.ipynb", contents_manager=None)
    return lab_source.text(raw)


@pytest.mark.parametrize("path", OURS, ids=[f"{path.parent.name}/{path.stem}" for path in OURS])
def test_a_notebook_of_the_course_is_saved_as_it_was(path: Path) -> None:
    """What a kernel tells of itself changes no byte."""
    raw = notebooks.read(path)
    told = raw["metadata"]["language_info"] | {"version": "3.99.0"}
    assert saved(raw, language_info=told) == path.read_text("utf-8")


def test_a_notebook_that_is_not_the_courses_is_saved_as_it_is() -> None:
    raw = {**EMPTY, "metadata": {"language_info": {"name": "python", "version": "3.99.0"}}}
    assert "3.99.0" in saved(raw)


def test_times_of_execution_are_left_out() -> None:
    """JupyterLab records them where a learner has asked for it."""
    cell = {"cell_type": "code", "id": "a", "source": "", "outputs": [], "execution_count": 1}
    assert "iopub" not in saved({**EMPTY, "cells": [{**cell, "metadata": {"execution": {"iopub.status.busy": "now"}}}]})


def test_files_that_are_no_notebooks_are_saved() -> None:
    leave_out({"type": "file", "content": "text"}, path="a.txt", contents_manager=None)


# The whole: JupyterLab itself


@dataclass
class Study:
    """A running `python -m midspan study`, and what it has said."""

    process: subprocess.Popen[str]
    said: str

    @property
    def address(self) -> str:
        found = re.search(r"Open +(http://\S+)", self.said)
        assert found, self.said
        return found[1]

    def ask(self, path: str, data: bytes | None = None) -> Any:
        """What the server answers to GET, or to POST where there is data."""
        url, token = re.findall(r"(.+)/lab/tree/.*\?(token=\w+)", self.address)[0]
        with urllib.request.urlopen(f"{url}/api/{path}?{token}", data, timeout=60) as answer:
            return json.load(answer)

    def end(self, which: signal.Signals = signal.SIGINT) -> str:
        """Send a signal; what it says then. It must end well."""
        self.process.send_signal(which)
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        assert self.process.wait() == 0
        return rest


@contextmanager
def study(course: Path, *options: str, **environment: str) -> Iterator[Study]:
    process = subprocess.Popen(
        [sys.executable, "-m", "midspan", "study", "--start", "notebooks/first.ipynb", "--", "--no-browser", *options],
        cwd=course,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    with process:
        said = ""
        for line in process.stdout:
            said += line
            if line.lstrip().startswith("Log "):
                break
        try:
            yield Study(process, said)
        finally:
            process.terminate()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@posix
@pytest.mark.usefixtures("data")
def test_two_beside_each_other_and_each_can_be_stopped(course: Path) -> None:
    """Two addresses, two logs; one ends by Ctrl-C and the other by SIGTERM, with every process that they started."""
    with study(course) as one, study(course) as other:
        assert one.address != other.address
        processes = family(one.process) + family(other.process)
        one.end(signal.SIGINT)
        assert "version" in other.ask("")
        other.end(signal.SIGTERM)
    assert processes
    assert not [process for process in processes if process.is_running()]


@posix
def test_home_read_only_the_c_locale_and_an_umlaut_at_once(course: Path, tmp_path: Path, home: Path) -> None:
    """It works, says where Jupyter's files go, shows nothing of Jupyter's log, and takes a busy kernel along."""
    (tmp_path / "a file").touch()
    with study(course, HOME=str(tmp_path / "a file"), LC_ALL="C", JUPYTER_RUNTIME_DIR="", IPYTHONDIR="") as started:
        assert "its files go to" in started.said
        assert "Trusted the course's 3 notebooks" in started.said
        assert "ServerApp" not in started.said
        number = started.ask("kernels", b"{}")["id"]
        [connection] = (home / "jupyter").rglob(f"kernel-{number}.json")
        busy(connection, tmp_path / "loops")
        processes = family(started.process)
        assert len(processes) >= 2
        assert started.end().strip() == "== JupyterLab has ended"
    assert not [process for process in processes if process.is_running()]


def busy(connection: Path, sign: Path) -> None:
    """Put a kernel into an endless loop; returns when it loops. `sign` is a path for the pipe by which it says so."""
    os.mkfifo(sign)
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    client.execute(f"open({str(sign)!r}, 'w').close()\nwhile True: pass")
    sign.read_bytes()
    client.stop_channels()


@pytest.mark.usefixtures("data")
def test_what_does_not_start_is_one_sentence(course: Path, home: Path) -> None:
    """The last line of Jupyter's log, and where the rest is."""
    with study(course, "--port=nowhere") as started:
        pass
    [last] = [line for line in started.said.splitlines() if not line.startswith("==")]
    assert "Expected JupyterLab to start, but got Bad config" in last
    [log] = home.glob("jupyterlab-*.log")
    assert last.endswith(f"The whole log is {log}.")
    assert started.process.returncode == 2


def test_a_start_that_is_not_there_is_one_sentence(course: Path) -> None:
    command = [sys.executable, "-m", "midspan", "study", "--start", "notebooks/nowhere.ipynb"]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Expected a file in" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""

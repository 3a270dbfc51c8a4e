"""What every test gets: a home and a folder of its own, and a guard that says what it left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from tests.left_behind import watching

# How long one example takes says how busy the machine is; what hangs is pytest-timeout's to tell.
settings.register_profile("midspan", deadline=None)
settings.load_profile("midspan")

_numbers = count(1)  # of tests


@pytest.fixture(scope="session")
def _folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(autouse=True)
def own_folders(_folder_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's progress, and every temporary file, go to folders that belong to this test alone.

    Not in `tmp_path`: pytest makes that with a link, and moves the link for each test; most tests need none.
    """
    number = next(_numbers)
    monkeypatch.setenv("MIDSPAN_HOME", str(_folder_of_all / f"home{number}"))
    temporary = _folder_of_all / f"temporary{number}"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return temporary


@pytest.fixture(autouse=True)
def nothing_left_behind(own_folders: Path) -> Iterator[None]:
    """No task, thread, socket, child process or temporary file outlives its test."""
    with watching(own_folders) as watch:
        yield
        left = watch.left()
    if left:
        pytest.fail("This test left behind:\n  " + "\n  ".join(left), pytrace=False)

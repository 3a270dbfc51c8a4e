"""What every test gets: a home and a folder of its own, and a guard that says what it left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.left_behind import watching

# How long one example takes says how busy the machine is; what hangs is pytest-timeout's to tell.
settings.register_profile("midspan", deadline=None)
settings.load_profile("midspan")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's progress, and every temporary file, go to folders that belong to this test alone."""
    monkeypatch.setenv("MIDSPAN_HOME", str(tmp_path / "home"))
    temporary = tmp_path / "temporary"
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

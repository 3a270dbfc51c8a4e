"""A check in a kernel after a cell that Python could not read: it says that it judges what stood before."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_core.utils import ensure_event_loop

from midspan.grading.steps import STALE
from tests.kernels import kernel

CHECK = "check.accept_key(accept_key)"
RIGHT = "def accept_key(key):\n    return 'no'"


@pytest.fixture(scope="module", autouse=True)
def _client_loop() -> None:
    """jupyter_client keeps one event loop a thread for good: it is no test's leftover."""
    ensure_event_loop()


def test_a_check_after_a_cell_that_was_not_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and only where the cell speaks of the answer, and only where nothing of it ran."""
    monkeypatch.setenv("MIDSPAN_HOME", str(tmp_path))
    with kernel(tmp_path) as shell:
        shell.run("from midspan.labs.lab1_framing import check")
        told = []
        for cell in (RIGHT, "def accept_key(key:", "1 / 0", "x = (", f"{RIGHT}\nreturn 1", f"%pylab_no\n{RIGHT} +"):
            shell.run(cell)
            told += [
                shell.run(CHECK).error.count(f"! {STALE}"),
                shell.run(CHECK).error.count(STALE),
            ]
    assert told == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]

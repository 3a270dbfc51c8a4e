"""The labs as they come, in a kernel of their own; and the guard of what a kernel keeps, guarded.

What says how long something takes, or starts many kernels, is in test_notebooks.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_core.utils import ensure_event_loop

from midspan.grading.express import NAME as EXPRESS
from tests.course import ROOT, Notebook, found
from tests.kernels import kernel, left

# The express notebook measures too, as chapter 05 does: no other test runs beside it.
LABS = [lab for lab in found("labs") if lab.path.stem != EXPRESS]
EXPRESS_ALONE = [pytest.param(it, marks=pytest.mark.alone) for it in found("labs") if it.path.stem == EXPRESS]
pytestmark = pytest.mark.timeout(300)  # a kernel runs a whole lab, on a machine that does other work too


@pytest.fixture(scope="module", autouse=True)
def _client_loop() -> None:
    """jupyter_client keeps one event loop a thread for good: it is no test's leftover."""
    ensure_event_loop()


@pytest.mark.parametrize("notebook", [*LABS, *EXPRESS_ALONE], ids=str)
def test_an_unsolved_lab_is_to_do_and_nothing_else(notebook: Notebook) -> None:
    """Each check says *to do*, by raising, so that every runner sees it; no other cell raises."""
    with kernel(notebook.path.parent) as live:
        ran = live.run_all(notebook)
    for cell, one in zip(notebook.code, ran, strict=True):
        if cell.is_check:
            assert one.error.startswith("CheckFailed"), f"{cell.source}: {one.error or 'it passed'}"
            assert "to do" in one.error + one.text, f"{cell.source}: {one.error}"
        elif "raises-exception" not in cell.tags:
            assert one.error == "", f"{cell.source}: {one.error}"


@pytest.mark.parametrize("notebook", LABS, ids=str)
def test_a_half_done_lab_is_to_do_at_the_steps_that_are_left_and_nowhere_else(notebook: Notebook) -> None:
    """The first half of the exercises are answered as in the solution, and all cells run."""
    solved = Notebook(ROOT / "solutions" / notebook.path.name).code
    exercises = [number for number, cell in enumerate(notebook.code) if cell.is_exercise]
    half = exercises[len(exercises) // 2]
    sources = [(solved if number < half else notebook.code)[number].source for number in range(len(notebook.code))]
    with kernel(notebook.path.parent) as live:
        ran = [live.run(source) for source in sources]
    for number, (cell, one) in enumerate(zip(notebook.code, ran, strict=True)):
        if cell.is_check and number > half:
            assert "to do" in one.error + one.text, f"{cell.source}: {one.error or 'it passed'}"
        elif "raises-exception" not in cell.tags:
            assert one.error == "", f"{cell.source}: {one.error}"


# The guard is guarded: a kernel that keeps something is seen to.


KEPT = {
    "tasks: Event.wait": "import asyncio\nkept = asyncio.create_task(asyncio.Event().wait())",
    "threads: kept": "from threading import *\nThread(target=Event().wait, name='kept', daemon=True).start()",
    "sockets: SOCK_STREAM": "import socket\nkept = socket.create_server(('127.0.0.1', 0))",
    "children: ": "import subprocess\nkept = subprocess.Popen(['cat'], stdin=subprocess.PIPE)",
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_a_kernel_keeps_is_seen(kind: str, tmp_path: Path) -> None:
    """One thing left, one line that names it."""
    with kernel(tmp_path) as live:
        before = live.facts()
        assert left(before, live.facts()) == []
        assert live.run(KEPT[kind]).error == ""
        seen = left(before, live.facts())
        live.run("getattr(globals().get('kept'), 'kill', int)()")
    assert [line.startswith(kind) for line in seen].count(True) == 1, seen

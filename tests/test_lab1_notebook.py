"""Lab 1's notebook: its size, its hints, and demonstrations that wait for what they need."""

from __future__ import annotations

import ast
import re

import pytest
from jupyter_core.utils import ensure_event_loop

from midspan.labs.lab1_framing import check
from tests.course import ROOT, Cell, Notebook, found
from tests.kernels import kernel

SOLVED = Notebook(ROOT / "solutions" / "lab1_framing.ipynb")
EXERCISES = {cell.graded["grade_id"]: cell for cell in SOLVED.code if cell.is_exercise}


@pytest.fixture(scope="module", autouse=True)
def _client_loop() -> None:
    """jupyter_client keeps one event loop a thread for good: it is no test's leftover."""
    ensure_event_loop()


def test_the_prose_says_how_long_all_of_it_is_wherever_it_does() -> None:
    """A number in prose is one that something counts."""
    prose = "\n".join(cell.source for cell in SOLVED.cells if not cell.is_code)
    said = re.findall(r"the reference has (\d+)|\b(\d+) lines: bytes in", prose)
    total = sum(step.lines for step in check)
    assert said == [(str(total), ""), ("", str(total))]
    assert total < 300, "one holds it in the head"


MINUTES_A_LINE = 1.8  # of the reference: an estimate, since no class has taken the course yet
LONGEST_MINUTES = 30


def test_each_checkpoint_takes_half_an_hour_at_most_and_says_so_honestly() -> None:
    """The minutes of the notebook are those of its checkpoints; its first cell says both, and where they come from."""
    names = [step.name for step in check]
    core = names.index("patient_connection") + 1
    parts = list(check)[:core], list(check)[core:]
    minutes = SOLVED.about["minutes"], SOLVED.about["deeper_minutes"]
    said = re.findall(r"in (\d+) checkpoints, about (\d+) minutes", SOLVED.cells[0].source)
    assert said == [(str(len(part)), str(some)) for part, some in zip(parts, minutes, strict=True)]
    origin = f"estimates, from {MINUTES_A_LINE} minutes for each line that you write; no class has taken the course yet"
    assert origin in SOLVED.cells[0].source
    for part, some in zip(parts, minutes, strict=True):
        assert some - 10 < sum(step.minutes for step in part) <= some
    for step in check:
        assert step.lines * MINUTES_A_LINE - 1 < step.minutes <= LONGEST_MINUTES, step.name


def screen_lines(cell: Cell) -> int:
    """Lines that a cell takes on a screen where prose breaks after some 110 characters."""
    return sum(1 + len(line) // 110 for line in cell.source.splitlines())


def test_the_first_step_is_on_the_first_screen() -> None:
    """At most one screen of given cells stands above step 1, and most of it is prose."""
    first = next(at for at, cell in enumerate(SOLVED.cells) if cell.source.startswith("## Step 1:"))
    above = SOLVED.cells[:first]
    assert sum(map(screen_lines, above)) <= 32
    assert sum(screen_lines(cell) for cell in above if cell.is_code) <= 14


def test_each_question_has_its_key_under_a_fold() -> None:
    prose = [cell.source for cell in SOLVED.cells if not cell.is_code]
    asked = [text for text in prose if "*A question.*" in text or "**Try**" in text]
    assert len(asked) == len(list(check)) + 1
    folded = re.compile(r"<details><summary>Key</summary>\n\n\S.*?\n\n</details>", re.DOTALL)
    assert [text for text in asked if len(folded.findall(text)) != 1] == []


def test_a_hint_defines_the_names_that_its_code_uses() -> None:
    """A learner who reads only the last hint of `mask` needs to know what `stream` is."""
    for hint in (hint for step in check for hint in step.hints):
        assert "stream[" not in hint or "stream =" in hint


def awaited_at_the_top(cell: Cell) -> list[str]:
    """What a cell itself awaits, outside of the functions that it defines."""
    inside = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    at_the_top: list[ast.AST] = [node for node in cell.tree.body if not isinstance(node, inside)]
    awaits = [node for top in at_the_top for node in ast.walk(top) if isinstance(node, ast.Await | ast.AsyncWith)]
    return [ast.unparse(node) for node in awaits]


LABS = [notebook for notebook in found("solutions") if notebook.path.stem.startswith("lab")]  # not the express way


@pytest.mark.parametrize("notebook", LABS, ids=str)
def test_no_cell_of_a_lab_waits_for_the_learners_code_without_a_limit(notebook: Notebook) -> None:
    """`show` has one; a cell that awaits has none."""
    awaits = [line for cell in notebook.code for line in awaited_at_the_top(cell)]
    assert [line for line in awaits if "Bench(" not in line and line != "await bench.close()"] == []


HANGS = {
    "encode_frame": "def encode_frame(opcode, payload, fin=True, key=None): return b''",
    "socket": "class Socket(Socket):\n    async def recv(self): await asyncio.Event().wait()",
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("step", HANGS)
def test_demonstrations_of_an_answer_that_hangs_end_with_a_sentence(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_PATIENCE", "0.1")
    with kernel(SOLVED.path.parent) as live:
        ran = []
        for cell in SOLVED.code:
            if not cell.is_check:
                ran.append(live.run(cell.source))
            if cell is EXERCISES[step]:
                live.run(HANGS[step])
    assert [one.error for one in ran if one.error] == []
    ended = [one for one in ran if "Not done after 10 s" in one.text]
    assert len(ended) >= 3
    assert all("Run the checks of" in one.text for one in ended)

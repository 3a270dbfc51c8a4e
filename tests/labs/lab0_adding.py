"""A lab of three small steps, and notebooks of it, for the tests of the judge and its companions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from midspan.grading import Lab, Transcript, steps

HINTS = ("Look at the name.", "One operator.", "Write it as 2 * x.")
lab = Lab(
    "lab0_adding",
    title="Adding",
    misconceptions={"square": "Double is twice the number, not its square.", "first": "All numbers count."},
    serves="serve",
)
check = lab.checks


@lab.step("Twice", minutes=1, lines=1, points=1, hints=HINTS, limit_s=0.5)
def double(t: Transcript, double: Callable[[int], int]) -> None:
    t.equal("double of 2", double(2), 4)
    t.equal("double of 3", double(3), 6, id="square")


@lab.step("All of them", minutes=2, lines=1, points=2, hints=HINTS, limit_s=0.5)
def total(t: Transcript, total: Callable[[list[int]], int]) -> None:
    t.equal("twice the sum of 1 and 2", total([1, 2]), 6, id="first")


@lab.step("Later", minutes=2, lines=1, points=3, hints=HINTS, limit_s=0.5)
async def later(t: Transcript, later: Callable[[int], Awaitable[int]], total: Callable[[list[int]], int]) -> None:
    t.equal("the same, awaited", await later(3), total([3]))


SETUP = "import asyncio"
SOLVED = {
    "double": "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
    "total": "def total(xs):\n    ### BEGIN SOLUTION\n    return sum(map(double, xs))\n    ### END SOLUTION",
    "later": "async def later(x):\n    ### BEGIN SOLUTION\n    await asyncio.sleep(0)\n    return total([x])\n"
    "    ### END SOLUTION\n\nasync def serve(host, port, tls):\n    ### BEGIN SOLUTION\n"
    "    async def echo(reader, writer):\n        writer.write(await reader.readline())\n        writer.close()\n"
    "    return await asyncio.start_server(echo, host, port, ssl=tls)\n    ### END SOLUTION",
}
UNSOLVED = {
    "double": "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    "total": "def total(xs):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    "later": "async def later(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
}


def code(source: str, id: str, **metadata: Any) -> dict[str, Any]:
    """A code cell."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": id,
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def exercise(step: str, source: str) -> dict[str, Any]:
    """The cell that the learner edits."""
    grades = {"grade": False, "grade_id": step, "locked": False, "schema_version": 3, "solution": True, "task": False}
    return code(source, f"{step}-exercise", nbgrader=grades)


def checking(step: str) -> dict[str, Any]:
    """The cell that checks."""
    grades = {"grade": True, "locked": True, "schema_version": 3, "solution": False, "task": False, "points": 1}
    answers = ", ".join(lab.steps[step].answers)
    return code(f"check.{step}({answers})", f"{step}-check", nbgrader={**grades, "grade_id": f"check_{step}"})


def notebook(answers: Mapping[str, str]) -> dict[str, Any]:
    """A notebook of the lab with these answers: set-up, then a demonstration, exercise and check for each step."""
    cells = [code(SETUP, "setup", tags=["setup"])]
    for step, source in answers.items():
        cells += [code(f"show('{step}')", f"{step}-shown"), exercise(step, source), checking(step)]
    return {"cells": cells, "metadata": {"midspan": {"lab": "lab0_adding"}}, "nbformat": 4, "nbformat_minor": 5}


def write(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a notebook; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def course(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `folder` a course with this one lab, solved."""
    monkeypatch.setattr(steps, "HOMES", ["tests.labs"])
    monkeypatch.setenv("MIDSPAN_COURSE", str(folder))
    write(folder / "solutions" / "lab0_adding.ipynb", notebook(SOLVED))
    return folder

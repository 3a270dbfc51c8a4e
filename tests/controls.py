"""Controls: for each conclusion of the course a world in which it is false, and in which its test must come out false.

@control(reconnects)
def a_client_that_connects_once() -> Evidence:
    return (run_chat("raw", cut=2),)

test_false_in_its_control = false_in_its_control(__name__)
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import midspan.conclusions
from midspan.conclusions.verdicts import Conclusion, Seen
from tests.loops import in_a_loop

Evidence = tuple[Any, ...]
Control = Callable[[], Evidence | Awaitable[Evidence]]

CONTROLS: list[tuple[Conclusion, Control]] = []


def control(conclusion: Conclusion) -> Callable[[Control], Control]:
    """The function below makes the evidence of a world in which this conclusion is false."""

    def register(made: Control) -> Control:
        CONTROLS.append((conclusion, made))
        return made

    return register


async def seen_in(conclusion: Conclusion, made: Control) -> Seen:
    """What the conclusion's test reads in its control."""
    evidence = made()
    return conclusion(*(await evidence if inspect.isawaitable(evidence) else evidence))


def false_in_its_control(module: str) -> Callable[..., None]:
    """The test of all controls of a test module."""
    here = [(conclusion, made) for conclusion, made in CONTROLS if made.__module__ == module]

    @pytest.mark.parametrize(("conclusion", "made"), here, ids=[made.__name__ for _, made in here])
    @in_a_loop
    async def test_false_in_its_control(conclusion: Conclusion, made: Control) -> None:
        seen = await seen_in(conclusion, made)
        assert not seen.holds, f"{conclusion.claim}, {conclusion.row} holds in its control: {seen.values}"

    test: Callable[..., None] = test_false_in_its_control
    return test


def all_conclusions() -> dict[str, Conclusion]:
    """Every conclusion of the course by its name, "two_layers.reconnects"."""
    folder = Path(midspan.conclusions.__file__).parent
    modules = [import_module(f"midspan.conclusions.{path.stem}") for path in sorted(folder.glob("*.py"))]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Conclusion)
    }

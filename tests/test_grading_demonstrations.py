"""A demonstration waits for what is to do, ends within its limit, and says in a sentence what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.grading.finished_labs import show, written
from tests.cells import defined
from tests.loops import in_a_loop

SHORT_S = 0.2
Said = Callable[[], list[str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().out.splitlines()


def stub() -> None:
    """To do."""
    raise NotImplementedError


def outer() -> object:
    """Finished, but for the function inside."""

    async def inner() -> None:
        raise NotImplementedError

    return inner


class Half:
    """One method of two."""

    def done(self) -> int:
        """Done."""
        return 1

    def to_do(self) -> None:
        """To do."""
        raise NotImplementedError


def done() -> int:
    """Done."""
    return 1


async def waits() -> None:
    await asyncio.Event().wait()


def spins() -> None:
    while True:
        pass


def test_it_waits_for_what_is_to_do(said: Said) -> None:
    assert written(done, len, Said)
    assert said() == []
    assert show(spins, done, stub, outer, Half) is None
    assert said() == ["Still to do: stub, outer, Half. Run this cell again when it is written."]


@in_a_loop
async def test_what_it_gives_is_given_also_beside_a_running_loop(said: Said) -> None:
    async def tour() -> str:
        await asyncio.sleep(0)
        print("on our way")
        return "there"

    assert (show(done, done), show(tour)) == (1, "there")
    assert said() == ["on our way"]


@pytest.mark.parametrize("endless", [waits, spins])
def test_one_that_never_ends_is_ended(endless: Callable[[], Any], said: Said) -> None:
    assert show(endless, done, limit_s=SHORT_S) is None
    assert said() == [
        "Not done after 0.2 s, so we ended it: it waits for bytes that never come, or never stops.",
        "Run the checks of done.",
    ]


def test_an_error_is_told_with_the_learners_lines_and_without_a_traceback(said: Said) -> None:
    tour = defined("def parse(data):\n    return data[9]\n\nasync def tour():\n    return parse(b'')", "tour")
    assert show(tour, done) is None
    assert said() == [
        "It ended with IndexError: index out of range",
        "  your code, tour(), line 5: return parse(b'')",
        "  your code, parse(), line 2: return data[9]",
        "Run the checks of done.",
    ]


def test_an_error_in_a_task_behind_it_is_told_too(said: Said) -> None:
    source = "import asyncio\nasync def tour():\n    asyncio.create_task(handler())\n    await asyncio.Event().wait()\n"
    assert show(defined(source + "async def handler():\n    return {}['name']", "tour"), limit_s=SHORT_S) is None
    assert said()[1:] == [
        "In the background your code raised KeyError: 'name'; your code, handler(), line 6: return {}['name']",
        "Run the checks of the steps above.",
    ]


def test_one_that_is_no_function_is_refused() -> None:
    with pytest.raises(Refusal, match=r"Expected a function, but got <coroutine .*Name it without calling it"):
        show(waits())  # type: ignore[arg-type]

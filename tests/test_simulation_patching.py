"""One patch for all threads: it is there while any block is open, and each thread sees its own value."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from midspan.simulation.patching import Patch

module: Any = ModuleType("module")
module.answer = lambda: "the original"


def replacements() -> Iterator[tuple[Any, str, Any]]:
    original = module.answer
    yield module, "answer", lambda: patch.here or original()


patch: Patch[str] = Patch(replacements)


def test_a_block_within_a_block_gives_way_to_it() -> None:
    original = module.answer
    with patch.block("outer"):
        with patch.block("inner"):
            assert module.answer() == "inner"
        assert module.answer() == "outer"
        assert patch.original(module, "answer") is original
    assert module.answer is original
    assert patch.here is None


def test_each_thread_sees_its_own_block_and_the_last_one_takes_the_patch_away() -> None:
    original, seen = module.answer, []
    inside, leave = threading.Event(), threading.Event()

    def beside() -> None:
        seen.append(module.answer())
        with patch.block("beside"):
            inside.set()
            leave.wait(10)
            seen.append(module.answer())

    thread = threading.Thread(target=beside)
    with patch.block("here"):
        thread.start()
        inside.wait(10)
        assert module.answer() == "here"
    assert module.answer is not original
    assert module.answer() == "the original"
    leave.set()
    thread.join()
    assert seen == ["the original", "beside"]
    assert module.answer is original

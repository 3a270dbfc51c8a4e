"""Tests side by side: many share the room, one that is alone has it to itself, and nobody passes who waits."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.turns import is_alone, turn

fcntl = pytest.importorskip("fcntl", reason="no locks on files here: the tests run in one process")


def free(path: Path, kind: int) -> bool:
    """Whether the lock of that kind is to be had at once."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("alone", [False, True])
def test_the_room_is_shared_by_those_who_do_not_mind_and_by_nobody_else(alone: bool, tmp_path: Path) -> None:
    room, listener = tmp_path / "room.lock", tmp_path / "door.lock"
    with turn(tmp_path, alone=alone):
        assert free(room, fcntl.LOCK_SH) is not alone
        assert not free(room, fcntl.LOCK_EX)
        assert free(listener, fcntl.LOCK_EX)
    assert free(room, fcntl.LOCK_EX)


def test_who_waits_for_an_empty_room_keeps_the_others_at_the_door(tmp_path: Path) -> None:
    came: list[str] = []

    def come(name: str, alone: bool) -> None:
        with turn(tmp_path, alone=alone):
            came.append(name)

    with turn(tmp_path, alone=False):
        first = threading.Thread(target=come, args=("alone", True))
        first.start()
        while free(tmp_path / "door.lock", fcntl.LOCK_EX):  # until it waits
            pass
        second = threading.Thread(target=come, args=("shared", False))
        second.start()
        assert came == []
    for thread in (first, second):
        thread.join()
    assert came == ["alone", "shared"]


def test_an_error_gives_the_room_back(tmp_path: Path) -> None:
    with pytest.raises(LookupError), turn(tmp_path, alone=True):
        raise LookupError
    assert free(tmp_path / "room.lock", fcntl.LOCK_EX)


def test_of_those_with_one_word_the_first_is_alone() -> None:
    """Without a word each is; without a mark, none."""
    made: set[str] = set()
    marks = [None, (), ("course",), ("course",), (), ("another",), None]
    assert [is_alone(words, made) for words in marks] == [False, True, True, False, True, True, False]

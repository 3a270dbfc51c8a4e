"""What this learner has done: steps, hints and predictions in one file, and the course's folder that holds it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# What the learner has done: steps passed, hints seen, predictions. One JSON file in the course's folder, sent
# nowhere.
#
# Several kernels may write at once, so each change reads, alters and writes the file while it holds a lock file's
# lock, and the file is replaced as a whole. Progress is a convenience: when it cannot be read or written we say so
# and go on.


Data = dict[str, Any]
PARTS = ("passed", "lapsed", "hints", "predictions")
_told: set[str] = set()  # each complaint once a kernel


def path() -> Path:
    """The file; `$MIDSPAN_HOME` overrides its folder."""
    return home() / "progress.json"


def read_progress() -> Data:
    """What is remembered, each part empty when new.

    `{"passed": {lab: [step, ...]}, "lapsed": {lab: {step: verdict}}, "hints": {lab: {step: level}},
    "predictions": {id: {...}}}`
    """
    try:
        data = json.loads(path().read_text("utf-8"))
        if not isinstance(data, dict) or not all(isinstance(data.get(part, {}), dict) for part in PARTS):
            raise ValueError("not a progress file")
    except FileNotFoundError:
        data = {}
    except (OSError, ValueError, RecursionError):
        _tell(f"{path().name} cannot be read, so we begin a new one; the old one is kept as {_spoilt().name}.")
        data = {}
    return {part: data.get(part, {}) for part in PARTS}


def passed(lab: str, step: str) -> None:
    """Remember that a step has passed."""

    def note(data: Data) -> None:
        data["passed"][lab] = sorted({*_sequence(data["passed"].get(lab)), step})
        _put(data, lab, {name: verdict for name, verdict in _lapsed(data, lab).items() if name != step})

    _change(note)


def failed(lab: str, step: str, verdict: str) -> None:
    """Remember that a step which once passed did not at its last check; of any other nothing is remembered."""

    def note(data: Data) -> None:
        passing, lapsed = _sequence(data["passed"].get(lab)), _lapsed(data, lab)
        if step in passing or step in lapsed:
            data["passed"][lab] = [name for name in passing if name != step]
            _put(data, lab, {**lapsed, step: verdict})

    if step in standing(lab):
        _change(note)


def steps_passed(lab: str) -> tuple[str, ...]:
    """Steps of a lab that passed at their last check."""
    return tuple(_sequence(read_progress()["passed"].get(lab)))


def standing(lab: str) -> dict[str, str]:
    """Step -> the verdict of its last check, for the steps of a lab that have passed at least once."""
    data = read_progress()
    return {**_lapsed(data, lab), **dict.fromkeys(_sequence(data["passed"].get(lab)), "passed")}


def hints_seen(lab: str, step: str) -> int:
    """The highest level of hint seen, 0 for none."""
    return _level(_mapping(read_progress()["hints"].get(lab)).get(step))


def hint_seen(lab: str, step: str, level: int) -> None:
    """Remember that a hint has been shown."""

    def note(data: Data) -> None:
        seen = _mapping(data["hints"].get(lab))
        data["hints"][lab] = {**seen, step: max(level, _level(seen.get(step)))}

    _change(note)


def prediction(id: str) -> Data:
    """What is remembered of a prediction: {"mine": option} and, once scored, {"answer": option}."""
    return _mapping(read_progress()["predictions"].get(id))


def predicted(id: str, **facts: str) -> None:
    """Remember facts on a prediction beside those already known."""

    def note(data: Data) -> None:
        data["predictions"][id] = {**_mapping(data["predictions"].get(id)), **facts}

    _change(note)


def _change(note: Callable[[Data], None]) -> None:
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        with _locked(path().with_suffix(".lock")):
            data = read_progress()
            before = json.dumps(data)
            note(data)
            if json.dumps(data) != before or not path().exists():
                _replace(json.dumps(data, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        _tell(f"Progress is not remembered: {error.strerror or error} ({path().parent.name}). All else works.")


def _replace(text: str) -> None:
    """Write the file as a whole, so that a reader sees the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path().parent, prefix=".progress-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the file's lock, which the system frees when a kernel dies."""
    with file.open("a+b") as lock:
        try:
            import fcntl
        except ImportError:  # Windows has its own way; ten tries of a second are built into it
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lapsed(data: Data, lab: str) -> dict[str, str]:
    return {step: word for step, word in _mapping(data["lapsed"].get(lab)).items() if isinstance(word, str)}


def _put(data: Data, lab: str, lapsed: dict[str, str]) -> None:
    """Note the lapsed steps of a lab; a lab without any is not there."""
    data["lapsed"].pop(lab, None)
    if lapsed:
        data["lapsed"][lab] = lapsed


def _spoilt() -> Path:
    """Move a file that cannot be read out of the way, and say where to."""
    kept = path().with_suffix(".spoilt.json")
    with contextlib.suppress(OSError):
        path().replace(kept)
    return kept


def _tell(sentence: str) -> None:
    if sentence not in _told:
        _told.add(sentence)
        print(sentence)


def _level(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _mapping(value: Any) -> Data:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


# Where the course lies: its folder, and in it the folder for what is remembered.


MARKS = ("labs", "solutions")  # the two folders that make a folder the course's
PACKAGE = Path(__file__).resolve().parents[1]


def course(near: Path | None = None) -> Path:
    """`$MIDSPAN_COURSE`, else the nearest folder that holds labs/ and solutions/, else the current folder.

    Nearest: upwards from the current folder, then from `near` (a notebook's path), then from the package (a clone).
    """
    given = os.environ.get("MIDSPAN_COURSE")
    if given:
        return Path(given).expanduser()
    starts = [Path.cwd() / "here", *([near.resolve()] if near else []), PACKAGE]
    folders = [folder for start in starts for folder in start.parents]
    return next((f for f in folders if all((f / mark).is_dir() for mark in MARKS)), Path.cwd())


def home() -> Path:
    """The folder for progress: `$MIDSPAN_HOME`, else .midspan in the course's folder. Not made by asking."""
    given = os.environ.get("MIDSPAN_HOME")
    return Path(given).expanduser() if given else course() / ".midspan"

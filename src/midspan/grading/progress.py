"""The learner's progress (steps, hints and predictions) in one file, and the course's folder that contains it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# One JSON file in the course's folder; it is never sent anywhere.
#
# Several kernels may write at once. So each change takes the lock of a lock file, then reads, changes and replaces the
# whole file. Progress is a convenience: when it cannot be read or written, we print a sentence and continue.


Data = dict[str, Any]
PARTS = ("passed", "lapsed", "hints", "predictions", "minutes")
AGREED = "agreed"  # the key in "minutes" that says that the learner agreed
_told: set[str] = set()  # print each sentence once in a kernel


def path() -> Path:
    """Return the file's path; `$MIDSPAN_HOME` overrides its folder."""
    return home() / "progress.json"


def read_progress() -> Data:
    """Read the progress; each part is empty at first.

    `{"passed": {lab: [step, ...]}, "lapsed": {lab: {step: verdict}}, "hints": {lab: {step: level}},
    "predictions": {id: {...}}, "minutes": {lab: {step: minutes}}}`; `minutes` is empty unless the learner agreed.
    """
    try:
        data = json.loads(path().read_text("utf-8"))
        if not isinstance(data, dict) or not all(isinstance(data.get(part, {}), dict) for part in PARTS):
            raise ValueError("not a progress file")
    except FileNotFoundError:
        data = {}
    except (OSError, ValueError, RecursionError):
        _print_once(f"{path().name} cannot be read, so we begin a new one; the old one is kept as {_set_aside().name}.")
        data = {}
    return {part: data.get(part, {}) for part in PARTS}


def passed(lab: str, step: str) -> None:
    """Store that a step has passed."""

    def note(data: Data) -> None:
        data["passed"][lab] = sorted({*_sequence(data["passed"].get(lab)), step})
        _put(data, lab, {name: verdict for name, verdict in _lapsed(data, lab).items() if name != step})

    _change(note)


def failed(lab: str, step: str, verdict: str) -> None:
    """Store the verdict of a step that passed before and failed at its last check; for any other step store nothing."""

    def note(data: Data) -> None:
        passing, lapsed = _sequence(data["passed"].get(lab)), _lapsed(data, lab)
        if step in passing or step in lapsed:
            data["passed"][lab] = [name for name in passing if name != step]
            _put(data, lab, {**lapsed, step: verdict})

    last = standing(lab).get(step)
    if last == "borrowed":
        _change(lambda data: _put(data, lab, {k: v for k, v in _lapsed(data, lab).items() if k != step}))
    elif last is not None:
        _change(note)


def borrowed(lab: str, step: str) -> None:
    """Store that the reference's part stands in for a step."""

    def note(data: Data) -> None:
        data["passed"][lab] = [name for name in _sequence(data["passed"].get(lab)) if name != step]
        _put(data, lab, {**_lapsed(data, lab), step: "borrowed"})

    _change(note)


def standing(lab: str) -> dict[str, str]:
    """Return step -> the verdict of its last check, for the steps of a lab that have passed once or are borrowed."""
    data = read_progress()
    return {**_lapsed(data, lab), **dict.fromkeys(_sequence(data["passed"].get(lab)), "passed")}


def hints_seen(lab: str, step: str) -> int:
    """Return the highest level of hint that was shown; 0 for none."""
    return _level(_mapping(read_progress()["hints"].get(lab)).get(step))


def hint_seen(lab: str, step: str, level: int) -> None:
    """Store that a hint was shown."""

    def note(data: Data) -> None:
        seen = _mapping(data["hints"].get(lab))
        data["hints"][lab] = {**seen, step: max(level, _level(seen.get(step)))}

    _change(note)


def prediction(id: str) -> Data:
    """Return the stored facts of a prediction: {"mine": option} and, after its score, {"answer": option}."""
    return _mapping(read_progress()["predictions"].get(id))


def predicted(id: str, **facts: str) -> None:
    """Store more facts of a prediction."""

    def note(data: Data) -> None:
        data["predictions"][id] = {**_mapping(data["predictions"].get(id)), **facts}

    _change(note)


def keep_minutes(keep: bool) -> None:
    """Store whether the learner agrees that minutes are kept; without agreement, remove those that are there."""

    def note(data: Data) -> None:
        data["minutes"] = {AGREED: {}, **data["minutes"]} if keep else {}

    _change(note)


def took(lab: str, step: str, minutes: float) -> None:
    """Store the minutes of a step, the first time, if the learner agreed."""

    def note(data: Data) -> None:
        data["minutes"][lab] = {step: round(minutes, 1), **_mapping(data["minutes"].get(lab))}

    kept, known = minutes_kept()
    if kept and step not in known.get(lab, {}):
        _change(note)


def minutes_kept() -> tuple[bool, dict[str, dict[str, float]]]:
    """Return whether minutes are kept, and lab -> step -> minutes."""
    data = read_progress()["minutes"]
    labs = {lab: _mapping(steps) for lab, steps in data.items() if lab != AGREED}
    return AGREED in data, {lab: {k: v for k, v in m.items() if isinstance(v, int | float)} for lab, m in labs.items()}


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
        _print_once(f"Progress is not remembered: {error.strerror or error} ({path().parent.name}). All else works.")


def _replace(text: str) -> None:
    """Replace the whole file at once, so that a reader sees the old text or the new text."""
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
    """Hold the file's lock; the system releases it when a kernel dies."""
    with file.open("a+b") as lock:
        try:
            import fcntl
        except ImportError:  # Windows has another call, which tries ten times, once a second
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lapsed(data: Data, lab: str) -> dict[str, str]:
    return {step: word for step, word in _mapping(data["lapsed"].get(lab)).items() if isinstance(word, str)}


def _put(data: Data, lab: str, lapsed: dict[str, str]) -> None:
    """Store the lapsed steps of a lab; remove a lab that has none."""
    data["lapsed"].pop(lab, None)
    if lapsed:
        data["lapsed"][lab] = lapsed


def _set_aside() -> Path:
    """Rename a file that cannot be read; return its new path."""
    kept = path().with_suffix(".spoilt.json")
    with contextlib.suppress(OSError):
        path().replace(kept)
    return kept


def _print_once(sentence: str) -> None:
    if sentence not in _told:
        _told.add(sentence)
        print(sentence)


def _level(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _mapping(value: Any) -> Data:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


# The course's folder, and in it the folder for the progress.


MARKS = ("labs", "solutions")  # a folder with these two folders in it is the course's folder
PACKAGE = Path(__file__).resolve().parents[1]


def course(near: Path | None = None) -> Path:
    """Return `$MIDSPAN_COURSE`, else the nearest folder that contains labs/ and solutions/, else the current folder.

    Search upwards from the current folder, then from `near` (a notebook's path), then from the package (a clone).
    """
    given = os.environ.get("MIDSPAN_COURSE")
    if given:
        return Path(given).expanduser()
    starts = [Path.cwd() / "here", *([near.resolve()] if near else []), PACKAGE]
    folders = [folder for start in starts for folder in start.parents]
    return next((f for f in folders if all((f / mark).is_dir() for mark in MARKS)), Path.cwd())


def home() -> Path:
    """Return the folder for progress: `$MIDSPAN_HOME`, else .midspan in the course's folder. Does not create it."""
    given = os.environ.get("MIDSPAN_HOME")
    return Path(given).expanduser() if given else course() / ".midspan"

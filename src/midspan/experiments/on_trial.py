"""The implementations under test with their versions, and the recorded column of the JavaScript implementation."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from midspan.errors import checked, need
from midspan.experiments.guarantee_matrix import TRIALS, Play, Trial, moments
from midspan.implementations import in_python
from midspan.implementations.in_memory_adapter import patched_clock_and_random
from midspan.implementations.javascript_clients import javascript, node
from midspan.simulation.end import Limits
from midspan.simulation.faults import Trigger
from midspan.simulation.history import Bounds, History, HistoryRecord
from midspan.simulation.implementation import Implementation
from midspan.simulation.run import Watch, play
from midspan.simulation.schedule import Schedule
from midspan.simulation.tls.run import play_real, shared_authority

# The implementations under test, each as short as the code in an application.
#
# All do the same: what a client sends goes to the server's log and to every client. The guarantee matrix measures what
# happens when the link fails.


__all__ = ["CONTENDERS", "Candidate", "named"]


# An implementation without promises must still be usable: within a minute it notices a dead connection, and all
# messages are delivered again. Both libraries' timers fit: 20 + 20 s (+ 10 s to close), and 25 + 20 s.
WITHIN_A_MINUTE = Bounds(detection_s=60.0, recovery_s=60.0, attempts_per_s=5)
KEEPALIVE = Limits(ping_interval=20.0)  # as `websockets` has it by default
AIOHTTP = Limits(open_timeout=30.0, close_timeout=5.0)  # its sock_connect; Engine.IO's request_timeout; no pings


@dataclass(frozen=True)
class Candidate:
    """One implementation, as a column of the matrix.

    Args:
        name: a column of the matrix.
        made_of: its libraries, with versions.
        implementation: its server and clients.
    """

    name: str
    made_of: str
    implementation: Implementation

    def __str__(self) -> str:
        return f"{self.name}: {self.made_of}"

    def runs(self, trial: Trial, play: Play = play) -> Iterator[tuple[Schedule, History]]:
        """Yield schedule and history of a fault at each of its moments, on the simulated link or on another."""
        for trigger in moments(self.implementation, play):
            schedule = trial.at(trigger)
            yield schedule, play(self.implementation, schedule)


def _implementation(server: Callable[..., object], client: Callable[..., object], limits: Limits) -> Implementation:
    return Implementation(server, client, WITHIN_A_MINUTE, limits, patched_clock_and_random, patience=1.1)  # type: ignore[arg-type]


WEBSOCKETS, SOCKETIO = (f"{name} {version(name)}" for name in ("websockets", "python-socketio"))

CONTENDERS = (
    Candidate(
        "raw",
        f"{WEBSOCKETS}, no keepalive, one connection",
        _implementation(in_python.RoomServer, in_python.OnceClient, Limits()),
    ),
    Candidate(
        "websockets",
        f"{WEBSOCKETS}, its keepalive and its reconnecting client",
        _implementation(in_python.GuardedServer, in_python.ReconnectingClient, KEEPALIVE),
    ),
    Candidate(
        "python-socketio",
        f"{SOCKETIO} as it comes",
        _implementation(in_python.EventServer, in_python.EventClient, AIOHTTP),
    ),
    Candidate(
        "recipe",
        f'{SOCKETIO} with the "exactly once" recipe',
        _implementation(in_python.RecipeServer, in_python.RecipeClient, AIOHTTP),
    ),
)


@checked
def named(name: str) -> Candidate:
    """Return one of `CONTENDERS` by its name. Raises `Refusal` for another name."""
    known = {contender.name: contender for contender in CONTENDERS}
    need(name in known, f"one of {', '.join(known)}", name, "Correct the name")
    return known[name]


# The JavaScript column of the guarantee matrix: histories that were recorded on a machine with Node and its packages.
#
#     python -m midspan.experiments.on_trial          records them again (minutes; needs `make node`)
#
# Only the histories are stored. The verdicts come from the same predicates as for all others, on each run.


FILE = Path(__file__).with_name("javascript.json")
SPEED = 10.0  # of timers; a message takes Node a millisecond, which then counts as 0.01 s
OPENING_S = 20.0  # before a client sends: two real seconds, enough for Node on a busy machine
WHEN = {("up", "during"), ("up", "after"), ("down", "during")}  # fewer moments: a run takes seconds
GREETING = {"up": 1, "down": 2}  # messages: CONNECT; Engine.IO's OPEN and the answer to CONNECT


@dataclass(frozen=True)
class Recorded:
    """A column that was recorded elsewhere."""

    file: Path = FILE
    implementation: None = None
    name: str = "socket.io (JS)"

    def __str__(self) -> str:
        return f"{self.name}: {self.made_of}"

    @cached_property
    def made(self) -> dict[str, Any]:
        """The content of the file: versions, date, speed, runs."""
        made: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        return made

    @property
    def made_of(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.made["versions"].items())
        return f"{versions}, with state recovery and retries; recorded {self.made['date']}"

    def runs(self, trial: Trial, _play: Play | None = None) -> Iterator[tuple[Schedule, History]]:
        """Yield schedule and history of a fault at each of its moments, from the recording."""
        for run in self.made["runs"][trial.name]:
            records = tuple(HistoryRecord(*record) for record in run["records"])
            yield trial.at(Trigger(*run["at"]), OPENING_S), History(records, WITHIN_A_MINUTE)


def play_in_node(
    trial: Trial, chosen: tuple[Trigger, ...] | None = None, speed: float = SPEED, opening_s: float = OPENING_S
) -> dict[str, Any]:
    """Play one fault in Node now; return the versions, and the records of each moment.

    Args:
        trial: the fault.
        chosen: the moments to play; None for all.
        speed: how many times as fast as the real clock Node's timers run.
        opening_s: seconds before a client sends.

    Raises:
        Refusal: Node or its packages are not installed.
    """
    with node(speed) as process:
        implementation = javascript(process, shared_authority(), WITHIN_A_MINUTE)
        play: Play = partial(_play_at, speed)
        if chosen is None:
            found = moments(
                implementation, play, OPENING_S
            )  # on a busy machine a greeting may be late; its number identifies it
            chosen = tuple(at for at in found if (at.way, at.when) in WHEN and at.n > GREETING[at.way])
        histories = ((at, play(implementation, trial.at(at, opening_s))) for at in chosen)
        runs = [
            {"at": _flat(at), "records": _flat_records(history)}
            for at, history in histories
            if history.of("fault")  # else its moment did not come, since fewer messages crossed
        ]
        return {"versions": process.versions, "runs": runs}


def _play_at(speed: float, implementation: Any, schedule: Schedule, watch: Watch | None = None, /) -> History:
    return play_real(implementation, schedule, watch, speed=speed)


def _flat(at: Trigger) -> list[Any]:
    return [at.link, at.way, at.n, at.when]


def _flat_records(history: History) -> list[list[Any]]:
    """Return the records as short lists, with times in milliseconds, and without empty values at the end."""
    made = []
    for record in history:
        flat = [round(record.at_s, 3), *record[1:]]
        while not flat[-1]:
            flat.pop()
        made.append(flat)
    return made


def record_javascript(file: Path = FILE) -> None:
    """Play every fault at every moment in Node, some faults at a time, and store the histories."""
    with ProcessPoolExecutor(4) as pool:
        made = list(pool.map(_play_named, [trial.name for trial in TRIALS]))
    head = {"versions": made[0]["versions"], "date": datetime.date.today().isoformat(), "speed": SPEED}
    lines = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    columns = []
    for trial, column in zip(TRIALS, made, strict=True):
        runs = ",\n".join(json.dumps(run, separators=(",", ":")) for run in column["runs"])
        columns.append(f'"{trial.name}": [\n{runs}\n]')
    file.write_text("{" + ",\n".join([*lines, '"runs": {\n' + ",\n".join(columns) + "\n}"]) + "}\n", "utf-8")


def _play_named(name: str) -> dict[str, Any]:
    return play_in_node(next(trial for trial in TRIALS if trial.name == name))


if __name__ == "__main__":
    record_javascript()
    print(f"Written again: {FILE.name}. {Recorded().made_of}")

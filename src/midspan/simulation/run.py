"""One run: a server and its clients run one schedule. The result is a history."""

from __future__ import annotations

import asyncio
import math
import threading
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, ParamSpec, TypeVar

from midspan.errors import checked, need
from midspan.simulation.end import LinkEnd
from midspan.simulation.faults import (
    OUTAGES,
    ClientRestart,
    Cut,
    Delay,
    HalfOpen,
    Revoke,
    ServerRestart,
    Silence,
    TimedFault,
    lasts_s,
)
from midspan.simulation.forbidden_io import SimulationError
from midspan.simulation.history import History, Recorder
from midspan.simulation.implementation import Implementation
from midspan.simulation.link import Network, Trace
from midspan.simulation.loop import LIMIT_S, RunLoop, VirtualLoop
from midspan.simulation.process import Processes
from midspan.simulation.schedule import Crossing, Say, Schedule

_UNWANTED: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
T = TypeVar("T")
P = ParamSpec("P")


@checked
def run_in_virtual_time(main: Coroutine[Any, Any, T], limit_s: float = LIMIT_S) -> T:
    """Run one coroutine to its end in virtual time, on this thread. No task of it is left."""
    loop = VirtualLoop(limit_s)
    try:
        return loop.run_until_complete(main)
    finally:
        main.close()
        loop.clear()


def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread beside the caller's loop, and wait for it.

    A notebook's cell runs on the kernel's loop, and a thread can have only one running loop. So a run needs another
    thread. Raises what `function` raises.
    """
    need(callable(function), "a function", function, "Pass it by its name, then its arguments")
    results: list[T] = []
    raised: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, name="midspan-sim", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)  # in short waits, so that Stop (KeyboardInterrupt) reaches the cell
    finally:
        _UNWANTED.add(thread)  # if it still runs, its result is no longer wanted
    if raised:
        raise raised[0]
    return results[0]


def wanted() -> bool:
    """Whether the caller still waits for the result of this thread. A long search asks regularly, and ends if not."""
    return threading.current_thread() not in _UNWANTED


SETTLE_S = 1.0  # how long a run goes on after all is delivered: long enough to see a late duplicate


@dataclass(slots=True)
class Watch:
    """What to observe of a run besides its history.

    Args:
        trace: called for each message that leaves or arrives, with: time (s), number of records in the history so far,
            link, way, number of the message, data, "left" or "arrived".
        crossings: a list to fill with each message that leaves: (link, way, number).
    """

    trace: Trace | None = None
    crossings: list[Crossing] | None = None


class ScheduleRun:
    """The parts of one run, connected. The future `ended` is done when the run has ended.

    Args:
        network: makes the links: simulated ones, or real ones.
    """

    make_processes: ClassVar[type[Processes]] = Processes
    make_recorder: ClassVar[type[Recorder]] = Recorder

    def __init__(
        self,
        loop: RunLoop,
        implementation: Implementation,
        schedule: Schedule,
        watch: Watch,
        network: Callable[..., Network] = Network,
    ) -> None:
        self.loop = loop
        self.ended: asyncio.Future[None] = loop.create_future()
        self.recorder = self.make_recorder(loop.time)
        self.recorder.on_progress = self._progress
        self.network = network(
            loop, self.recorder, schedule.latency_s, schedule.faults, self.fire, implementation.limits
        )
        self.network.on_open = self._progress
        self.network.trace, self.network.crossings = watch.trace, watch.crossings
        self.processes = self.make_processes(loop, implementation, schedule, self.recorder, self.network)
        self._patience_s = implementation.patience * implementation.bounds.recovery_s
        self.disturbed = 0  # how many faults last now
        self._settling = False
        self._begin(schedule)

    def _begin(self, schedule: Schedule) -> None:
        self.processes.start_server()
        for join in schedule.joins:
            self.loop.call_at(join.at_s, self.processes.start_client, self.processes.actors[join.who])
        for say in schedule.says:
            self.loop.call_at(say.at_s, self._say, say)
        self._extend_deadline()
        self.loop.call_at(self._give_up_s, self._give_up)

    def _say(self, say: Say) -> None:
        self._extend_deadline()
        self.processes.say(say)

    # faults

    def fire(self, fault: TimedFault, end: LinkEnd) -> None:
        """Note a fault and make it happen on the connection of this end. (The link itself does `Refuse`.)"""
        self.recorder.note(fault.at.link, "fault", detail=str(fault), value=lasts_s(fault))
        self._extend_deadline()
        self.happens(fault, end)

    def happens(self, fault: TimedFault, end: LinkEnd) -> None:
        """Do what this fault does."""
        match fault:
            case Cut():
                end.link.cut(end)
            case HalfOpen():
                end.link.forget([end, end.peer], math.inf)
            case Delay():
                end.into.delay(fault.by_s)
            case Silence():
                end.link.go_silent(self.loop.now_s + fault.for_s)
                self.until(fault.for_s, lambda: self.recorder.note(fault.at.link, "healed"))
            case Revoke():
                self._revoke(fault.at.link)
            case ServerRestart():
                self._restart_server(fault)
            case ClientRestart():
                self._restart_client(fault)

    def _revoke(self, who: str) -> None:
        self.processes.revoked.add(who)
        self.recorder.note(who, "revoked")
        self.network.link(who).cut_all()

    def _restart_server(self, fault: ServerRestart) -> None:
        if self.network.up:  # else it is down already
            self.processes.kill_server(fault.keeps_log)
            self.until(fault.down_s, self.processes.restart_server)

    def _restart_client(self, fault: ClientRestart) -> None:
        actor = self.processes.actors[fault.at.link]
        if actor.client is not None:
            self.processes.kill_client(actor)
            self.until(fault.down_s, lambda: self.processes.restart_client(actor))

    def until(self, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` after so many seconds. Until then the run counts as disturbed, and does not end."""
        self.disturbed += 1

        def over() -> None:
            self.disturbed -= 1
            then()
            self._extend_deadline()
            self._progress()

        self.loop.call_later(seconds, over)

    # the end

    def _progress(self) -> None:
        """A connection opened, or a message was delivered or acknowledged: end the run soon if it is complete now."""
        if not self._settling and self._complete():
            self._settling = True
            self.loop.call_later(SETTLE_S, self._settled)

    def _settled(self) -> None:
        self._settling = False
        if self._complete():
            self._end()

    def _complete(self) -> bool:
        processes, recorder = self.processes, self.recorder
        if processes.says_left or self.disturbed or not processes.revoked.issuperset(recorder.unacknowledged.values()):
            return False
        here = processes.actors.keys() - processes.revoked if processes.revoked else processes.actors
        if not all(self.network.link(who).connected for who in here):
            return False
        views = [recorder.views.get(who) or [] for who in here]
        logs = [recorder.log_of(who) for who in here]
        return list(map(len, views)) == list(map(len, logs)) and views == logs

    def _extend_deadline(self) -> None:
        self._give_up_s = self.loop.now_s + self._patience_s

    def _give_up(self) -> None:
        if self.disturbed:
            self._extend_deadline()
        if self.loop.now_s < self._give_up_s:
            self.loop.call_at(self._give_up_s, self._give_up)
        else:
            self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def drop_references(self) -> None:
        """Remove the references between the parts of the run, so that its memory is free at once."""
        self.network.drop_references()
        self.processes.drop_references()
        del self.recorder.on_progress, self.recorder.on_durable


Player = Callable[[Implementation, Schedule, Watch | None], History]  # `play`, or one like it for a real link

STEPS, STEPS_A_MESSAGE = 20_000, 1_000  # limits of one run: a hundred times what the reference session needs


@checked
def play(implementation: Implementation, schedule: Schedule, watch: Watch | None = None) -> History:
    """Run one schedule to its end in virtual time, on this thread.

    The run ends when every message is acknowledged and every client has what the log has, and this stays so for
    `SETTLE_S`. Otherwise it ends `implementation.patience * bounds.recovery_s` after the last fault or message.

    Raises:
        WallClock: the code cannot be simulated.
    """
    need_no_nodes(schedule)
    with implementation.around(schedule.seed):
        return _play(implementation, schedule, watch or Watch())


def need_no_nodes(schedule: Schedule) -> None:
    """Refuse a schedule with faults of nodes or of their broker: here is only one server."""
    for fault in schedule.faults:
        need(not isinstance(fault, OUTAGES), "a fault of one server and its clients", fault, "Play it on nodes")


def _play(implementation: Implementation, schedule: Schedule, watch: Watch) -> History:
    loop = VirtualLoop(limit_steps=STEPS + STEPS_A_MESSAGE * len(schedule.says))
    try:
        schedule_run = ScheduleRun(loop, implementation, schedule, watch)
        history = to_the_end(schedule_run)
    finally:
        loop.clear()
    schedule_run.drop_references()
    if loop.refused is not None:
        raise loop.refused
    return history


def to_the_end(schedule_run: ScheduleRun) -> History:
    """Run until the run has ended or cannot go on. Returns its history."""
    try:
        schedule_run.loop.run_until_complete(schedule_run.ended)
    except SimulationError as error:
        schedule_run.recorder.note("run", "crashed", detail=f"{type(error).__name__}: {error}")
    schedule_run.processes.record_the_end()
    return schedule_run.recorder.history(schedule_run.processes.implementation.bounds)

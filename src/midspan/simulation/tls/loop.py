"""An event loop on real sockets whose clock jumps, and the listening socket of a run.

Heartbeats, timeouts and backoff take seconds; on loopback nothing else does. So the clock of this loop is a number. It
does not move while there is something to do, and jumps to the next timer when every task waits. Sockets and TLS are
real, and all of them belong to this loop. So when the loop has nothing to do, no bytes are on their way. Three rules
make this true.

1. Before the clock moves, the loop waits `QUIET_S` of real time, and then for a byte that it sends to itself. What the
   kernel delivers meanwhile belongs to the present moment. (On Linux a byte written to a loopback socket can be read
   when the write returns. On a busy machine it is queued for a while, and the loop's own byte is queued behind it.)
2. Computing takes no time of the run: on a busy machine a run takes longer in real time only.
3. Timers of the same moment run in the order in which they were set, as in virtual time.

Threads and other processes use the real clock. A run that needs them is given a `speed` and waits for them, or it asks
them whether they are done (`wait_for_others`).
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import selectors
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVarTuple

from midspan.net.servers import HOST
from midspan.net.tcp import reset
from midspan.simulation.forbidden_io import Deadlock, OutOfTime
from midspan.simulation.loop import RunLoop

QUIET_S = 50e-6  # real seconds
LIMIT_S = 3600.0  # of a run, by its own clock
LIMIT_TURNS = 200_000  # limit of turns of the loop; the longest runs of the reference session take some thousands
TIE_S = 1e-12  # added for each earlier timer, because asyncio's heap does not keep the order of equal times
STUCK_S = 5.0  # real seconds without timer and event, then the run counts as a deadlock

Ts = TypeVarTuple("Ts")


class VirtualTimeSelectorLoop(RunLoop, asyncio.SelectorEventLoop):
    """A selector loop whose clock jumps.

    Args:
        speed: seconds of the run for each real second of waiting. With the default the loop never waits.

    Attributes:
        wait_for_others: called when nothing is ready, before the clock moves. By default it waits `QUIET_S`. If
            another process belongs to the run, it must return when that process has answered all that it received.
    """

    def __init__(self, speed: float = math.inf) -> None:
        self._quiet: list[Callable[[], object]] = []
        self.wait_for_others: Callable[[], object] = _wait_quiet
        self._timers_set = 0
        self._watched = _Selector(self, speed)
        super().__init__(self._watched)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        self._timers_set += 1
        return super().call_at(when + self._timers_set * TIE_S, callback, *args, context=context)

    def when_quiet(self, callback: Callable[[], object]) -> None:
        """Call this when all that can happen at this moment has happened, before the clock moves."""
        self._quiet.append(callback)

    def take_quiet(self) -> bool:
        """Schedule the callbacks of `when_quiet`. Returns whether there are any."""
        callbacks, self._quiet = self._quiet, []
        for callback in callbacks:
            self.call_soon(callback)
        return bool(callbacks)

    @property
    def watches(self) -> int:
        """How many sockets this loop watches, without the one that wakes it."""
        return len(self._watched.get_map()) - 1


def _wait_quiet() -> None:
    time.sleep(QUIET_S)  # select(QUIET_S) would round up to a millisecond


class _Echo:
    """A TCP connection to this process. A byte on it arrives after all bytes that were sent on loopback earlier."""

    def __init__(self) -> None:
        with socket.create_server((HOST, 0)) as listener:
            self._near = socket.create_connection(listener.getsockname())
            self._far, _ = listener.accept()
        self._near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait(self) -> None:
        """Return when all bytes that were sent earlier have arrived."""
        self._near.sendall(b".")
        self._far.recv(1)

    def close(self) -> None:
        for end in (self._near, self._far):
            reset(end)


class _Selector(selectors.BaseSelector):
    """The selector of the platform. `select` moves the clock of the loop in place of waiting."""

    def __init__(self, loop: VirtualTimeSelectorLoop, speed: float) -> None:
        self._loop, self._speed = loop, speed
        self._inner = selectors.DefaultSelector()
        self._echo = _Echo()
        self._turns_left = LIMIT_TURNS

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The sockets that are ready. `timeout`: seconds until the next timer; 0 if a callback is ready."""
        self._turns_left -= 1
        if not self._turns_left:
            raise OutOfTime(f"{LIMIT_TURNS} turns of the loop, and the clock stands at {self._loop.now_s:.3f} s.")
        events = self._inner.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        self._loop.wait_for_others()
        self._echo.wait()
        events = self._inner.select(0)
        if events or self._loop.take_quiet():
            return events
        return self._wait(timeout)

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            events = self._inner.select(STUCK_S)
            if not events:
                raise Deadlock(f"Nothing is ready and no timer is set: {self._loop.who_waits()}.")
            return events
        began_s = time.monotonic()
        events = self._inner.select(timeout / self._speed)
        waited_s = (time.monotonic() - began_s) * self._speed if events else timeout
        self._loop.now_s += min(waited_s, timeout)
        if self._loop.now_s > LIMIT_S:
            raise OutOfTime(f"The run went past {LIMIT_S:g} s: {self._loop.who_waits()}.")
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._echo.close()
        self._inner.close()


UNREAD_BYTES = 2**16  # of kernel buffer for a sender while its link is silent; the default is megabytes


class Listener:
    """A listening socket on a free loopback port. It belongs to no simulated process.

    Args:
        loop: of the run.
        let_in: called with each accepted socket, in a task of its own.
    """

    def __init__(
        self, loop: VirtualTimeSelectorLoop, let_in: Callable[[socket.socket], Coroutine[Any, Any, None]]
    ) -> None:
        self._loop, self._on_accept = loop, let_in
        self._socket = socket.create_server((HOST, 0))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        self.address = f"{HOST}:{self._socket.getsockname()[1]}"
        self._accepting = loop.create_task(self._accept_all(), context=contextvars.Context())

    async def _accept_all(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._socket)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the kernel delays small writes
            self._loop.create_task(self._on_accept(sock))

    def close(self) -> None:
        """Refuse all connections from now on."""
        self._accepting.cancel()
        self._socket.close()

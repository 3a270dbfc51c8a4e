"""Thousands of clients lose their server at the same moment, and reconnect after the waits of their library.

For libraries in Python the waits come from the installed library itself: `websockets.client.backoff`, and
python-socketio's `AsyncClient`, which runs unmodified with a simulated clock. The waits of the JavaScript client are
written here, after its source. An attempt takes no time, so only the waits are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from inspect import isgeneratorfunction
from random import Random
from types import FunctionType
from typing import Any

import socketio
import socketio.async_client
import websockets.client

from midspan.errors import Refusal, Words, checked, need

WINDOW_S = 0.25
OUTAGE_S = 60.0
JAVASCRIPT = "socket.io-client 4.8.4"
MOST_ATTEMPTS = 10_000  # of one client: with waits of 60 ms ten times what an outage of a minute needs

Waits = Callable[[Random], Iterator[float]]


@dataclass(frozen=True)
class LibraryReturns:
    """How the clients of one library reconnected.

    Args:
        name: the library and its version.
        back_s: for each client the seconds from the end of the outage until it is connected, in ascending order.
    """

    name: str
    back_s: tuple[float, ...]

    @property
    def peak(self) -> int:
        """The most clients that reconnected within one window of 250 ms."""
        return max(self.windows().values())

    @property
    def last_s(self) -> float:
        """Seconds from the end of the outage until the last client is connected."""
        return self.back_s[-1]

    def windows(self) -> Counter[int]:
        """How many clients reconnected in each window of 250 ms, by the number of the window."""
        return Counter(int(back_s / WINDOW_S) for back_s in self.back_s)

    def __str__(self) -> str:
        return f"{self.name}: at most {self.peak} in {WINDOW_S * 1000:.0f} ms, the last one after {self.last_s:.0f} s"


@dataclass(frozen=True)
class HerdReport:
    """The results of all libraries, for the same clients and the same outage."""

    returns: tuple[LibraryReturns, ...]

    def __iter__(self) -> Iterator[LibraryReturns]:
        return iter(self.returns)

    def __str__(self) -> str:
        return "\n".join(map(str, self.returns))


@checked
def herd(clients: int = 5000, outage_s: float = OUTAGE_S, seed: int = 1, **more: Waits) -> HerdReport:
    """Let `clients` clients lose their server at 0 s, and reconnect after `outage_s`.

    Args:
        clients: how many, for each library.
        outage_s: how long there is no server.
        seed: of the random numbers.
        more: waits of your own by name, `herd(full_jitter=waits)`: `waits(rng)` yields the seconds before each attempt.

    Raises:
        Refusal: no clients or no outage; or waits that are no generator function, end, or are too short.
    """
    need(clients >= 1 and outage_s > 0, "a client or more and an outage", (clients, outage_s), "herd(5000, 60)")
    for name, own in more.items():
        need(isgeneratorfunction(own), f"a generator function as {name}", own, "Yield the seconds before each attempt")
    waits: dict[str, Waits] = {
        JAVASCRIPT: javascript_waits,
        f"websockets {version('websockets')}": lambda rng: with_names(websockets.client.backoff, random=rng)(),
        **{name.replace("_", " "): own for name, own in more.items()},
    }
    simulated = [simulate(name, each, clients, outage_s, Random(f"{seed} {name}")) for name, each in waits.items()]
    return HerdReport((python_socketio(clients, outage_s, Random(f"{seed} python-socketio")), *simulated))


def simulate(name: str, waits: Waits, clients: int, outage_s: float, rng: Random) -> LibraryReturns:
    """Each client tries after each of its waits. Its first attempt after the outage succeeds."""

    def back_s() -> float:
        for at_s in itertools.accumulate(itertools.islice(waits(rng), MOST_ATTEMPTS)):
            if at_s >= outage_s:
                return at_s - outage_s
        raise Refusal(f"waits that outlast {outage_s:g} s", Words(f"{name}, too short or too few"), "Yield longer ones")

    return LibraryReturns(name, tuple(sorted(back_s() for _ in range(clients))))


def with_names(function: Any, **names: object) -> Callable[..., Any]:
    """A copy of a library's function in which some global names have other values (clock, random numbers).

    The library itself is not changed.
    """
    return FunctionType(function.__code__, {**function.__globals__, **names}, None, function.__defaults__)


def javascript_waits(rng: Random, longest_s: float = 5.0) -> Iterator[float]:
    """The waits of socket.io-client (`build/esm/contrib/backo2.js`): jitter first, then the longest wait.

    `longest_s`: its default is the library's (`reconnectionDelayMax`).
    """
    for attempt in itertools.count():
        wait_ms = 1000.0 * 2**attempt
        chance = rng.random()
        deviation = int(chance * 0.5 * wait_ms)
        wait_ms += deviation if int(chance * 10) & 1 else -deviation
        yield int(min(wait_ms, 1000 * longest_s)) / 1000


def python_socketio(clients: int, outage_s: float, rng: Random) -> LibraryReturns:
    """Run the reconnection loop of `AsyncClient` for one client after another, with a simulated clock."""
    clock, back_s = _Clock(outage_s), []
    client = socketio.AsyncClient()
    setattr(client, "connect", clock.connect)  # noqa: B010  the type checker knows it as a method
    reconnect = with_names(socketio.AsyncClient._handle_reconnect, random=rng, asyncio=clock)  # on a lost connection
    for _ in range(clients):
        clock.now_s = 0.0
        _to_its_end(reconnect(client))
        back_s.append(clock.now_s - outage_s)
    return LibraryReturns(f"python-socketio {version('python-socketio')}", tuple(sorted(back_s)))


class _Clock:
    """Replaces asyncio and the server for the library: a wait takes no real time, and moves this clock."""

    TimeoutError, CancelledError = asyncio.TimeoutError, asyncio.CancelledError

    def __init__(self, outage_s: float) -> None:
        self.now_s, self.outage_s = 0.0, outage_s

    async def wait_for(self, aborted: Coroutine[Any, Any, Any], wait_s: float) -> None:
        """Let the whole wait pass: the library's event for an abort is never set."""
        aborted.close()
        self.now_s += wait_s
        raise TimeoutError

    async def connect(self, *_: Any, **__: Any) -> None:
        """Refuse until the outage is over."""
        if self.now_s < self.outage_s:
            raise socketio.exceptions.ConnectionError("refused")


def _to_its_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits for a future."""
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
        raise RuntimeError("the library waits for something else than its clock")

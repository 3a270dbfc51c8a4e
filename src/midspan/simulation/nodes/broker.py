"""The broker that many runs share, for a loop whose clock jumps; and what a run replaces in redis-py."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, contextmanager
from functools import cache
from itertools import count
from threading import Lock, RLock
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.utils
from redis.asyncio import Redis

from midspan.errors import need
from midspan.net.background_loop import LoopThread
from midspan.net.brokers import Broker, broker
from midspan.simulation.forbidden_io import Patch, SimulationError

# The broker is a real Valkey. The clock of a run must not move while it works. So when nothing is ready in the loop,
# the loop calls `settle`, which sends two PINGs. Valkey works in rounds: it reads the commands that have arrived, runs
# them, and writes the answers at the end of the round. The answer to the first PING shows that all earlier commands
# were run. The answer to the second PING shows that all answers to them are written, pushes to subscribers included.


PING, PONG, OK = b"PING\r\n", b"+PONG\r\n", b"+OK\r\n"
NOT_YET = (b"-BUSY", b"-LOADING")
NO_FSYNC = b"CONFIG SET appendfsync no\r\n"  # written data survives SIGKILL without fsync
ANSWER_S = 30.0  # how long the broker may work while the clock of the run stands


class RunBroker:
    """A running broker. Opened by `shared_broker()`."""

    def __init__(self, opened: Broker, home: LoopThread) -> None:
        self._broker, self._thread = opened, home
        self._connection: socket.socket | None = self._connected()
        self._down: AbstractAsyncContextManager[None] | None = None
        self._runs = count(1)
        self.turn = RLock()  # one run at a time: a run may restart the broker

    @property
    def url(self) -> str:
        """Its own address, not through a link that a fault can cut."""
        return self._broker.url

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self._connection is not None

    def new_prefix(self) -> str:
        """A new prefix for the keys and channels of one run."""
        return self._broker.name(f"{next(self._runs)}:")

    def settle(self) -> None:
        """Return when the broker has answered all commands that it has received.

        Raises:
            SimulationError: it does not answer.
        """
        if self._connection is not None:
            try:
                for _ in range(2):
                    _until(self._connection, PING, PONG)
            except OSError as error:
                raise SimulationError(f"The broker has not answered within {ANSWER_S:g} s ({error}).") from None

    def kill(self) -> None:
        """Kill the broker (SIGKILL) when it has run all commands, so that it has the same data on each replay.

        A broker at `REDIS_URL` is not killed; the run only cuts its connections.
        """
        self.settle()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._broker.is_ours and self._down is None:
            self._down = self._broker.down()
            self._thread.run(self._down.__aenter__())

    def start(self) -> None:
        """Start it again, with the data that it had written."""
        if self._down is not None:
            down, self._down = self._down, None
            self._thread.run(down.__aexit__(None, None, None))
        if self._connection is None:
            self._connection = self._connected()

    def forget(self, prefix: str) -> None:
        """Delete all keys with this prefix; also all scripts, if we started the broker."""
        with redis.Redis.from_url(self.url) as client:
            for key in client.scan_iter(match=f"{prefix}*", count=1000):
                client.delete(key)
            if self._broker.is_ours:
                client.script_flush()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> socket.socket:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            asking = socket.socket(socket.AF_UNIX)
            asking.connect(parts.path)
        else:
            asking = socket.create_connection((parts.hostname, parts.port or 6379))
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asking.settimeout(ANSWER_S)
        if parts.password:
            _until(asking, f"AUTH {parts.username or 'default'} {parts.password}\r\n".encode(), OK)
        if self._broker.is_ours:
            _until(asking, NO_FSYNC, OK)
        return asking


def _until(asking: socket.socket, question: bytes, answer: bytes) -> None:
    """Send the question until this is the answer. Asks again while the broker is busy or loads its data.

    Raises:
        OSError: the answer is another one, or there is none.
    """
    while True:
        asking.sendall(question)
        came = asking.recv(1024)
        if came == answer:
            return
        if not came.startswith(NOT_YET):
            raise ConnectionError(came.decode(errors="replace").strip() or "it has closed the connection")


_lock = Lock()
_open: list[tuple[RunBroker, AsyncExitStack, LoopThread]] = []  # the broker of all open blocks
_users: list[int] = []  # one entry for each of these blocks


@contextmanager
def shared_broker() -> Iterator[RunBroker]:
    """Open a broker for the runs in the block: one that we start, or `REDIS_URL`. Open blocks share one broker."""
    with _lock:
        if not _users:
            _open.append(_opened())
        _users.append(1)
        shared = _open[0][0]
    try:
        yield shared
    finally:
        with _lock:
            _users.pop()
            if not _users:
                _close(*_open.pop())


def _opened() -> tuple[RunBroker, AsyncExitStack, LoopThread]:
    theirs = os.environ.get("REDIS_URL", "")
    need(not theirs.startswith("rediss:"), "a broker without TLS", theirs, "Use redis:// or unix:// in REDIS_URL here")
    home, stack = LoopThread("midspan-broker"), AsyncExitStack()
    try:
        opened = home.run(stack.enter_async_context(broker(durable=True)))
        return RunBroker(opened, home), stack, home
    except BaseException:
        _close(None, stack, home)
        raise


def _close(own: RunBroker | None, stack: AsyncExitStack, home: LoopThread) -> None:
    try:
        if own is not None:
            own.start()
            own.close()
    finally:
        home.run(stack.aclose())
        home.close()


@contextmanager
def patched_random(seed: int) -> Iterator[None]:
    """Seed Python's global random numbers: redis-py uses them for the wait before a retry."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def clients() -> AbstractContextManager[list[Redis]]:
    """A block that gives the list of all redis clients that this thread makes in it.

    When a process is killed, the system closes its sockets. The simulated nodes are in one process, so the run closes
    their clients itself; otherwise redis-py warns of clients that were not closed.
    """
    return _patch.block([])


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    init, version = Redis.__init__, redis.utils.get_lib_version

    def noting(self: Redis, *args: Any, **options: Any) -> None:
        made = _patch.here
        if made is not None:
            made.append(self)
        init(self, *args, **options)

    yield Redis, "__init__", noting
    yield redis.utils, "get_lib_version", cache(version)  # cached: redis-py reads it from a file for each connection


_patch: Patch[list[Redis]] = Patch(_replacements)

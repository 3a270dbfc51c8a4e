"""The link of one client, and the network: all links of a run, and their server.

A link connects a client to the server, counts the messages, and makes each fault happen when its trigger comes. The
client gets `Link.connect`, in place of `websockets.connect`. The server's handler gets the connection, as from
`websockets.serve`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, ClassVar

from websockets.asyncio.client import connect as library_connect
from websockets.asyncio.client import process_exception  # type: ignore[attr-defined]
from websockets.client import backoff
from websockets.exceptions import ConnectionClosed, InvalidMessage

from midspan.simulation.connection import SimConnection
from midspan.simulation.end import CLOSED, OPEN, Limits, LinkEnd, Opcode, Pipe, SimFrame
from midspan.simulation.faults import Fault, Refuse, TimedFault, Way, When
from midspan.simulation.forbidden_io import crash_in_words
from midspan.simulation.history import Recorder
from midspan.simulation.implementation import Server
from midspan.simulation.loop import RunLoop

Fire = Callable[[TimedFault, LinkEnd], None]
Trace = Callable[[float, int, str, Way, int, bytes, str], None]  # see `run.Watch.trace`

_tuple = tuple.__new__  # faster than SimFrame(...)
NO_ANSWER = "connection closed while reading HTTP status line"  # the words of `websockets.http11`
ROUND_TRIPS_TO_OPEN = 3  # TCP, TLS 1.3 and the upgrade, before the first message of a wss:// connection


class Link:
    """The link of one client: all its connections. After a half-open one, two can be open at once."""

    def __init__(self, network: Network, name: str) -> None:
        self.network, self.name = network, name
        self.loop, self.recorder = network.loop, network.recorder
        self.sent: dict[Way, int] = {"up": 0, "down": 0}
        self.attempts = 0
        self.silent_until_s = 0.0
        self.ends: list[LinkEnd] = []  # both ends of each connection, while they are not closed
        self._faults_at: dict[tuple[Way, int], list[TimedFault]] = {}
        self._awaiting_reply: dict[LinkEnd, list[TimedFault]] = {}
        self._refusals: set[int] = set()
        self._joined: list[
            SimConnection
        ] = []  # all ends of the run; `drop_references` removes the references between them
        for fault in network.faults:
            if isinstance(fault, Refuse):
                if fault.link == name:
                    self._refusals.update(range(fault.attempt, fault.attempt + fault.count))
            elif fault.at.link == name:
                self._faults_at.setdefault((fault.at.way, fault.at.n), []).append(fault)

    url = ""  # the address of a real link

    def connect(self) -> Any:
        """Open a connection, as `websockets.connect` does: `await connect()`, or `async with connect() as ws`."""
        return Opening(self)

    @property
    def connected(self) -> bool:
        """Whether a connection is open, as far as the client knows."""
        return any(end.side == "client" and end.state is OPEN for end in self.ends)

    # messages

    def transmit(self, end: LinkEnd, opcode: Opcode, data: bytes, raw: bytes = b"") -> None:
        """Send one message of this end, and make the faults happen that it triggers."""
        network = self.network
        way = end.way
        number = self.sent[way] = self.sent[way] + 1
        if network.crossings is not None:
            network.crossings.append((self.name, way, number))
        if network.trace is not None:
            network.trace(self.loop.now_s, len(self.recorder.records), self.name, way, number, data, "left")
        if self._awaiting_reply:
            for fault in self._awaiting_reply.pop(end, ()):
                self._happen(fault, end, fault.at.later_s)
        frame = _tuple(SimFrame, (opcode, data, number, raw))
        faults = self._faults_at.get((way, number))
        if faults is None:
            end.into.write(frame)
            return
        self._fire("before", faults, end)
        end.into.write(frame)
        self._fire("during", faults, end)

    def arrived(self, end: LinkEnd, frame: SimFrame) -> None:
        """A message has reached this end's queue: make the faults happen that it triggers."""
        way, network = end.peer.way, self.network
        if network.trace is not None:
            records = len(self.recorder.records)
            network.trace(self.loop.now_s, records, self.name, way, frame.number, frame.data, "arrived")
        faults = self._faults_at.get((way, frame.number))
        if faults is not None:
            self._fire("after", faults, end)
            self._fire("reply", faults, end)

    def _fire(self, when: When, faults: list[TimedFault], end: LinkEnd) -> None:
        for fault in faults:
            if fault.at.when == when == "reply":
                self._awaiting_reply.setdefault(end, []).append(fault)
            elif fault.at.when == when:
                half_way_s = self.network.latency_s / 2 if when == "during" else 0.0
                self._happen(fault, end, fault.at.later_s + half_way_s)

    def _happen(self, fault: TimedFault, end: LinkEnd, later_s: float) -> None:
        if later_s:
            self.loop.call_later(later_s, self.network.fire, fault, end)
        else:
            self.network.fire(fault, end)

    # connections

    async def connect_now(self) -> SimConnection:
        """One attempt to connect. Raises what `websockets.connect` raises.

        Raises:
            OSError: the attempt is refused; a `TimeoutError` if there is no answer within `open_timeout`.
            InvalidMessage: the server is killed after the client's request to upgrade, before its answer.
        """
        try:
            await self.admit()
        except ConnectionResetError:
            raise InvalidMessage("did not receive a valid HTTP response") from EOFError(NO_ANSWER)
        return self._join()

    async def admit(self) -> None:
        """Note an attempt to connect, and wait as long as it takes. Faults may refuse it.

        Raises:
            OSError: a `TimeoutError` during a silence, a `ConnectionRefusedError`, or a `ConnectionResetError` if the
                server was killed after the client's request to upgrade.
        """
        self.attempts += 1
        attempt = self.attempts
        self.recorder.note(self.name, "attempt", value=attempt)
        await self._pass_silence()
        await asyncio.sleep(2 * ROUND_TRIPS_TO_OPEN * self.network.latency_s)
        if attempt in self._refusals or not self.network.up:
            self.recorder.note(self.name, "refused", value=attempt)
            raise self._failure(attempt)

    def _failure(self, attempt: int) -> OSError:
        """The error of a failed attempt: reset if the server was killed during the upgrade, otherwise refused."""
        asked_s = self.loop.now_s - 2 * self.network.latency_s
        if attempt not in self._refusals and self.network.killed_at_s > asked_s:
            return ConnectionResetError(104, "Connection reset by peer")
        return ConnectionRefusedError(111, "Connect call failed")

    async def _pass_silence(self) -> None:
        wait_s = self.silent_until_s - self.loop.now_s
        open_timeout = self.network.limits.open_timeout
        if open_timeout is not None and wait_s > open_timeout:
            await asyncio.sleep(open_timeout)
            self.recorder.note(self.name, "refused")
            raise TimeoutError("timed out during opening handshake")
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _join(self) -> SimConnection:
        network, limits = self.network, self.network.limits
        up, down = Pipe(self.loop, network.latency_s), Pipe(self.loop, network.latency_s)
        client, server = SimConnection(self, "client", up, limits), SimConnection(self, "server", down, limits)
        client.peer, server.peer, up.to, down.to = server, client, server, client
        self.ends += (client, server)
        self._joined += (client, server)
        self.recorder.note(self.name, "opened")
        self.recorder.note(f"server/{self.name}", "opened")
        network.accept(server)
        network.on_open()
        return client

    def left(self, end: LinkEnd, code: str) -> None:
        """One end has closed its connection, or has noticed that it is lost. `code`: the close code."""
        self.recorder.note(self.name if end.side == "client" else f"server/{self.name}", "closed", detail=code)

    # what faults do to the link

    def cut(self, end: LinkEnd) -> None:
        """Reset the connection of this end."""
        for one in (end, end.peer):
            one.into.break_()
        for one in (end, end.peer):
            one.lose(ConnectionResetError(104, "Connection reset by peer"))

    def cut_all(self) -> None:
        """Reset all connections of this link."""
        for end in list(self.ends):
            self.cut(end)

    def go_silent(self, until_s: float) -> None:
        """Let nothing pass until then, on open connections and on new ones."""
        self.silent_until_s = max(self.silent_until_s, until_s)
        self.forget(list(self.ends), until_s)

    def forget(self, ends: list[LinkEnd], until_s: float) -> None:
        """Let these ends send nothing until then. They are not told."""
        for end in ends:
            end.into.silence(until_s)
            if end.state is OPEN:
                who = self.name if end.side == "client" else f"server/{self.name}"
                self.recorder.note(who, "silent", value=until_s)

    def drop_references(self) -> None:
        """The run has ended: remove the references between the two ends of each connection."""
        for end in self._joined:
            end.state = CLOSED  # for a task that ignored its cancellation
            end.into.to = None
            del end.peer
        for kept in (self._joined, self.ends, self._awaiting_reply):
            kept.clear()


class Opening:
    """A connection that is being opened: await it, enter it, or iterate over it to connect again and again.

    The iteration runs the code of `websockets`, with its delays.
    """

    process_exception = staticmethod(process_exception)
    reconnect_delays = staticmethod(backoff)
    logger = logging.getLogger("midspan.simulation.connect")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._connection: SimConnection | None = None

    def __await__(self) -> Generator[Any, None, SimConnection]:
        return self._link.connect_now().__await__()

    async def __aenter__(self) -> SimConnection:
        self._connection = await self._link.connect_now()
        return self._connection

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._connection is not None
        await self._connection.__aexit__(exc_type, exc, traceback)

    def __aiter__(self) -> AsyncIterator[SimConnection]:
        return library_connect.__aiter__(self)  # type: ignore[arg-type, return-value]


Handler = Callable[[SimConnection], Awaitable[None]]


class Network:
    """All links of one run, and their server.

    Args:
        loop: the run's loop.
        recorder: notes what happens to connections.
        latency_s: of a frame, one way.
        faults: of the schedule.
        fire: called with a fault and an end when its trigger comes at this end; makes the fault happen.
        limits: of each connection.
    """

    make_link: ClassVar[type[Link]] = Link

    def __init__(
        self,
        loop: RunLoop,
        recorder: Recorder,
        latency_s: float,
        faults: tuple[Fault, ...],
        fire: Fire,
        limits: Limits,
    ) -> None:
        self.loop, self.recorder, self.latency_s, self.limits = loop, recorder, latency_s, limits
        self.faults, self.fire = faults, fire
        self.links: dict[str, Link] = {}
        self.handler: Handler | None = None  # None: no server listens
        self.killed_at_s = -math.inf  # when a server process was last killed
        self.spawn: Callable[[Coroutine[Any, Any, None]], object] = loop.create_task  # in the server process
        self.crossings: list[tuple[str, Way, int]] | None = None  # as `run.Watch.crossings`
        self.trace: Trace | None = None
        self.on_open: Callable[[], None] = lambda: None
        self.trust: ssl.SSLContext | None = None  # for the clients of a real link

    def link(self, name: str) -> Link:
        """The link of one client."""
        if name not in self.links:
            self.links[name] = self.make_link(self, name)
        return self.links[name]

    @property
    def up(self) -> bool:
        """Whether a server listens."""
        return self.handler is not None

    async def run(self, server: Server) -> None:
        """Let the server listen; runs in its process. On a real link it ends when the process is killed."""
        self.serve(server.handle)

    def serve(self, handler: Handler) -> None:
        """Let a server listen: call `handler` for each connection, as `websockets.serve` does."""
        self.handler = handler

    def kill_server(self) -> None:
        """The server process is killed: cut all its connections."""
        self.handler, self.killed_at_s = None, self.loop.now_s
        for link in self.links.values():
            link.cut_all()

    def accept(self, connection: SimConnection) -> None:
        """Call the handler for one connection."""
        assert self.handler is not None
        self.spawn(self._handle(self.handler, connection))

    async def _handle(self, handler: Handler, connection: SimConnection, who: str = "server") -> None:
        try:
            await handler(connection)
        except ConnectionClosed:
            pass
        except Exception as error:
            self.recorder.note(who, "crashed", detail=crash_in_words(error))
            await connection.close(1011)
        else:
            await connection.close()

    def drop_references(self) -> None:
        """The run has ended: remove the references between its parts."""
        for link in self.links.values():
            link.drop_references()
        self.links.clear()
        self.handler = None
        del self.fire, self.on_open, self.spawn

"""The measured servers in Python, each written as its library's documentation shows."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

from midspan.net.servers import HOST
from midspan.simulation.implementation import Disk, Entry, Fact, Implementation, ServerContext, Store

# Two servers differ only in what their names say. Each acknowledges `typing_start`, and sends `say` to all clients.
# Compression is off, since these messages are too short for it (chapter 5 measures it separately). No server contains
# code for the measurement.


Tls = ssl.SSLContext | None


def answered(text: str) -> str:
    """Read `["typing_start",{...},7]` and return the answer `{"ack":7}`."""
    event, data, number = json.loads(text)
    assert event == "typing_start"
    assert data
    return json.dumps({"ack": number}, separators=(",", ":"))


async def tcp_echo(tls: Tls) -> AsyncIterator[int]:
    """Echo on a bare TCP connection with asyncio's streams: the least that Python needs for sockets."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handler, HOST, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def websockets_echo(tls: Tls) -> AsyncIterator[int]:
    """Echo with `websockets`."""

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(handler, HOST, 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def websockets_envelope(tls: Tls) -> AsyncIterator[int]:
    """`websockets` with an envelope in JSON."""

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            if message.startswith('["say"'):  # type: ignore[arg-type]
                broadcast(server.connections, message)
            else:
                await connection.send(answered(message))  # type: ignore[arg-type]

    async with serve(handler, HOST, 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def websockets_codec(tls: Tls) -> AsyncIterator[int]:
    """`websockets` with Socket.IO packets; of python-socketio it uses only the packet codec."""
    from socketio.packet import ACK, CONNECT, EVENT, Packet

    hello = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'

    async def handler(connection: ServerConnection) -> None:
        await connection.send(hello)
        async for message in connection:
            packet = Packet(encoded_packet=message[1:])
            if packet.packet_type == CONNECT:
                await connection.send("4" + Packet(CONNECT, data={"sid": "s"}).encode())
            elif packet.packet_type == EVENT and packet.data[0] == "say":
                broadcast(server.connections, "4" + Packet(EVENT, data=packet.data).encode())
            else:
                await connection.send("4" + Packet(ACK, data=[], id=packet.id).encode())

    async with serve(handler, HOST, 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def websockets_socketio(tls: Tls) -> AsyncIterator[int]:
    """python-socketio on `websockets`, with a minimal ASGI adapter."""
    import socketio

    from midspan.implementations.in_memory_adapter import serve_connection

    sio = socketio.AsyncServer(async_mode="asgi")
    _register(sio)
    app = socketio.ASGIApp(sio)

    async def handler(connection: ServerConnection) -> None:
        await serve_connection(app, connection)

    async with serve(handler, HOST, 0, ssl=tls, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def aiohttp_envelope(tls: Tls) -> AsyncIterator[int]:
    """aiohttp with the same envelope."""
    from aiohttp import WSMsgType, web

    from midspan.net.servers import serve_app

    everybody: set[web.WebSocketResponse] = set()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=False)
        await connection.prepare(request)
        everybody.add(connection)
        async for message in connection:
            if message.type is WSMsgType.TEXT and message.data.startswith('["say"'):
                await asyncio.gather(*(one.send_str(message.data) for one in everybody))
            elif message.type is WSMsgType.TEXT:
                await connection.send_str(answered(message.data))
        everybody.discard(connection)
        return connection

    app = web.Application()
    app.router.add_get("/", handler)
    async with serve_app(app, tls) as port:
        yield port


async def aiohttp_socketio(tls: Tls, broker: str = "", channel: str = "socketio") -> AsyncIterator[int]:
    """python-socketio on aiohttp; with the address of a `broker` it is a node of a cluster."""
    import socketio
    from aiohttp import web

    from midspan.net.servers import serve_app

    sio = socketio.AsyncServer(async_mode="aiohttp", http_compression=False, client_manager=_manager(broker, channel))
    _register(sio)
    app = web.Application()
    sio.attach(app)
    async with serve_app(app, tls) as port:
        yield port


async def uvicorn_socketio(tls: Tls, broker: str = "", channel: str = "socketio") -> AsyncIterator[int]:
    """python-socketio as an ASGI application, in uvicorn with `websockets`; `broker` as in `aiohttp_socketio`."""
    import socketio

    from midspan.net.servers import uvicorn_server

    sio = socketio.AsyncServer(async_mode="asgi", client_manager=_manager(broker, channel))
    _register(sio)
    server = uvicorn_server(socketio.ASGIApp(sio), tls, {"ws": "websockets-sansio", "ws_per_message_deflate": False})
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = server.force_exit = True
    await server.shutdown()


def _manager(broker: str, channel: str) -> Any:
    """Return the object that sends messages from node to node; None for a single node."""
    import socketio

    return socketio.AsyncRedisManager(broker, channel) if broker else None


def _register(sio: Any) -> None:
    async def typing_start(_sid: str, _data: dict[str, Any]) -> None:
        return None

    async def say(_sid: str, data: dict[str, Any]) -> None:
        await sio.emit("say", data)

    sio.on("typing_start", typing_start)
    sio.on("say", say)


# A lab's session as a contender: the same code as on the simulated link, on real sockets.
#
# A lab's server has one log, and sends each entry of it to all clients. The measurement needs an event that is
# acknowledged to its sender and sent to no other client, as with the other contenders. So each path is a room of its
# own with a log of its own. The log is durable as soon as it is in memory, since the cost of a disk would be the same
# for all contenders.


class Memory(Store):
    """A store in memory, which is durable at once."""

    def __init__(self) -> None:
        self.disk = Disk()
        super().__init__(self.disk, 0.0)

    async def append(self, body: str, **facts: Fact) -> None:
        """Write one entry of the log."""
        self.disk.log.append(Entry(body, facts))

    async def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """Return the entries of the log after the first `after`, at most `most`."""
        return self.disk.log[after : None if most is None else after + most]


async def serve_implementation(implementation: Implementation, tls: Tls) -> AsyncIterator[int]:
    """Serve an implementation's server, one for each path; give the port."""
    rooms: dict[str, Any] = {}

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path
        if path not in rooms:
            rooms[path] = implementation.server(context(implementation))
            await rooms[path].start()
        await rooms[path].handle(connection)

    async with serve(handler, HOST, 0, ssl=tls, compression=None, ping_interval=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def context(implementation: Implementation) -> ServerContext:
    """Return a context for a server with an empty store that accepts every client."""
    return ServerContext(Memory(), lambda _who, _token: True, random.Random(), monotonic, implementation.bounds)

"""Records the samples again: `python -m midspan.eyes.recording`. Only needed when a library changes what it sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import socketio
from websockets.asyncio.client import ClientConnection, connect

from midspan.bench.bench import Bench
from midspan.records import samples
from midspan.records.capture import Capture

EVENT = ("typing_start", {"room": "a"})
SENTENCE = "It is raining in Bergen, and it was raining in Bergen. "


async def raw(bench: Bench) -> None:
    async with _connected(bench) as connection:
        await connection.send(json.dumps({"event": EVENT[0], "data": EVENT[1]}, separators=(",", ":")))
        await connection.recv()
        await (await connection.ping(b"hi"))


async def fragments(bench: Bench) -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ("Mid", "spa", "n"):
            yield piece
            await (await connection.ping(b"still here"))

    async with _connected(bench) as connection:
        await connection.send(pieces())
        await connection.recv()
        await connection.send(SENTENCE * 4)
        await connection.recv()


async def deflate(bench: Bench) -> None:
    async with _connected(bench, compression="deflate") as connection:
        for _ in range(2):
            await connection.send(SENTENCE)
            await connection.recv()


async def socketio_websocket(bench: Bench) -> None:
    async with _client(bench, transports=["websocket"]) as client:
        await client.call(*EVENT)


async def upgrade(bench: Bench) -> None:
    async with _client(bench, namespaces=["/", "/chat"]) as client:
        await client.call(*EVENT)
        await client.call(*EVENT, namespace="/chat")


async def polling(bench: Bench) -> None:
    async with _client(bench, transports=["polling"]) as client:
        await client.call(*EVENT)
        await client.call("upload", {"photo": b"\x89PNG"})


async def binary(bench: Bench) -> None:
    async with _client(bench, transports=["websocket"]) as client:
        await client.call("upload", {"photo": b"\x89PNG", "thumbnail": b"\x00\x01"})


def acknowledge(sio: socketio.AsyncServer) -> None:
    """Handlers of the recorded server: in both namespaces an event is acknowledged with what came."""
    for namespace in ("/", "/chat"):
        sio.on("connect", lambda *_: None, namespace=namespace)
        sio.on("*", lambda *came: came[2:], namespace=namespace)  # event, sid, then its arguments


RECORDED: dict[str, tuple[str, Callable[[Bench], Awaitable[None]]]] = {
    "raw": ("raw", raw),
    "fragments": ("raw", fragments),
    "deflate": ("raw", deflate),
    "socketio": ("socketio", socketio_websocket),
    "upgrade": ("socketio", upgrade),
    "polling": ("socketio", polling),
    "binary": ("socketio", binary),
}


async def record(name: str) -> Capture:
    """Hold the conversation of that name on a fresh bench and return what its tap saw."""
    endpoint_name, converse = RECORDED[name]
    async with Bench(socketio=acknowledge) as bench:
        await converse(bench)
        endpoint = getattr(bench, endpoint_name)
        await endpoint.exchange()  # waits for the connections to end
        capture: Capture = endpoint.capture
        return capture


def main() -> None:
    """Record all of them into the package."""
    for name, what in samples.SAMPLES.items():
        Path(str(samples.FOLDER / f"{name}.json")).write_text(asyncio.run(record(name)).to_json(), "utf-8")
        print(f"{name}: {what}")


@asynccontextmanager
async def _connected(bench: Bench, compression: str | None = None) -> AsyncIterator[ClientConnection]:
    async with connect(bench.raw.url, ssl=bench.trust, compression=compression) as connection:
        yield connection


@asynccontextmanager
async def _client(bench: Bench, **options: Any) -> AsyncIterator[socketio.AsyncClient]:
    async with bench.http_session() as session:
        client = socketio.AsyncClient(http_session=session, reconnection=False)
        await client.connect(bench.socketio.url, **options)
        yield client
        await client.disconnect()


if __name__ == "__main__":
    main()

"""Measures what the bytes of an exchange are for. Also records the samples of the package again."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import tokenize
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import socketio
from websockets.asyncio.client import ClientConnection, connect

from midspan.errors import Refusal, checked, need
from midspan.experiments.bench import Bench
from midspan.experiments.conversations import CHANNELS, HELLO, MESSAGES, Channel, SampleMessage, conversation
from midspan.net.servers import Authority
from midspan.net.tcp import WireCount
from midspan.protocols import dissecting
from midspan.protocols.capture import Capture, Side
from midspan.protocols.ledgers import ByteLedger, byte_ledger

# One message over each channel, through a tap, and a ledger of its bytes.
#
# Each cell has a connection of its own, on real sockets. First a message and its answer show that both ends are ready;
# then one message is sent, and each of its bytes is counted.


PATIENCE_S = 20.0
Counts = Mapping[tuple[int, Side], WireCount]  # of a tap, by connection and sender


@dataclass(frozen=True)
class MeasuredBytes:
    """One cell: the message, its channel, its ledger, and the capture that the ledger was made from.

    Attributes:
        received: bytes of TCP payload from each side, counted by the system; empty where it does not tell.
        segments: the number of TCP segments with payload from each side, on this machine's loopback.
    """

    said: SampleMessage
    way: Channel
    tls: bool
    deflate: bool
    ledger: ByteLedger
    capture: Capture
    received: Mapping[Side, int]
    segments: Mapping[Side, int]

    def __str__(self) -> str:
        around = f"{'TLS' if self.tls else 'plain'}{', deflate' if self.deflate else ''}"
        return f"{self.said.name}: {self.way.name}, {around}\n{self.ledger}"

    __repr__ = __str__


@checked
async def measure_bytes(
    said: SampleMessage, way: Channel, authority: Authority, *, tls: bool = True, deflate: bool = False, told: int = 1
) -> MeasuredBytes:
    """Send one message over one channel, on a connection of its own, and count its bytes.

    Args:
        said, way: the message and the channel.
        authority: the authority that both ends trust (`bench.authority`).
        tls, deflate: whether the connection uses TLS, and compression.
        told: how many times the message is sent on the connection; the last one is counted.

    Raises:
        Refusal: `told` is less than 1.
        TimeoutError: an end did not answer.
    """
    need(told > 0, "a message that is said once or more", told, "Pass told=1")
    async with asyncio.timeout(PATIENCE_S), conversation(way, authority, tls, deflate) as (seen, say):
        await say(HELLO, True)
        for _ in range(told - 1):
            await say(said, way.acknowledged)
        mark, before = len(seen.capture), seen.counts()
        await say(said, way.acknowledged)
        capture = seen.capture.since(mark)
        received, segments = _between(before, seen.counts())
    return MeasuredBytes(
        said, way, tls, deflate, byte_ledger(capture, said.payload, segments), capture, received, segments
    )


def _between(before: Counts, after: Counts) -> tuple[dict[Side, int], dict[Side, int]]:
    """Return what the system has counted from each side between the two: bytes, and segments with payload."""
    received: dict[Side, int] = {}
    segments: dict[Side, int] = {}
    for (connection, side), count in after.items():
        earlier = before.get((connection, side))
        new = count if earlier is None else count - earlier
        received[side] = received.get(side, 0) + new.received_bytes
        segments[side] = segments.get(side, 0) + new.data_segments_received
    return received, segments


@checked
async def opening(way: Channel, authority: Authority, *, tls: bool = True) -> Capture:
    """Open a connection until the first message could be sent; return what has crossed the wire until then.

    Raises:
        TimeoutError: an end did not answer.
    """
    async with asyncio.timeout(PATIENCE_S), conversation(way, authority, tls, False) as (seen, _):
        return seen.capture


class ByteTable(tuple[MeasuredBytes, ...]):
    """Many cells. `str()` is a table: the bytes that TCP carries, and how many of them are payload."""

    def cell(self, said: str, way: str, *, tls: bool = True, deflate: bool = False) -> MeasuredBytes:
        """Return the cell of a message and a channel, by their names.

        Raises:
            Refusal: there is no such cell.
        """
        for cell in self:
            if (cell.said.name, cell.way.name, cell.tls, cell.deflate) == (said, way, tls, deflate):
                return cell
        names = ", ".join(dict.fromkeys(f"{cell.said.name!r}/{cell.way.name!r}" for cell in self))
        raise Refusal(f"a message and a way ({names})", (said, way, tls, deflate), "Choose among them")

    def __str__(self) -> str:
        head = f"{'bytes that TCP carries, both ways':<34}  {'plain':>7} {'TLS':>7} {'deflate':>7} {'both':>7}"
        kinds = ((False, False), (True, False), (False, True), (True, True))
        lines = [head]
        for said, way in dict.fromkeys((cell.said.name, cell.way.name) for cell in self):
            found = {(cell.tls, cell.deflate): cell for cell in self if (cell.said.name, cell.way.name) == (said, way)}
            sizes = [f"{found[kind].ledger.tcp_bytes:>7,}" if kind in found else f"{'':>7}" for kind in kinds]
            lines.append(f"{said + ': ' + way:<34}  {' '.join(sizes)}".rstrip())
        return "\n".join(lines)

    __repr__ = __str__


@checked
async def measure_all_bytes(
    authority: Authority,
    messages: Iterable[SampleMessage] = MESSAGES,
    ways: Iterable[Channel] = CHANNELS,
    tls: Iterable[bool] = (False, True),
    deflate: Iterable[bool] = (False, True),
) -> ByteTable:
    """Measure every message over every channel, one cell after the other."""
    kinds = [(encrypted, packed) for encrypted in tls for packed in deflate]
    cells = [
        await measure_bytes(said, way, authority, tls=encrypted, deflate=packed)
        for said in messages
        for way in ways
        for encrypted, packed in kinds
    ]
    return ByteTable(cells)


# Counts lines of code, for the claim "less protocol code of your own".
#
# A line counts if there is code on it: not a blank line, a comment or a docstring. The count says how much there is to
# read, and nothing else.


NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
NO_CODE |= {tokenize.ENCODING, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    """Count the lines of `source` with code on them.

    Raises:
        Refusal: it is not Python.
    """
    need(isinstance(source, str), "Python source as text", source, "Pass inspect.getsource(...) or a cell's text")
    try:
        tree = compile(source, "<source>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        raise Refusal("Python source", source, f"Python says: {error}") from error
    spans = [range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in NO_CODE]
    return len({line for span in spans for line in span} - _docstrings(tree))


def library_lines(*distributions: str) -> int:
    """Count the lines of code in all `.py` files of installed distributions (`python-socketio`).

    Raises:
        Refusal: one of them is not installed.
    """
    return sum(code_lines(source) for name in distributions for source in _sources(name))


def _sources(distribution: str) -> list[str]:
    try:
        listed = files(distribution) or []
    except PackageNotFoundError as error:
        raise Refusal("an installed distribution", distribution, "Name it as pip does") from error
    return [path.read_text(encoding="utf-8") for path in listed if path.suffix == ".py"]


def _docstrings(tree: ast.AST) -> set[int]:
    """Return the lines of strings that are a statement of their own."""
    alone = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return {line for node in alone for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


# Records the samples again: `python -m midspan.experiments.byte_ledgers`. Needed only when a library sends other bytes.


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
    """Register the handlers of the recorded server: in both namespaces an event is acknowledged with its data."""
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


async def record_conversation(name: str) -> Capture:
    """Run the conversation of this name on a new bench; return the capture of its tap."""
    endpoint_name, converse = RECORDED[name]
    async with Bench(socketio=acknowledge) as bench:
        await converse(bench)
        endpoint = getattr(bench, endpoint_name)
        await endpoint.exchange()  # waits for the connections to end
        capture: Capture = endpoint.capture
        return capture


def main() -> None:
    """Record all samples into the package."""
    for name, what in dissecting.SAMPLES.items():
        Path(str(dissecting.FOLDER / f"{name}.json")).write_text(
            asyncio.run(record_conversation(name)).to_json(), "utf-8"
        )
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

"""Lab 2 and whoever means it harm: no crash, no hang, no buffer without a bound, nothing malformed accepted.

What is malformed is said a second time here, by a reader of its own that goes through a packet character by character.
`MIDSPAN_FUZZ=20000` looks longer than CI does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from engineio import packet as engine_library
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from socketio import packet as library

from tests.lab2 import Application, bare, options, reference, say, served, until_closed
from tests.loops import in_a_loop

EXAMPLES = int(os.environ.get("MIDSPAN_FUZZ", "200"))
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
Message = str | bytes
DIGITS = "0123456789"
RESERVED = {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}


# --- what a client may send, said once more


class Malformed(Exception):
    """What the client sent is none."""


class Reader:
    """Engine.IO and Socket.IO messages of a client, and in which namespaces it is; raises `Malformed`."""

    def __init__(self, offered: Sequence[str]) -> None:
        self.offered, self.joined = offered, set[str]()
        self.kind, self.namespace = 0, "/"
        self.due, self.named = 0, list[Any]()  # attachments still to come; the numbers that placeholders name

    def read(self, message: Message) -> bool:
        """False when the client has closed."""
        if isinstance(message, bytes):
            self._attachment()
        elif message == "1":
            return False
        elif message[:1] == "4":
            self._text(message[1:])
        elif message != "3":
            raise Malformed
        return True

    def _text(self, text: str) -> None:
        self.kind, count, self.namespace, id, data = _fields(text)
        if self.due or not _has_its_shape(self.kind, id, data) or count > 64 or len(self.namespace) > 256:
            raise Malformed
        self.due, self.named = count, list(_named(data)) if count else []
        if count and sorted(map(repr, self.named)) != sorted(map(repr, range(count))):
            self.named = ["wrong"]  # which shows when the last attachment has come
        if not count:
            self._whole()

    def _attachment(self) -> None:
        if not self.due:
            raise Malformed
        self.due -= 1
        if not self.due:
            if self.named == ["wrong"]:
                raise Malformed
            self._whole()

    def _whole(self) -> None:
        """A packet is whole: does it fit to what was joined? An ACK never does, for we ask for none."""
        if self.kind in (3, 4) or (self.kind == 0) == (self.namespace in self.joined):
            raise Malformed
        if self.kind == 0 and self.namespace in self.offered:
            self.joined.add(self.namespace)
        if self.kind == 1:
            self.joined.discard(self.namespace)


def _fields(text: str) -> tuple[int, int, str, int | None, Any]:
    """Type without the mark for binary, attachments, namespace, id, data (`...` for none)."""
    kind, at = text[:1], 1
    if not kind or kind not in "0123456":
        raise Malformed
    count = 0
    if kind in "56":
        count, at = _number(text, at)
        if text[at : at + 1] != "-":
            raise Malformed
        at += 1
    namespace = "/"
    if text[at : at + 1] == "/":
        end = text.find(",", at)
        namespace, at = (text[at:], len(text)) if end < 0 else (text[at:end], end + 1)
    id = None
    if at < len(text) and text[at] in DIGITS:
        id, at = _number(text, at)
    return int(kind) - 3 * (kind in "56"), count, namespace, id, _json(text[at:])


def _number(text: str, at: int) -> tuple[int, int]:
    end = at
    while end < len(text) and text[end] in DIGITS:
        end += 1
    if end == at or end - at > 16 or (text[at] == "0" and end > at + 1):
        raise Malformed
    return int(text[at:end]), end


def _json(text: str) -> Any:
    if not text:
        return ...
    try:
        data = json.loads(text, parse_constant=lambda _: math.inf)
    except (ValueError, RecursionError):
        raise Malformed from None
    if not _can_be_passed_on(data):
        raise Malformed
    return data


def _can_be_passed_on(data: Any) -> bool:
    """Not deeper than 32, all numbers finite; without recursion."""
    left = [(data, 0)]
    while left:
        value, depth = left.pop()
        if isinstance(value, dict | list):
            if depth == 32:
                return False
            left += [(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]
        if isinstance(value, float) and not math.isfinite(value):
            return False
    return True


def _has_its_shape(kind: int, id: int | None, data: Any) -> bool:
    if id is not None and (kind not in (2, 3) or id > 2**53 - 1):
        return False
    if kind == 0:
        return data is ... or isinstance(data, dict)
    if kind == 1:
        return data is ...
    if kind == 2:
        named = isinstance(data, list) and data and isinstance(data[0], str)
        return bool(named) and len(data[0]) <= 256 and data[0] not in RESERVED
    return kind == 3 and isinstance(data, list) and id is not None


def _named(data: Any) -> Iterator[Any]:
    """The numbers of the placeholders; what is no number of a good one stays as it is, and equals none."""
    if isinstance(data, dict) and data.get("_placeholder") is True:
        yield data["num"] if set(data) == {"_placeholder", "num"} and type(data["num"]) is int else "none"
    elif isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _named(item)


# --- what a hostile client says

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
DEEP = st.integers(28, 36).map(lambda depth: "[" * depth + "]" * depth) | st.just("[" * 100_000)
WRONG_NUMBERS = ["007", "-1", "1.5", "\u0663", "\u00b2", "9007199254740992", "1" * 5000, "x"]
WRONG_NAMES: list[Any] = [1, None, True, [], {}, "disconnect", "connect_error", "x" * 257]
WRONG_JSON = [
    "",
    "null",
    "{}",
    "[]",
    '["message"',
    '["message"]]',
    '["message",NaN]',
    '["message",1e999]',
    '"message"',
    "7",
]
WRONG_HOLES: list[Any] = [-1, 2, True, 0.0, "0", None, [], {}]
PLACES = ["nowhere", "nowhere", "type", "attachments", "namespace", "id", "data", "name", "hole", "left out", "cut"]


@st.composite
def packets(draw: st.DrawFn) -> list[Message]:
    """A packet with its attachments in which at most one thing is wrong."""
    wrong = draw(st.sampled_from(PLACES))

    def pick(place: str, good: Any, bad: Sequence[Any]) -> Any:
        return draw(st.sampled_from(bad)) if wrong == place else good

    count = draw(st.sampled_from([0, 0, 1, 2]))
    numbers: list[Any] = draw(st.permutations(range(count)))
    if count:
        numbers[-1] = pick("hole", numbers[-1], WRONG_HOLES)
    holes = [{"_placeholder": True, "num": number} for number in numbers]
    extra = draw(VALUES) if draw(st.booleans()) else holes[0] if holes and wrong == "hole" else 1
    name = pick("name", draw(st.sampled_from(["message", "message-with-ack", "nobody", ""])), WRONG_NAMES)
    kind = pick("type", "5" if count else "2", ["0", "1", "3", "4", "6", "7", "\u0662", "2", "5", ""])
    attachments = pick("attachments", f"{count}-" if count else "", ["-", "01-", "65-", "x-", "1-", "0-", "\u0661-"])
    namespace = pick(
        "namespace", draw(st.sampled_from(["", "/,", "/custom,"])), ["/none,", "custom,", f"/{'x' * 256},"]
    )
    id = pick("id", draw(st.sampled_from(["", "0", "7", "9007199254740991"])), WRONG_NUMBERS)
    data = pick("data", json.dumps([name, *holes, extra]), [*WRONG_JSON, f'["message",{draw(DEEP)}]'])
    text = f"4{kind}{attachments}{namespace}{id}{data}"
    if wrong == "cut":
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.text(max_size=1)) + text[at + 1 :]
    given = draw(st.lists(st.binary(max_size=3), min_size=count, max_size=count))
    return [text, *given[: draw(st.integers(0, count)) if wrong == "left out" else count]]


OTHERS = [
    "40",
    "40/custom,",
    '40/none,{"a":1}',
    "40[]",
    "40null",
    "41",
    "41/custom",
    "41{}",
    "430[]",
    "3",
    "2",
    "1",
    "0",
    "5",
    "6",
    "",
    b"a",
]
GROUPS = (
    packets()
    | packets()
    | st.sampled_from(OTHERS).map(lambda message: [message])
    | st.lists(st.text(max_size=6), max_size=1)
)
JOINS = st.sampled_from([["40"], ["40", "40/custom,"], ["40", "40/custom,"], []])
SCRIPTS = st.tuples(JOINS, st.lists(GROUPS, min_size=1, max_size=5)).map(
    lambda script: [*script[0], *itertools.chain(*script[1])]
)


class Conversation:
    """The lab's parts on top of each other, as its server puts them together, without a socket."""

    def __init__(self) -> None:
        parts, self.sent = reference(), list[Any]()
        self.engine = parts.Engine(options(), 0.0)
        self.assembler = parts.Assembler(parts.guarded(parts.decode_packet))
        namespaces = {name: space for name, space in Application().namespaces.items() if name != "/vip"}
        self.session = parts.GuardedSession(self._send, namespaces)

    async def _send(self, envelope: Any) -> None:
        """What the server would write: it must be possible."""
        if envelope.kind != "error":
            data, attachments = reference().split(envelope.data)
            text = reference().encode_packet(envelope._replace(data=data, attachments=len(attachments)))
            text.encode()
            self.sent.append((text, attachments))

    async def receive(self, message: Message) -> None:
        """One message of the client."""
        inner = self.engine.receive(message, 0.0)
        if inner is not None and (envelope := self.assembler.receive(inner)):
            await self.session.receive(envelope)

    def check_bounds(self) -> None:
        """Nothing grows without a bound."""
        assert self.assembler.size <= reference().LIMITS.size_bytes
        assert len(self.assembler.attachments) <= reference().LIMITS.attachments
        assert len(self.session.tasks) <= reference().LIMITS.handlers
        assert len(self.session.peers) <= 2


async def play(script: Sequence[Message]) -> None:
    """Feed a conversation until it ends; the lab and the reader here must agree on where."""
    conversation, reader = Conversation(), Reader(["/", "/custom"])
    try:
        async with asyncio.timeout(5):
            for message in script:
                expected = _verdict(reader, message)
                got = await _reaction(conversation, message)
                assert got == expected, f"{message!r} in {script!r}: expected {expected}, got {got}"
                conversation.check_bounds()
                if got != "taken":
                    return
    finally:
        await conversation.session.end()


def _verdict(reader: Reader, message: Message) -> str:
    try:
        return "taken" if reader.read(message) else "Left"
    except Malformed:
        return "Violation"


async def _reaction(conversation: Conversation, message: Message) -> str:
    try:
        await conversation.receive(message)
    except (reference().Violation, reference().Left) as error:
        return type(error).__name__
    return "taken"


@fuzz
@given(SCRIPTS)
@example(["40", '42["message",{"_placeholder":true,"num":0}]'])
@example(["40", '450-["message"]'])
@example(["40", '452-["message",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', b"", b""])
@example(["40", '451-["message",{"_placeholder":true,"num":true}]', b""])
@example(["40", '42["message",' + "[" * 31 + "]" * 31 + "]"])
@example(["40", '42["message",' + "[" * 100_000])
def test_what_is_malformed_ends_the_conversation_and_nothing_else_does(script: list[Message]) -> None:
    asyncio.run(play(script))


@in_a_loop
async def test_hostile_clients_leave_a_server_that_serves() -> None:
    """The same on sockets: some at once; afterwards nothing of them is left, and the next client is served."""
    scripts = _drawn(SCRIPTS, max(EXAMPLES // 10, 20))
    async with served() as address:
        for start in range(0, len(scripts), 10):
            await asyncio.gather(*(_visit(address, script) for script in scripts[start : start + 10]))
        async with bare(address, "40") as client:
            assert await say(client, ['42["message"]', 1]) == ['42["message-back"]']
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - {asyncio.current_task()}}  # type: ignore[union-attr]
    assert names == set()


def _drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """So many examples, the same on each run."""
    found: list[Any] = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found


async def _visit(address: str, script: Sequence[Message]) -> None:
    async with bare(address) as client:
        await say(client, script)
        with contextlib.suppress(Exception):
            await client.send("1")
        await until_closed(client)


@in_a_loop
async def test_attachments_without_end_are_not_kept() -> None:
    """A packet may announce 64 attachments; their bytes together are limited, and the connection ends there."""
    conversation, chunk = Conversation(), bytes(900_000)
    await conversation.receive("40")
    holes = ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(64))
    await conversation.receive(f'4564-["message",{holes}]')
    taken = 0
    with contextlib.suppress(reference().Violation):
        while taken < 64:
            await conversation.receive(chunk)
            taken += 1
    assert taken * len(chunk) <= reference().LIMITS.size_bytes
    await conversation.session.end()


# --- the codec and the framework's own packet classes

NICE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
SPACES = st.sampled_from(["/", "/custom", "/a-b", "/ü"])
KINDS = {"event": library.EVENT, "answer": library.ACK}


@fuzz
@given(st.sampled_from(list(KINDS)), SPACES, st.none() | st.integers(0, 2**53 - 1), st.lists(NICE, max_size=4))
def test_the_codec_and_python_socketio_read_each_other(
    kind: str, namespace: str, id: int | None, values: list[Any]
) -> None:
    data = ["name", *values] if kind == "event" else values
    id = id if kind == "event" else id or 0
    assert read_by_us(written_by_library(KINDS[kind], namespace, id, data)) == (kind, data, namespace, id, 0)
    without, attachments = reference().split(data)
    envelope = reference().Envelope(kind, without, namespace, id, len(attachments))
    seen = read_by_library([reference().encode_packet(envelope), *attachments])
    kinds = (KINDS[kind], KINDS[kind] + 3)
    assert (seen.packet_type, seen.namespace or "/", seen.id, seen.data) == (
        kinds[bool(attachments)],
        namespace,
        id,
        data,
    )


@fuzz
@given(
    st.sampled_from([("join", library.CONNECT), ("refused", library.CONNECT_ERROR)]),
    SPACES,
    st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
)
def test_joins_and_refusals_too(kind: tuple[str, int], namespace: str, data: dict[str, str]) -> None:
    ours, theirs = kind
    assert read_by_us(written_by_library(theirs, namespace, None, data)) == (ours, data, namespace, None, 0)
    seen = read_by_library([reference().encode_packet(reference().Envelope(ours, data, namespace))])
    assert (seen.packet_type, seen.namespace or "/", seen.data) == (theirs, namespace, data)


def written_by_library(kind: int, namespace: str, id: int | None, data: Any) -> list[Message]:
    """The WebSocket messages of a packet, by python-socketio and python-engineio."""
    packets = library.Packet(kind, data=data, namespace=namespace, id=id).encode()
    packets = packets if isinstance(packets, list) else [packets]
    return [engine_library.Packet(engine_library.MESSAGE, packet).encode() for packet in packets]


def read_by_us(messages: Sequence[Message]) -> Any:
    engine, assembler = (
        reference().Engine(options(), 0.0),
        reference().Assembler(reference().guarded(reference().decode_packet)),
    )
    envelopes = [assembler.receive(engine.receive(message, 0.0)) for message in messages]
    assert envelopes[:-1] == [None] * (len(messages) - 1)
    return envelopes[-1]


def read_by_library(messages: Sequence[Message]) -> Any:
    """The packet that python-socketio makes of our messages."""
    inner = [
        engine_library.Packet(encoded_packet=message if isinstance(message, bytes) else f"4{message}")
        for message in messages
    ]
    seen = library.Packet(encoded_packet=str(messages[0]))
    for attachment in inner[1:]:
        seen.add_attachment(attachment.data)
    return seen

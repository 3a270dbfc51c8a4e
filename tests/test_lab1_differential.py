"""Lab 1's reference beside wsproto and websockets: any frames, cut anywhere, mean the same to all three."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from websockets.frames import CloseCode
from websockets.protocol import OPEN, SERVER, Protocol
from wsproto.connection import Connection as WsConnection
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError

from tests.lab1 import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame, reference, sent

Heard = tuple[list[str | bytes], list[bytes], int | None]  # messages, pings, the code of the close (1005: none in it)

repeatable = settings(deadline=None, derandomize=True, database=None)

payloads = some.binary(max_size=6) | some.text(max_size=6).map(str.encode) | some.binary(min_size=120, max_size=130)
well_formed = some.builds(
    frame, some.sampled_from([CONTINUATION, TEXT, BINARY, PING, PONG, TEXT, CONTINUATION]), payloads, some.booleans()
)
known = some.integers(990, 1020).filter(lambda code: code != 1014)  # wsproto does not know that one
codes = some.binary(max_size=4) | known.map(lambda n: n.to_bytes(2, "big"))
closes = some.builds(frame, some.just(CLOSE), codes)
bits, masks = some.sampled_from([0, 0, 0, 0, 4, 1]), some.sampled_from([True, True, True, False])
any_frames = some.builds(frame, some.integers(0, 15), payloads, some.booleans(), bits, masks)
long_fields = some.builds(frame, some.just(BINARY), payloads, field=some.sampled_from([0, 16, 64]))
streams = some.lists(well_formed | well_formed | closes | any_frames | long_fields, max_size=8).map(b"".join)
messages = some.lists(some.text(max_size=5) | some.binary(max_size=5), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces that end at these places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def ours(pieces: list[bytes]) -> Heard:
    connection = reference().Connection("server")
    heard = [message for piece in pieces for message in connection.receive(piece)]
    answers = list(sent(connection.take()))
    closed = [int.from_bytes(f.payload[:2], "big") if f.payload else 1005 for f in answers if f.opcode == CLOSE]
    return heard, [f.payload for f in answers if f.opcode == PONG], closed[0] if closed else None


def wsproto(pieces: list[bytes]) -> Heard:
    connection = WsConnection(ConnectionType.SERVER)
    heard: list[str | bytes] = []
    pings: list[bytes] = []
    part: Any = None
    for piece in pieces:
        try:
            connection.receive_data(piece)
            for event in connection.events():
                if isinstance(event, TextMessage | BytesMessage):
                    part = event.data if part is None else part + event.data
                    if event.message_finished:
                        heard.append(part)
                        part = None
                elif isinstance(event, Ping):
                    pings.append(bytes(event.payload))
                elif isinstance(event, CloseConnection):
                    return heard, pings, int(event.code)
        except RemoteProtocolError as error:
            return heard, pings, int(getattr(error.event_hint, "code", 0))
    return heard, pings, None


@settings(repeatable, max_examples=400)
@given(streams, some.lists(some.integers(0, 2000), max_size=12))
def test_we_hear_what_wsproto_hears(data: bytes, places: list[int]) -> None:
    """Messages, pings and the close, in any stream of good and bad frames."""
    pieces = cut(data, places)
    assert ours(pieces) == wsproto([data])


@settings(repeatable, max_examples=300)
@given(streams, some.lists(some.integers(0, 2000), max_size=12))
def test_the_cuts_change_nothing(data: bytes, places: list[int]) -> None:
    assert ours(cut(data, places)) == ours([data]) == ours([data[i : i + 1] for i in range(len(data))])


@settings(repeatable, max_examples=200)
@given(some.lists(well_formed, max_size=8).map(b"".join), some.lists(some.integers(0, 2000), max_size=12))
def test_websockets_finds_the_same_sequences_wrong(data: bytes, places: list[int]) -> None:
    """It leaves UTF-8 to its upper layer, so its verdict is compared where ours is not 1007."""
    protocol = Protocol(SERVER, state=OPEN, max_size=2**20)
    protocol.receive_data(data)
    _, pings, code = ours(cut(data, places))
    if code == CloseCode.INVALID_DATA:
        return
    answers = list(sent(b"".join(protocol.data_to_send())))
    assert [f.payload for f in answers if f.opcode == PONG] == pings
    closed = [int.from_bytes(f.payload[:2], "big") for f in answers if f.opcode == CLOSE]
    assert closed == ([] if code is None else [code])


@settings(repeatable, max_examples=100)
@given(messages, some.integers(1, 7), some.sampled_from(["client", "server"]))
def test_our_two_ends_understand_each_other(said: list[str | bytes], size: int, role: str) -> None:
    """What we send, and what we send in fragments, arrives at our own other end whole."""
    lab = reference()
    other = lab.Connection("server" if role == "client" else "client")
    for sender in (lab.Connection(role), lab.PatientConnection(role, fragment_size=size)):
        for message in said:
            sender.send(message)
        data = b"".join(iter(sender.take, b""))
        assert list(other.receive(data)) == said


@settings(repeatable, max_examples=200)
@given(some.binary(max_size=40), some.binary(min_size=4, max_size=4), some.integers(0, 9))
def test_mask_at_any_offset(data: bytes, key: bytes, offset: int) -> None:
    """Section 5.3: octet i of the payload with octet i modulo 4 of the key."""
    expected = bytes(octet ^ key[(i + offset) % 4] for i, octet in enumerate(data))
    assert reference().mask(data, key, offset) == expected
    assert reference().mask(expected, key, offset) == data


@settings(repeatable, max_examples=100)
@given(
    some.sampled_from([TEXT, BINARY, PING]), some.integers(0, 300) | some.sampled_from([65535, 65536]), some.booleans()
)
def test_frames_are_written_as_expected(opcode: int, size: int, masked: bool) -> None:
    payload = bytes(i & 255 for i in range(size))
    ours = reference().encode_frame(opcode, payload, True, KEY if masked else None)
    assert ours == frame(opcode, payload, masked=masked)


@pytest.mark.parametrize("length", [2**20, 2**22])
def test_many_small_pieces_make_a_long_message(length: int) -> None:
    """Of thousands of fragments, cut where frames do not end, and quickly: pytest's limit would stop quadratic work."""
    data = frame(BINARY, b"", False) + frame(CONTINUATION, bytes(1000), False) * (length // 1000) + frame(CONTINUATION)
    heard, _, code = ours([data[i : i + 4096] for i in range(0, len(data), 4096)])
    assert ([len(m) for m in heard], code) == ([length // 1000 * 1000], None)

"""Each reader is fed whole, byte by byte, and with trailing bytes; each agrees with the encoder of its library."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from engineio.packet import Packet as EngineEncoder
from engineio.payload import Payload
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import Packet as SocketEncoder
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode

from midspan.errors import Refusal
from midspan.protocols.capture import Garbage, Partial, Record, quoted, read_tls_records, shown
from midspan.protocols.engineio import PACKET_TYPES as ENGINE_TYPES
from midspan.protocols.engineio import EnginePacket, read_engine_packet, read_polling_payload
from midspan.protocols.http import HttpHead, read_http
from midspan.protocols.socketio import PACKET_TYPES as SOCKET_TYPES
from midspan.protocols.socketio import Attachment, Reunion, Reunited, read_socket_packet
from midspan.protocols.websocket import OPCODES, Assembler, Frame, Message, describe_close, negotiated, read_frames

HELLO_MASKED = bytes.fromhex("818537fa213d7f9f4d5158")  # RFC 6455, section 5.7
REQUEST = b"GET /chat HTTP/1.1\r\nHost: localhost:8443\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
POST = b"POST /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n40{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n"

frames = st.builds(
    LibraryFrame, st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]), st.binary(max_size=300), st.booleans()
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.tuples(frames, st.booleans()), max_size=4), st.binary(max_size=1))
def test_frames_agree_with_the_library(sent: list[tuple[LibraryFrame, bool]], trailing: bytes) -> None:
    """Whatever the library writes is read as it was meant, and what follows is handed back."""
    data = [frame.serialize(mask=mask) for frame, mask in sent]
    read, rest = read_frames(b"".join(data) + trailing)
    assert [(f.opcode, f.payload, f.fin, f.masked) for f in read] == [(f.opcode, f.data, f.fin, m) for f, m in sent]
    assert [f.raw for f in read] == data
    assert rest == trailing
    assert all(f.header + f.mask_key + f.payload for f in read)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize("masked", [False, True])
def test_a_frame_byte_by_byte(size: int, masked: bool) -> None:
    """Until its last byte a frame is not there; header and key are cut off at each of the three lengths."""
    data = LibraryFrame(Opcode.BINARY, bytes(size)).serialize(mask=masked)
    header = 2 if size < 126 else 4 if size < 65536 else 10
    for cut in {*range(min(16, len(data))), len(data) - 1}:
        assert read_frames(data[:cut]) == ((), data[:cut])
    frame, rest = Frame.parse(data + b"\x81")
    assert (len(frame.header), len(frame.mask_key), len(frame.payload)) == (header, 4 if masked else 0, size)
    assert rest == b"\x81"


@pytest.mark.parametrize(
    ("data", "line", "fault"),
    [
        (HELLO_MASKED, 'TEXT fin mask=37fa213d 5 bytes "Hello"', ""),
        (bytes.fromhex("89026869"), "PING 2 bytes 6869", ""),
        (bytes.fromhex("8a00"), "PONG 0 bytes", ""),
        (b"\x88\x05\x03\xe8bye", 'CLOSE 1000 "bye"', ""),
        (b"\x88\x00", "CLOSE", ""),
        (b"\x88\x01\x03", "CLOSE 03", ""),
        (b"\x01\x03Hel", 'TEXT 3 bytes "Hel"', ""),
        (b"\x82\x02\x00\xff", "BINARY fin 2 bytes 00ff", ""),
        (b"\x81\x02\xff\xfe", "TEXT fin 2 bytes fffe", ""),
        (b"\x83\x00", "RESERVED 0x3 fin 0 bytes", "invalid opcode"),
        (b"\xa1\x00", "TEXT fin rsv2 0 bytes", "reserved bits must be 0"),
        (b"\x09\x00", "PING 0 bytes", "fragmented control frame"),
        (b"\x89\x7e\x00\x7e" + bytes(126), f"PING 126 bytes {'00' * 33}0 ... {'0' * 67}", "control frame too long"),
    ],
)
def test_a_frame_in_a_line(data: bytes, line: str, fault: str) -> None:
    """A frame's text is one wire line; what a peer must refuse is shown, with the library's complaint."""
    frame, rest = Frame.parse(data)
    assert rest == b""
    assert frame.fault == fault
    if fault != "control frame too long":
        assert str(frame) == line


def test_every_opcode_has_the_words_of_the_specification() -> None:
    """The table is that of RFC 6455, section 5.2, and the library knows the same opcodes."""
    assert set(OPCODES) == set(Opcode)
    assert all(words.startswith("denotes a ") for _, words in OPCODES.values())
    assert describe_close(b"\x03\xe8bye") == "1000 (OK) bye"
    assert describe_close(b"\x03").startswith("malformed")


def test_fragments_and_deflate() -> None:
    """A message is joined from its fragments, inflated with the state of those before it, pings passing through."""
    response = b"HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n\r\n"
    head = read_http(response, _head(REQUEST))
    assert head is not None
    inflate = negotiated(head.head)
    assert inflate is not None
    encoder = ClientPerMessageDeflateFactory().process_response_params([("client_max_window_bits", "12")], [])
    assembler, found = Assembler(inflate["client"]), []
    for text in (b"raining in Bergen, raining in Bergen", b"raining in Bergen, raining in Bergen"):
        for frame in (LibraryFrame(Opcode.TEXT, text[:9], fin=False), LibraryFrame(Opcode.CONT, text[9:])):
            found.append(assembler.feed(Frame.parse(frame.serialize(mask=True, extensions=[encoder]))[0]))
            assert assembler.feed(Frame.parse(b"\x89\x00")[0]) is None
    first, again = (message for message in found if isinstance(message, Message))
    assert first.data == again.data == b"raining in Bergen, raining in Bergen"
    assert len(again.raw) < len(first.raw)
    assert str(first) == (
        "text message of 2 fragments, 36 bytes inflated from "
        f'{sum(len(f.payload) for f in first.frames)} bytes: "raining in Bergen, raining in Bergen"'
    )


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ((b"\x80\x00",), "a continuation of nothing"),
        ((b"\x01\x00", b"\x81\x00"), "a new message inside a fragmented one"),
        ((b"\xc1\x02\xff\xff",), "decompression failed"),
    ],
)
def test_what_breaks_a_message(sent: tuple[bytes, ...], why: str) -> None:
    """Fragments out of order and bytes that do not inflate become a record that says so."""
    head = read_http(b"HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", _head(REQUEST))
    assert head is not None
    inflate = negotiated(head.head)
    assert inflate is not None
    assembler = Assembler(inflate["client"])
    *_, last = [assembler.feed(Frame.parse(data)[0]) for data in sent]
    assert isinstance(last, Garbage)
    assert last.why == why


@pytest.mark.parametrize("data", [REQUEST, POST, CHUNKED, SWITCHING])
def test_http_whole_byte_by_byte_and_with_more_behind(data: bytes) -> None:
    """A head is there with its empty line, a body with its last byte, and the rest is handed back."""
    request = None if data[:4] != b"HTTP" else _head(REQUEST)
    head_at = data.index(b"\r\n\r\n") + 4
    for cut in range(len(data)):
        message = read_http(data[:cut], request)
        assert (message is None) == (cut < head_at)
        assert message is None or not message.complete or cut >= head_at
    whole = read_http(data + b"GET", request)
    assert whole is not None
    assert (whole.complete, whole.rest) == (True, b"GET")
    assert whole.head.raw + (whole.body.raw if whole.body else b"") == data


def test_http_heads_and_bodies() -> None:
    """One line for a head, the content of a chunked body, a body that ends with its connection."""
    request, response, until_end = _head(REQUEST), read_http(CHUNKED, _head(REQUEST)), None
    assert str(request) == "GET /chat"
    assert request.header("UPGRADE") == "websocket"
    assert request.header("Origin") == ""
    assert request.text().splitlines()[1] == "Host: localhost:<port>"
    assert request.text(hide=False).splitlines()[1] == "Host: localhost:8443"
    assert response is not None
    assert response.body is not None
    assert (str(response.head), response.body.data, str(response.body)) == ("200 OK", b"Hello", 'body 5 bytes "Hello"')
    data = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    until_end = read_http(data, request)
    assert until_end is not None
    assert not until_end.complete
    until_end = read_http(data, request, ended=True)
    assert until_end is not None
    assert until_end.complete
    short = read_http(POST[:-1], ended=True)
    assert short is not None
    assert not short.complete


@given(st.integers(0, 6), st.text(max_size=20))
def test_engine_packets_agree_with_the_library(packet_type: int, data: str) -> None:
    """What python-engineio writes for text is read as its type and its data."""
    packet = read_engine_packet(EngineEncoder(packet_type, data).encode())
    assert (packet.type, packet.data) == (packet_type, data)
    assert packet.header + data.encode() == packet.raw


@given(
    st.lists(
        st.tuples(
            st.just(4),
            st.text(st.characters(codec="utf-8", exclude_characters="\x1e"), max_size=9) | st.binary(max_size=9),
        ),
        max_size=5,
    )
)
def test_polling_payloads_agree_with_the_library(sent: list[tuple[int, str | bytes]]) -> None:
    """Packets are cut at the record separator; bytes come back from base64."""
    body = Payload([EngineEncoder(kind, data) for kind, data in sent]).encode().encode()
    read = read_polling_payload(body)
    assert [(p.type, p.data) for p in read if isinstance(p, EnginePacket)] == sent


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        (read_engine_packet('0{"sid":"a"}'), '0 open {"sid":"a"}'),
        (read_engine_packet("2probe"), '2 ping "probe"'),
        (read_engine_packet("6"), "6 noop"),
        (read_engine_packet(b"\x01\x02"), "message, binary 0102"),
        (read_engine_packet("bAQI=", "polling"), "b message, 2 bytes in base64 0102"),
        (
            read_socket_packet('2/chat,12["typing_start",{"room":"a"}]'),
            '2 EVENT /chat #12 ["typing_start",{"room":"a"}]',
        ),
        (read_socket_packet("0"), "0 CONNECT"),
        (read_socket_packet("0/admin"), "0 CONNECT /admin"),
        (read_socket_packet("31[]"), "3 ACK #1 []"),
        (read_socket_packet('4{"message":"no"}'), '4 CONNECT_ERROR {"message":"no"}'),
        (
            read_socket_packet('51-["a",{"_placeholder":true,"num":0}]'),
            '5 BINARY_EVENT 1 attachment ["a",{"_placeholder":true,"num":0}]',
        ),
        (Partial("frame", b"\x81"), "incomplete frame: 1 byte 81"),
        (Garbage("HTTP", "no verb", b"<x>"), 'not HTTP: 3 bytes "<x>" (no verb)'),
    ],
)
def test_a_record_in_a_line(packet: Record, line: str) -> None:
    """The string form of a record is the lesson; its repr is the same, so that a cell shows it."""
    assert str(packet) == repr(packet) == line
    assert isinstance(packet.raw, bytes)


@given(
    st.sampled_from([2, 3]),
    st.sampled_from(["/", "/chat", "/a-b"]),
    st.none() | st.integers(0, 10**6),
    st.lists(values, max_size=3),
)
def test_socket_packets_agree_with_the_library(kind: int, namespace: str, ack_id: int | None, data: list[Any]) -> None:
    """Text and attachments of python-socketio come back as the data that went in; the fields join to the text again."""
    encoded = SocketEncoder(kind, ["event", *data], namespace, ack_id).encode()
    text, *attachments = encoded if isinstance(encoded, list) else [encoded]
    packet = read_socket_packet(text)
    assert (packet.namespace, packet.ack_id, packet.expected_attachments) == (namespace, ack_id, len(attachments))
    assert b"".join(part for _, part in packet.parts()) == packet.raw == text.encode()
    reunion, last = Reunion(), (Reunited(packet),)
    reunion.packet(packet)
    for number, attachment in enumerate(attachments):
        found = reunion.binary(attachment)
        assert found is not None
        assert isinstance(found[0], Attachment)
        assert found[0].number == number
        last = found  # type: ignore[assignment]
    assert isinstance(last[-1], Reunited)
    assert last[-1].packet.message == ["event", *data]
    assert reunion.binary(b"nobody waits for this") is None


def test_the_tables_are_those_of_the_specifications() -> None:
    """Types are numbered from 0 without a gap, and the libraries give them the same names."""
    from engineio.packet import packet_names as engine_names
    from socketio.packet import packet_names as socket_names

    assert [name.upper() for name, _ in ENGINE_TYPES.values()] == engine_names
    assert [name for name, _ in SOCKET_TYPES.values()] == socket_names
    assert list(ENGINE_TYPES) == list(SOCKET_TYPES) == list(range(7))


def test_tls_records() -> None:
    """A record is there with its last byte; its header says type and length."""
    data = bytes.fromhex("1703030003") + b"abc"
    for cut in range(len(data)):
        assert read_tls_records(data[:cut]) == ((), data[:cut])
    records, rest = read_tls_records(data + data[:2])
    assert [str(record) for record in records] == ["application_data 3 bytes"]
    assert rest == data[:2]


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: Frame.parse(as_any("text")), "Expected bytes of a WebSocket stream, but got 'text'."),
        (lambda: Frame.parse(b"\x81"), "Expected a whole frame"),
        (lambda: read_frames(as_any(None)), "Expected bytes of a WebSocket stream, but got None."),
        (lambda: read_http(as_any("GET")), "Expected bytes from one side of a connection"),
        (lambda: read_http(b"\x16\x03\x01 not http\r\n\r\n"), "Expected the head of a request (RFC 9112)"),
        (lambda: read_http(b"nonsense\r\n\r\n", _head(REQUEST)), "Expected the head of a response (RFC 9112)"),
        (lambda: read_engine_packet(""), "Expected a packet that begins with its type, 0 to 6"),
        (lambda: read_engine_packet("hello"), "but got 'hello'"),
        (lambda: read_engine_packet("7"), "Engine.IO v4 knows no other packet"),
        (lambda: read_engine_packet("bA", "polling"), "Expected a packet"),
        (lambda: read_engine_packet(as_any(4)), "Expected the payload of a message, but got 4."),
        (lambda: read_engine_packet("4", as_any("carrier pigeon")), "Expected a transport, 'websocket' or 'polling'"),
        (lambda: read_socket_packet(""), "Expected a packet that begins with its type, 0 to 6"),
        (lambda: read_socket_packet("9"), "Socket.IO v5 knows no other"),
        (lambda: read_socket_packet("2[not json"), "Expected namespace, ack id and JSON after the type"),
        (lambda: read_socket_packet("2" + "[" * 10**5), "Expected namespace, ack id and JSON after the type"),
        (lambda: read_socket_packet(as_any(b"2")), "Expected the text of an Engine.IO message"),
        (lambda: read_socket_packet('51-["a"]').message, "Expected 1 attachments, but got 0."),
        (lambda: read_polling_payload(as_any("4")), "Expected the body of a polling request or response"),
        (lambda: read_tls_records(as_any("x")), "Expected bytes of a TLS stream"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """Every reader says what it expected, what came and what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)


@given(st.binary(max_size=64) | st.text(max_size=64))
def test_anything_can_be_shown_in_one_line(data: bytes | str) -> None:
    """A payload is never more than a line, and never fails to show."""
    assert "\n" not in shown(data)
    assert quoted('{"a":1}') == "'{\"a\":1}'"


@given(st.binary(max_size=200))
def test_no_bytes_break_a_reader(data: bytes) -> None:
    """Any bytes at all are read or refused: no other exception leaves a reader."""
    read_frames(data)
    read_tls_records(data)
    read_polling_payload(data)
    for request in (None, _head(REQUEST)):
        with suppress(Refusal):
            read_http(data, request, ended=True)


def as_any(value: object) -> Any:
    """A value of the wrong type, past the type checker."""
    return value


def _head(data: bytes) -> HttpHead:
    message = read_http(data)
    assert message is not None
    return message.head

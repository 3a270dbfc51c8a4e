"""A capture read as a whole: the same bytes give the same records however they were cut, and nothing makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan.errors import Refusal
from midspan.protocols.capture import SIDES, Capture, Chunk, Garbage, Partial, Side
from midspan.protocols.dissecting import SAMPLES, dissect, names, sample
from midspan.protocols.exchange import Exchange
from midspan.protocols.layering import Stack, layers
from midspan.protocols.websocket import Frame

GET = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
SOCKETIO_GET = GET.replace(b" / ", b" /socket.io/?EIO=4&transport=websocket ")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

# The conversations are recorded, so their lines are known to the letter.
RAW = """\
client -> server  TCP opened
client -> server  GET /
server -> client  101 Switching Protocols
client -> server  TEXT fin masked 44 bytes '{"event":"typing_start","data":{"room":"a"}}'
server -> client  TEXT fin 44 bytes '{"event":"typing_start","data":{"room":"a"}}'
client -> server  PING masked 2 bytes 6869
server -> client  PONG 2 bytes 6869
client -> server  CLOSE masked 1000
server -> client  CLOSE 1000
server -> client  TCP ended (FIN)
client -> server  TCP ended (FIN)"""

LAYERS = """\
TLS record              5 bytes  17 03 03 00 3d               application_data, 61 bytes follow, encrypted
  frame header          2 bytes  81 a6                        TEXT fin masked 38 bytes
    mask                4 bytes  ?? ?? ?? ??                  XORed over all that follows
      Engine.IO          1 byte  34                           4 message
        Socket.IO        1 byte  32                           2 EVENT: Used to send data to the other side.
          namespace     6 bytes  2f 63 68 61 74 2c            /chat
            ack id       1 byte  31                           answer with ACK 1
              JSON     29 bytes  5b 22 74 79 70 69 6e 67 ...  event "typing_start", then its arguments
TLS tag                17 bytes  ?? ?? ?? ?? ?? ?? ?? ?? ...  true content type, authentication tag
in all                 66 bytes"""


def conversation(*said: tuple[Side, bytes]) -> Capture:
    """One connection from its opening on."""
    opened = Chunk(1, "client", 0.0, "opened")
    return Capture((opened, *(Chunk(1, side, float(at), "data", data) for at, (side, data) in enumerate(said, 1))))


def lines(*said: tuple[Side, bytes]) -> list[str]:
    """What the dissector makes of it, without the line on the opening."""
    return str(dissect(conversation(*said))).splitlines()[1:]


def byte_by_byte(capture: Capture) -> Capture:
    """The same capture with one byte of plaintext in each chunk."""
    cut = []
    for chunk in capture:
        single = [Chunk(chunk.connection, chunk.sender, chunk.at_s, "data", bytes([byte])) for byte in chunk.data]
        cut += single if chunk.kind == "data" else [chunk]
    return Capture(tuple(cut))


def test_a_recorded_conversation_in_lines() -> None:
    """An upgrade, masked and unmasked frames, control frames, both closings."""
    assert str(dissect(sample("raw"))) == RAW


def test_socketio_layers_are_named_inside_the_frame() -> None:
    """The request's path says Socket.IO, so each frame is opened twice."""
    seen = dissect(sample("socketio"))
    assert str(seen.find("typing_start")) == (
        'client -> server  TEXT fin masked 32 bytes | 4 message | 2 EVENT #1 ["typing_start",{"room":"a"}]'
    )
    assert [packet.name for packet in seen.packets()] == ["CONNECT", "CONNECT", "EVENT", "ACK"]


def test_session_ids_are_numbered_in_the_order_of_appearance() -> None:
    """Lines are equal on each run; the ids themselves can be asked for; a part numbers as the whole does."""
    seen = dissect(sample("upgrade"))
    first, second, third = seen.sids
    assert "&sid=<sid 1>" in str(seen)
    assert '0 CONNECT /chat {"sid":"<sid 3>"}' in str(seen)
    assert not any(sid in str(seen) for sid in (first, second, third))
    assert first in seen.text(hide=False)
    assert "<sid 3>" in str(seen[-9:])
    assert "<sid 3>" in str(seen.frames().sent_by("server"))


def test_polling_bodies_hold_several_packets() -> None:
    """A body's packets stand in one line, attachments reunited with their packet; connections are told apart."""
    seen = dissect(sample("polling"))
    assert seen.connections == (1, 2)
    line = seen.find("BINARY_EVENT 1 attachment").what
    assert line.endswith(
        "+ b message, 4 bytes in base64 | attachment 1 of 1: 89504e47 "
        '| complete BINARY_EVENT ["upload",{"photo":"<4 bytes>"}]'
    )
    assert seen.packets()[-1].name == "DISCONNECT"
    assert all(line[0] in "12" for line in str(seen).splitlines())


def test_fragments_and_compression_are_undone() -> None:
    """The frame that ends a message carries it; both senders' deflate states are kept."""
    fragments, deflate = dissect(sample("fragments")), dissect(sample("deflate"))
    assert fragments.messages()[0].data == b"Midspan"
    assert "text message of 4 fragments" in str(fragments)
    assert len({message.data for message in deflate.messages()}) == 1
    sizes = [len(message.raw) for message in deflate.messages()]
    assert max(sizes[2:]) < min(sizes[:2])


@pytest.mark.parametrize("name", names())
def test_chunks_mean_nothing(name: str) -> None:
    """Byte by byte, the records and their order within a direction stay the same."""
    whole, cut = dissect(sample(name)), dissect(byte_by_byte(sample(name)))
    for connection in whole.connections:
        for side in SIDES:
            assert str(cut.of(connection).sent_by(side)) == str(whole.of(connection).sent_by(side))


@pytest.mark.parametrize("name", names())
def test_every_byte_is_somewhere(name: str) -> None:
    """No byte of plaintext is lost, and none is shown twice."""
    capture = sample(name)
    for connection in capture.connections:
        for side in SIDES:
            seen = dissect(capture).of(connection).sent_by(side)
            raw = b"".join(
                s.record.raw + b"".join(r.raw for r in s.inside if type(r).__name__ == "HttpBody") for s in seen
            )
            assert raw == capture.of(connection).sent_by(side)


def test_what_is_not_finished_is_partial() -> None:
    """Bytes at the end that begin something are shown as such, in a head, a body and a frame."""
    assert lines(("client", b"GET / HT")) == ['client -> server  incomplete HTTP head: 8 bytes "GET / HT"']
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHel"
    assert lines(("client", post)) == ['client -> server  POST / | incomplete body: 3 bytes "Hel"']
    seen = lines(("client", GET), ("server", SWITCHING), ("server", b"\x81\x05Hel"))
    assert seen[-1] == "server -> client  incomplete frame: 5 bytes 810548656c"


def test_what_is_nothing_known_is_garbage() -> None:
    """A protocol the dissector does not know, and payloads that are no packets."""
    assert lines(("client", b"\x00\x01\x02"))[0].startswith("client -> server  not HTTP: 3 bytes 000102 (h11 says: ")
    upgrade: tuple[tuple[Side, bytes], ...] = (("client", SOCKETIO_GET), ("server", SWITCHING))
    seen = lines(*upgrade, ("server", b"\x81\x05hello"), ("server", b"\x81\x014"), ("server", b"\x81\x03\xff\xfe\xfd"))
    assert seen[2] == (
        'server -> client  TEXT fin 5 bytes | not an Engine.IO packet: 5 bytes "hello" '
        "(expected a packet that begins with its type, 0 to 6)"
    )
    assert "4 message | not a Socket.IO packet: 0 bytes" in seen[3]
    assert "not an Engine.IO packet: 3 bytes fffefd (not UTF-8)" in seen[4]


def test_what_a_peer_must_refuse_is_marked() -> None:
    """The line of a frame that breaks RFC 6455 says how."""
    seen = lines(
        ("client", GET), ("server", SWITCHING), ("client", b"\x81\x00\x83\x80abcd"), ("server", b"\xa1\x80abcd")
    )
    assert [line.rpartition("(breaks RFC 6455: ")[2] for line in seen[2:]] == [
        "incorrect masking)",
        "invalid opcode)",
        "reserved bits must be 0)",
    ]


def test_a_refused_upgrade_stays_http() -> None:
    """After any answer but 101 the next request is HTTP again; a refusal's body is not a payload."""
    refusal = b'HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n"no such"'
    seen = lines(("client", SOCKETIO_GET), ("server", refusal), ("client", GET), ("server", SWITCHING))
    assert seen[1] == "server -> client  400 Bad Request | body 9 bytes '\"no such\"'"
    assert seen[2:] == ["client -> server  GET /", "server -> client  101 Switching Protocols"]


def test_without_the_beginning_frames_are_still_frames() -> None:
    """A capture that begins inside an open WebSocket is read as frames; with `since` nothing is forgotten."""
    assert str(dissect(Capture((Chunk(1, "server", 0.0, "data", b"\x81\x02Hi"),)))) == (
        'server -> client  TEXT fin 2 bytes "Hi"'
    )
    capture = sample("deflate")
    mark = next(i for i, chunk in enumerate(capture) if chunk.data[:1] == b"\xc1")
    assert str(dissect(capture.since(mark))) == str(dissect(capture)[3:])
    assert Capture.from_json(capture.since(mark).to_json()) == capture.since(mark)


def test_a_reset_and_a_conversation_that_never_answers() -> None:
    """TCP's own events are records; an unanswered request stands alone."""
    capture = Capture((*conversation(("client", GET)), Chunk(1, "server", 9.0, "reset")))
    assert str(dissect(capture)).splitlines()[1:] == ["client -> server  GET /", "server -> client  TCP reset (RST)"]
    assert str(dissect(Capture())) == "(nothing seen)"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(SIDES), st.binary(max_size=40)), max_size=6), st.booleans())
def test_nothing_makes_it_fail(said: list[tuple[Side, bytes]], upgraded: bool) -> None:
    """Any bytes on any connection become records whose lines can be printed."""
    upgrade: tuple[tuple[Side, bytes], ...] = (("client", SOCKETIO_GET), ("server", SWITCHING)) if upgraded else ()
    seen = dissect(conversation(*upgrade, *said))
    assert len(str(seen).splitlines()) == len(seen)
    assert all(isinstance(s.record, (Partial, Garbage)) or s.record.raw or s.inside == () for s in seen)


def test_an_exchange_is_narrowed() -> None:
    """By connection, sender, time, kind and text; a slice is an exchange again."""
    seen = dissect(sample("raw"))
    assert len(seen.frames()) == 6
    assert [str(head) for head in seen.heads()] == ["GET /", "101 Switching Protocols"]
    assert len(seen.sent_by("client")) + len(seen.sent_by("server")) == len(seen)
    assert seen.between(0, 1e9) == seen[:]
    assert len(seen.between(0, 0)) == 0
    assert isinstance(seen[1:3], Exchange)
    assert isinstance(seen.frames()[0].record, Frame)
    assert repr(seen[1]) == str(seen[1]) == "client -> server  GET /"


def test_layers_of_an_acknowledged_event_in_a_namespace() -> None:
    """Every byte that TCP carries belongs to one layer; what is random is not in the text."""
    cut = layers(dissect(sample("upgrade")).find("EVENT /chat"))
    assert str(cut) == LAYERS
    mask = cut.layer("mask").data
    assert bytes(byte ^ mask[2] for byte in cut.layer("namespace").wire[:1]) == b"/"
    assert "?? ??" not in cut.text(hide=False)


@pytest.mark.parametrize("name", names())
def test_layers_lose_no_byte(name: str) -> None:
    """Joined again, the layers are the record; their wire side is what stood inside the TLS record."""
    for seen in dissect(sample(name)):
        if type(seen.record).__name__ not in ("Frame", "HttpHead"):
            continue
        cut = layers(seen)
        inner = [layer for layer in cut if not layer.name.startswith("TLS")]
        body = b"".join(r.raw for r in seen.inside if type(r).__name__ == "HttpBody")
        assert b"".join(layer.wire for layer in inner) == seen.record.raw + body
        assert cut.tls is None or cut.size_bytes == len(cut.tls.raw)


def test_layers_of_frames_alone() -> None:
    """A frame without its sighting is cut too: a close code and its reason, an empty payload."""
    assert layers(Frame.parse(b"\x88\x05\x03\xe8bye")[0]).names == ("frame header", "close code", "close reason")
    assert layers(Frame.parse(b"\x81\x00")[0]).names == ("frame header",)
    assert isinstance(layers(dissect(sample("raw")).frames()[0])[:2], tuple)


def test_every_sample_says_what_it_holds() -> None:
    """A sample is there for each name, and every file belongs to one."""
    assert all(SAMPLES[name] and len(sample(name)) > 10 for name in names())


def as_any(value: object) -> Any:
    """A value of the wrong type, past the type checker."""
    return value


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: dissect(as_any(b"bytes")), "Expected a Capture, but got b'bytes'."),
        (lambda: dissect(sample("raw")).of(2), "Expected a connection seen here (1), but got 2."),
        (lambda: dissect(sample("raw")).sent_by(as_any("tap")), "Expected a side, 'client' or 'server'"),
        (lambda: dissect(sample("raw")).between(2, 1), "Expected a start no later than the end"),
        (lambda: dissect(sample("raw")).find("typing_stop"), "Expected text that stands in one of the lines"),
        (lambda: dissect(sample("raw")).find(as_any(3)), "Expected text to look for in the lines, but got 3."),
        (lambda: sample("nothing"), "Expected a sample (raw, "),
        (lambda: sample("raw").since(-1), "Expected a position from 0 to "),
        (lambda: layers(as_any("Hello")), "Expected a frame, or a sighting of a frame or an HTTP message"),
        (lambda: layers(dissect(sample("raw"))[0]), "Take one with exchange.find(...)"),
        (lambda: Stack((), Partial("frame", b"")).layer("mask"), "Expected a layer of this stack"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)

"""The byte ledger: in every cell its rows add up to the raw capture, and to what the kernel counts, to the byte."""

from __future__ import annotations

import asyncio
import re
from functools import cache

import pytest

from midspan.errors import Refusal
from midspan.experiments.byte_ledgers import ByteTable, MeasuredBytes, measure_all_bytes, measure_bytes, opening
from midspan.experiments.conversations import BLOB, CHANNELS, CHAT, MESSAGES, TYPING_START, UPGRADE
from midspan.net.servers import Authority
from midspan.pictures.costs import BESIDE_PX, LEFT, RIGHT, ledger_picture
from midspan.pictures.svg import PROTOCOLS, TCP
from midspan.protocols import ledgers as rows
from midspan.protocols.capture import SIDES, Capture, Chunk
from midspan.protocols.dissecting import names, sample
from midspan.protocols.ledgers import ByteLedger, Row, byte_ledger, round_trips
from tests.loops import in_a_loop

KINDS = [(tls, deflate) for tls in (False, True) for deflate in (False, True)]
RAW, ENVELOPE, ENVELOPE_ACK, SOCKETIO, SOCKETIO_ACK, POLLING, POLLING_ACK = CHANNELS


@cache
def cells() -> ByteTable:
    """Every message in every way, once for all tests."""
    return asyncio.run(measure_all_bytes(Authority()))


def cell(said: str, way: str, *, tls: bool = True, deflate: bool = False) -> MeasuredBytes:
    return cells().cell(said, way, tls=tls, deflate=deflate)


def up(ledger: ByteLedger) -> dict[str, int]:
    return {row.layer: row.up_bytes for row in ledger if row.up_bytes}


def down(ledger: ByteLedger) -> dict[str, int]:
    return {row.layer: row.down_bytes for row in ledger if row.down_bytes}


def test_there_is_a_cell_for_each_message_way_and_wire() -> None:
    found = [(one.said.name, one.way.name, one.tls, one.deflate) for one in cells()]
    assert found == [(said.name, way.name, *kind) for said in MESSAGES for way in CHANNELS for kind in KINDS]


@pytest.mark.parametrize("side", SIDES)
def test_the_rows_add_up_to_the_raw_capture(side: str) -> None:
    for one in cells():
        raw = b"".join(chunk.tls if one.tls else chunk.data for chunk in one.capture if chunk.sender == side)
        assert one.ledger.sent_by(side) == len(raw), one  # type: ignore[arg-type]
        assert all(row.up_bytes >= 0 and row.down_bytes >= 0 for row in one.ledger), one


def test_the_kernel_has_counted_the_same_bytes() -> None:
    if not cells()[0].received:
        pytest.skip("this system does not tell what it has counted (TCP_INFO of Linux)")
    for one in cells():
        assert dict(one.received) == {side: one.ledger.sent_by(side) for side in SIDES}, one


def test_plaintext_is_the_same_with_and_without_tls() -> None:
    for one in cells():
        other = cell(one.said.name, one.way.name, tls=not one.tls, deflate=one.deflate)
        if one.way is not POLLING_ACK and not one.deflate:  # whose clients send the time; an offset of zlib's is left
            assert one.ledger.plain_bytes == other.ledger.plain_bytes, one


def test_each_layer_has_the_bytes_that_its_specification_gives_it() -> None:
    data = len(b'{"room":"general","user":"ana"}')
    around = {rows.TCP_IP: 52, rows.TLS_HEADER: 5, rows.TLS_TRAILER: 17, rows.FRAME: 2}
    ours = cell("typing_start", "Socket.IO + ack").ledger
    packet = {rows.ENGINEIO: 1, rows.SOCKETIO: 1, rows.ACK_ID: 1}  # "4", "2", "2"
    said = len(b'["typing_start",]')
    assert up(ours) == around | {rows.MASK: 4, rows.JSON: said, rows.PAYLOAD: data} | packet
    assert down(ours) == around | packet | {rows.JSON: 2}  # []
    raw = cell("typing_start", "raw").ledger
    assert up(raw) == around | {rows.MASK: 4, rows.PAYLOAD: data}
    assert down(raw) == {}
    enveloped = cell("typing_start", "envelope + ack", tls=False).ledger
    assert (up(enveloped)[rows.JSON], down(enveloped)[rows.JSON]) == (said + len(",2"), len('{"ack":2}'))


def test_a_long_frame_has_a_longer_header_and_a_large_one_more_records() -> None:
    assert up(cell("chat, 1 KiB", "raw").ledger)[rows.FRAME] == 4  # RFC 6455, section 5.2: 16 bits of length
    blob = cell("blob, 64 KiB", "raw").ledger
    assert up(blob)[rows.FRAME] == 10  # 64 bits
    assert up(blob)[rows.TLS_HEADER] == 5 * 5  # 2**14 bytes in a record, and a little more than four of these
    assert up(blob)[rows.TCP_IP] == 52 * -(-blob.tcp_bytes // 1448)


def test_polling_carries_binary_in_base64() -> None:
    ledger = cell("blob, 64 KiB", "polling").ledger
    assert up(ledger)[rows.PAYLOAD] + up(ledger)[rows.BASE64] == 4 * -(-len(BLOB.data) // 3)
    assert rows.BASE64 not in up(cell("blob, 64 KiB", "Socket.IO").ledger)


def test_what_is_compressed_is_one_row_and_noise_is_not_made_smaller() -> None:
    chat = cell("chat, 1 KiB", "Socket.IO", deflate=True).ledger
    assert 0 < up(chat)[rows.COMPRESSED] < len(CHAT.payload) / 2
    assert not {rows.JSON, rows.PAYLOAD} & set(up(chat))
    noise = cell("blob, 64 KiB", "raw", deflate=True).ledger
    assert up(noise)[rows.COMPRESSED] > len(BLOB.data)


@in_a_loop
async def test_said_again_a_compressed_message_is_smaller() -> None:
    authority = Authority()
    first, second = [await measure_bytes(CHAT, RAW, authority, deflate=True, told=told) for told in (1, 2)]
    assert second.ledger.plain_bytes < first.ledger.plain_bytes / 5


@in_a_loop
async def test_how_often_a_client_waits_before_its_first_message() -> None:
    authority = Authority()
    for way, plain, encrypted in ((RAW, 2, 3), (SOCKETIO, 3, 4), (UPGRADE, 5, 6)):
        assert round_trips(await opening(way, authority, tls=False)) == plain
        assert round_trips(await opening(way, authority)) == encrypted


@in_a_loop
async def test_an_end_that_sends_after_it_has_heard_needs_a_new_segment() -> None:
    """GET and 101; over Socket.IO also CONNECT and its answer."""
    for way, headers in ((RAW, 52), (SOCKETIO, 104)):
        ledger = byte_ledger(await opening(way, Authority(), tls=False))
        assert ledger.row(rows.TCP_IP) == Row(rows.TCP_IP, headers, headers)


@pytest.mark.parametrize("name", names())
def test_of_every_recorded_conversation_each_byte_has_its_layer(name: str) -> None:
    ledger = byte_ledger(sample(name))
    assert ledger.tcp_bytes == sum(len(chunk.tls or chunk.data) for chunk in sample(name))


def test_padding_has_a_row_of_its_own() -> None:
    record = b"\x17\x03\x03" + (2 + 17 + 11).to_bytes(2) + bytes(2 + 17 + 11)
    ledger = byte_ledger(Capture((Chunk(1, "client", 0.0, "data", b"\x81\x00", record),)))
    assert ledger.row(rows.TLS_PADDING) == Row(rows.TLS_PADDING, 11, 0)


def test_a_capture_that_ends_inside_a_frame_is_refused() -> None:
    half = Capture((Chunk(1, "client", 0.0, "data", b"\x81\x05He"),))
    with pytest.raises(Refusal, match="each in a layer"):
        byte_ledger(half)


def test_a_cell_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refusal, match=re.escape("'typing_start'/'raw'")):
        cells().cell("typing_start", "carrier pigeon")


def test_the_text_has_the_sums() -> None:
    lines = str(cell("typing_start", "raw")).splitlines()
    assert lines[0] == "typing_start: raw, TLS"
    assert lines[-1].split() == ["in", "all", "111", "0"]
    assert "blob, 64 KiB: polling + ack" in str(cells())


def test_the_picture_is_on_one_scale_and_its_twin_is_the_tables() -> None:
    ledgers = {way: cell("typing_start", way).ledger for way in ("raw", "polling + ack")}
    picture = ledger_picture(ledgers, title="Mostly headers")
    assert str(picture) == "\n\n".join(f"{name}\n{ledger}" for name, ledger in ledgers.items())
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="22.0"', picture.svg)]
    longest = RIGHT - LEFT - BESIDE_PX
    whole = longest * (1 + ledgers["raw"].wire_bytes / ledgers["polling + ack"].wire_bytes)
    assert sum(widths) == pytest.approx(whole, abs=1)
    assert TCP.colour in picture.svg
    assert sum(protocol.colour in picture.svg for protocol in PROTOCOLS) >= 6


def test_one_said_message_is_as_long_as_its_name_says() -> None:
    assert (len(CHAT.payload), len(BLOB.payload)) == (2**10, 2**16)
    assert TYPING_START.enveloped(7) == '["typing_start",{"room":"general","user":"ana"},7]'

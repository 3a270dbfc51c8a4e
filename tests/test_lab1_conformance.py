"""Lab 1's reference says what RFC 6455 says: one row a sentence, fed whole, byte by byte and by three."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.lab1 import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Sent, closing, cuts, frame, reference, sent, xor
from tests.lab1_rows import LIMIT, ROWS, Row


def each(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: f"{row.section} {row.claim}")


# The same rows without their masks: not those about the mask, nor those that are no whole frames.
HEADERS_ONLY = ("a length", "all ones", "nothing is processed", "what comes after a close")
BARE = [row for row in ROWS if row.section not in ("5.1", "10.4") and not row.claim.startswith(HEADERS_ONLY)]


def echoed(connection: Any, pieces: list[bytes]) -> list[Sent | int]:
    """What an echo server says to these pieces; the close of a failed connection as its code."""
    for piece in pieces:
        for message in connection.receive(piece):
            connection.send(message)
    said: list[Sent | int] = list(sent(connection.take()))
    if connection.close_code == 1006 and connection.done:
        said[-1] = int.from_bytes(said[-1].payload[:2], "big")  # type: ignore[union-attr]
    return said


@each(ROWS)
def test_a_server_answers(row: Row) -> None:
    """However the bytes are cut, the answer is the same."""
    for pieces in cuts(row.sent):
        connection = reference().Connection("server")
        assert echoed(connection, pieces) == row.back, f"in {len(pieces)} pieces"
        assert connection.done is not row.open


@each([row for row in ROWS if row.by])
def test_a_violation_is_known_as_soon_as_its_bytes_are_here(row: Row) -> None:
    """Not one byte later, and not one byte early."""
    connection = reference().Connection("server")
    said = [echoed(connection, [row.sent[i : i + 1]]) for i in range(row.by)]
    assert connection.done
    assert all(not any(isinstance(x, int) for x in early) for early in said[:-1])
    assert isinstance(said[-1][-1], int)


SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}  # byte 1 -> range of byte 2


def well_formed_so_far(data: bytes) -> bool:
    """Whether UTF-8 may begin so: table 3-7 of the Unicode standard, written out."""
    while data:
        first, rest = data[0], data[1:]
        if first < 0x80:
            data = rest
            continue
        low, high = SECOND.get(first, (0x80, 0xBF))
        more = 1 if 0xC2 <= first <= 0xDF else 2 if 0xE0 <= first <= 0xEF else 3 if 0xF0 <= first <= 0xF4 else 0
        tail = rest[:more]
        if not more or (tail and not low <= tail[0] <= high) or any(not 0x80 <= b <= 0xBF for b in tail[1:]):
            return False
        data = rest[more:]
    return True


def test_text_fails_at_its_first_bad_byte() -> None:
    """Section 8.1: every sequence of two bytes, and of three after each byte that opens a longer one."""
    lab = reference()
    edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    tails = [bytes([a]) for a in range(256)] + [bytes([a, b]) for a in edges for b in edges]
    wrong = []
    for first in range(256):
        for tail in tails:
            data, assembler, alive = bytes([first]) + tail, lab.MessageAssembler(), 0
            with contextlib.suppress(lab.Violation):
                for i in range(len(data)):
                    assembler.add(lab.Frame(CONTINUATION if i else TEXT, data[i : i + 1], False))
                    alive += 1
            expected = next((i for i in range(len(data)) if not well_formed_so_far(data[: i + 1])), len(data))
            wrong += [(data.hex(), alive, expected)] if alive != expected else []
    assert wrong == []


@pytest.mark.parametrize("fragment", [LIMIT, 100_000])
def test_a_message_of_the_limit_passes_and_one_byte_more_fails(fragment: int) -> None:
    lab = reference()
    zeros = bytes(LIMIT)
    parts = [zeros[i : i + fragment] for i in range(0, LIMIT, fragment)]
    data = [lab.encode_frame(CONTINUATION if i else BINARY, p, False, b"\0\0\0\0") for i, p in enumerate(parts)]
    for last, back in ((b"", [Sent(BINARY, zeros)]), (b"\0", [1009])):
        assert echoed(lab.Connection("server"), [*data, frame(CONTINUATION, last)]) == back


def test_what_does_not_arrive_is_not_kept() -> None:
    """Section 10.4: a header that promises a lot costs nothing until the bytes are here."""
    connection = reference().Connection("server", max_size=2**62)
    assert echoed(connection, [bytes.fromhex("82ff1000000000000000") + b"keys"]) == []
    assert not connection.done


def client_hears(data: bytes, **options: Any) -> tuple[Any, list[str | bytes]]:
    connection = reference().Connection("client", random=lambda n: b"\1\2\3\4"[:n], **options)
    return connection, list(connection.receive(data))


def test_a_client_refuses_what_is_masked() -> None:
    """Section 5.1."""
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
        connection, messages = client_hears(frame(opcode, b"", masked=True))
        assert (messages, connection.done) == ([], True)
        assert next(sent(connection.take())).payload[:2] == closing(1002)


@each(BARE)
def test_a_client_judges_as_a_server_does(row: Row) -> None:
    """Everything but the mask: the same rows, unmasked, and its answers are masked with fresh keys."""
    bare = b"".join(unmasked(row.sent))
    keys = iter([bytes([i, 1, 2, 3]) for i in range(256)])
    for pieces in cuts(bare):
        connection = reference().Connection("client", random=lambda n: next(keys)[:n])
        assert echoed(connection, pieces) == row.back


def unmasked(data: bytes) -> list[bytes]:
    """The same frames without their masks, lengths written as they were."""
    out = []
    while data:
        start = 2 + {126: 2, 127: 8}.get(data[1] & 127, 0)
        size = int.from_bytes(data[2:start], "big") if start > 2 else data[1] & 127
        payload = data[start + 4 : start + 4 + size]
        assert len(payload) == size
        out.append(bytes([data[0], data[1] & 127]) + data[2:start] + xor(payload, data[start : start + 4]))
        data = data[start + 4 + size :]
    return out


def test_each_frame_of_a_client_has_a_key_of_its_own() -> None:
    """Section 5.3: fresh, and from a strong source of entropy."""
    keys = iter([b"aaaa", b"bbbb"])
    connection = reference().Connection("client", random=lambda n: next(keys)[:n])
    connection.send("Hi")
    connection.ping(b"p")
    assert connection.take() == b"\x81\x82aaaa" + bytes([72 ^ 97, 105 ^ 97]) + b"\x89\x81bbbb" + bytes([112 ^ 98])

"""Lab 1's opening handshake says what RFC 6455, section 4, says; whole and byte by byte, frames behind it included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab1 import cuts, reference
from tests.lab1_handshakes import ACCEPT, ANSWERS, GOOD_ANSWERS, KEY, REQUESTS, Opening

FRAMES = b"\x81\x82\x37\xfa\x21\x3d\x7f\x93"


def read(pieces: list[bytes]) -> Any:
    """The head as `read_head` gives it once enough has arrived."""
    data = b""
    for piece in pieces:
        data += piece
        if (head := reference().read_head(data)) is not None:
            return head
    return None


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: f"{row.section} {row.claim}"[:80])
def test_a_request_is_answered(row: Opening) -> None:
    lab = reference()
    for pieces in cuts(row.head + FRAMES):
        try:
            start, headers, _ = read(pieces)
            status, said = 101, lab.answer_request(start, headers)
        except lab.Refused as refused:
            status, said = refused.status, refused.to_bytes()
        assert status == row.status
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert (b"\r\nSec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n" in said) is (status == 101)
        assert (b"\r\nSec-WebSocket-Version: 13\r\n" in said) is (status == 426), "section 4.4"
        assert said.endswith(b"\r\n\r\n") is (status == 101)


def test_frames_behind_the_head_are_frames() -> None:
    """Section 4.2.2: the client may send them at once; however the bytes are cut, none is lost."""
    for pieces in cuts(REQUESTS[0].head + FRAMES):
        _, _, rest = read(pieces)
        assert rest == FRAMES[: len(rest)]
        assert len(rest) == (len(FRAMES) if len(pieces) == 1 else len(rest))


def test_nothing_is_said_before_the_blank_line() -> None:
    head = REQUESTS[0].head
    assert [reference().read_head(head[:n]) for n in range(len(head))] == [None] * len(head)


def test_lines_that_end_with_lf_alone_are_refused_at_once() -> None:
    """Nobody waits for a CR LF that will not come (RFC 9112, section 2.2, lets a server be lenient; we are not)."""
    lab = reference()
    for head in (b"GET / HTTP/1.1\nHost: x\n\n", b"\n", REQUESTS[0].head[:-4] + b"\n"):
        with pytest.raises(lab.Refused) as caught:
            lab.read_head(head)
        assert caught.value.status == 400


def test_a_head_without_an_end_is_refused_at_the_limit() -> None:
    """Nobody fills our memory with headers."""
    lab = reference()
    assert lab.read_head(b"G" * 16384) is None
    with pytest.raises(lab.Refused) as caught:
        lab.read_head(b"G" * 16385)
    assert caught.value.status == 431


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: f"{row.section} {row.claim}")
def test_a_client_reads_the_answer(row: Opening) -> None:
    lab = reference()
    good = ANSWERS.index(row) < GOOD_ANSWERS
    start, headers, rest = read([row.head + FRAMES])
    assert rest == FRAMES
    if good:
        assert lab.check_answer(start, headers, KEY) is None
        return
    with pytest.raises(lab.Refused) as caught:
        lab.check_answer(start, headers, KEY)
    assert caught.value.status == row.status


def test_the_client_asks_as_the_server_wants_it() -> None:
    """Section 4.1 meets section 4.2."""
    lab = reference()
    start, headers, rest = lab.read_head(lab.request_bytes("server.example:8080", "/chat?a=b", KEY))
    assert (start, rest) == ("GET /chat?a=b HTTP/1.1", b"")
    assert headers["host"] == ["server.example:8080"]
    assert ACCEPT.encode() in lab.answer_request(start, headers)

"""How lab 1's connections end: RFC 6455, sections 5.5.1 and 7, and what may no longer be said then."""

from __future__ import annotations

import pytest

from tests.lab1 import CLOSE, PING, PONG, Sent, closing, frame, reference, sent
from tests.lab1_rows import HI


def test_we_close_and_the_peer_answers() -> None:
    """Sections 5.5.1, 7.1.2: messages still count until its close is here; TCP may close after both."""
    connection = reference().Connection("server")
    connection.close(1001, "bye")
    assert list(sent(connection.take())) == [Sent(CLOSE, closing(1001, b"bye"))]
    assert (list(connection.receive(HI)), connection.done) == (["Hi"], False)
    assert list(connection.receive(frame(CLOSE, closing(1000)) + HI)) == []
    assert (connection.done, connection.close_code, connection.take()) == (True, 1000, b"")


def test_no_data_follows_our_close() -> None:
    """Section 5.5.1; a ping is still answered until the peer's close is here (section 5.5.2)."""
    lab = reference()
    connection = lab.Connection("server")
    connection.close()
    connection.close(1001)
    for say in (lambda: connection.send("x"), connection.ping):
        with pytest.raises(lab.Closed):
            say()
    assert list(connection.receive(frame(PING, b"p"))) == []
    assert list(sent(connection.take())) == [Sent(CLOSE, closing(1000)), Sent(PONG, b"p")]


def test_a_violation_after_our_close_sends_no_second_one() -> None:
    """Section 5.5.1: one close an end."""
    connection = reference().Connection("server")
    connection.close()
    assert list(connection.receive(b"\xff\xff")) == []
    assert (connection.done, list(sent(connection.take()))) == (True, [Sent(CLOSE, closing(1000))])


def test_the_end_of_the_stream_is_1006_only_without_a_close() -> None:
    """Section 7.1.5."""
    lab = reference()
    for data, code in ((b"", 1006), (HI[:3], 1006), (frame(CLOSE), 1005), (frame(CLOSE, closing(3000)), 3000)):
        connection = lab.Connection("server")
        assert list(connection.receive(data)) == []
        connection.eof()
        assert (connection.done, connection.close_code) == (True, code)
        with pytest.raises(lab.Closed):
            connection.send("too late")


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65536, -1])
def test_a_code_that_may_not_be_sent_is_not_sent(code: int) -> None:
    """Section 7.4."""
    with pytest.raises(ValueError, match="may not be sent"):
        reference().Connection("server").close(code)


def test_a_long_reason_is_cut_between_characters() -> None:
    """Section 5.5: 125 bytes at most, and section 5.5.1: UTF-8."""
    payload = reference().close_payload(1000, "é" * 100)
    assert len(payload) == 124
    assert payload[2:].decode() == "é" * 61


def test_a_ping_has_at_most_125_bytes() -> None:
    """Section 5.5."""
    connection = reference().Connection("server")
    connection.ping(b"x" * 125)
    with pytest.raises(ValueError, match="125"):
        connection.ping(b"x" * 126)
    assert [f.payload for f in sent(connection.take())] == [b"x" * 125]

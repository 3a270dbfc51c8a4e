"""A capture is a value: sliced, narrowed, written and read again without loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import Refusal
from midspan.protocols.capture import KINDS, SIDES, Capture, Chunk

chunks = st.builds(
    Chunk,
    st.integers(1, 4),
    st.sampled_from(SIDES),
    st.integers(0, 10**9).map(lambda us: us / 1e6),
    st.sampled_from(KINDS),
    st.binary(max_size=40),
    st.binary(max_size=40),
)
TWO = Capture(
    (
        Chunk(1, "client", 0.0, "opened"),
        Chunk(2, "client", 0.1, "opened"),
        Chunk(1, "client", 0.2, "data", b"Hel", b"\x17\x03\x03"),
        Chunk(2, "client", 0.3, "data", b"other"),
        Chunk(1, "server", 0.4, "data", b"yes"),
        Chunk(1, "client", 0.5, "data", b"lo"),
        Chunk(1, "client", 0.6, "ended"),
    )
)


@given(st.lists(chunks).map(tuple).map(Capture))
def test_json_keeps_everything(capture: Capture) -> None:
    """What was written is what is read: bytes, kinds, and times to the microsecond."""
    assert Capture.from_json(capture.to_json()) == capture


def test_one_connection_one_direction() -> None:
    """`of` narrows to a connection, `sent_by` joins one direction's plaintext."""
    assert TWO.connections == (1, 2)
    assert TWO.of(1).sent_by("client") == b"Hello"
    assert TWO.of(1).sent_by("server") == b"yes"
    assert TWO.of(2).sent_by("server") == b""


def test_it_is_a_sequence_and_a_slice_is_a_capture() -> None:
    """Length, index, iteration and slices behave as those of a tuple."""
    assert (len(TWO), TWO[2].data, TWO[-1].kind) == (7, b"Hel", "ended")
    assert TWO[2:4] == Capture(TWO.chunks[2:4])
    assert list(TWO) == list(TWO.chunks)


def test_text_has_no_times() -> None:
    """The text twin is the same on each run of the same conversation."""
    assert str(TWO[:3]) == (
        "client -> server  TCP connection 1 opened\n"
        "client -> server  TCP connection 2 opened\n"
        "client -> server  3 bytes 48 65 6c"
    )
    assert str(Capture()) == "(nothing captured)"


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: Chunk(0, "client", 0.0, "data"), "Expected a connection number from 1 up, but got 0."),
        (lambda: Chunk(1, "proxy", 0.0, "data"), "Expected a sender, 'client' or 'server', but got 'proxy'."),  # type: ignore[arg-type]
        (lambda: Chunk(1, "client", 0.0, "lost"), "Expected a kind out of"),  # type: ignore[arg-type]
        (lambda: Chunk(1, "client", 0.0, "data", "text"), "Expected plaintext as bytes"),  # type: ignore[arg-type]
        (lambda: Capture((b"bytes",)), "Expected chunks only"),  # type: ignore[arg-type]
        (lambda: TWO.of(3), "Expected a connection of this capture (1, 2), but got 3."),
        (lambda: TWO.sent_by("tap"), "Expected a side"),  # type: ignore[arg-type]
        (lambda: Capture.from_json("[]"), "Expected a capture written by Capture.to_json()"),
        (lambda: Capture.from_json('{"chunks": [{"connection": 1}]}'), "Expected a capture written by"),
    ],
)
def test_what_cannot_be_used_is_refused(attempt: object, words: str) -> None:
    """Bad input gives a sentence, at the place where it came in."""
    assert callable(attempt)
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)

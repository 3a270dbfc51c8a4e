"""Steps 1 and 2: the accept key, and the mask (RFC 6455, sections 4.2.2 and 5.3)."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import HELLO, KEY

PAIRS = (
    ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
)
LONG_BYTES = 2**16
SLOW = 4.0  # a loop over the bytes takes 20 to 40 times as long as two large numbers


@lab.step(
    "The accept key",
    minutes=5,
    lines=2,
    points=1,
    hints=HINTS["accept_key"],
)
def accept_key(t: Transcript, accept_key: Callable[[str], str]) -> None:
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    t.say(f"the example of RFC 6455, section 1.3: Sec-WebSocket-Key: {key}")
    got = accept_key(key)
    t.true("the answer is text", isinstance(got, str), got=got, expected="str, as the header's value is")
    digest = hashlib.sha1(key.encode()).digest()
    if got == base64.b64encode(digest).decode():
        t.fail("it depends on the GUID", got=got, expected="another value", id="key-without-guid")
    if len(got) != 28 or not got.endswith("="):
        t.fail("it is base64 of 20 bytes", got=got, expected="28 characters, the last one `=`", id="hex-not-base64")
    t.equal("the example's answer", got, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", id="key-decoded")
    for key, answer in PAIRS:
        t.equal(f"for {key}", accept_key(key), answer)


@lab.step(
    "The mask",
    minutes=10,
    lines=4,
    points=1,
    hints=HINTS["mask"],
)
def mask(t: Transcript, mask: Callable[..., bytes]) -> None:
    t.say("section 5.7: Hello with the key 37 fa 21 3d")
    got = mask(b"Hello", KEY)
    t.true("the result is bytes", isinstance(got, bytes), got=got, expected="bytes")
    t.equal("Hello is masked", got, HELLO[6:], id="mask-first-byte-only")
    t.equal("masked again it is Hello: section 5.3 has one algorithm for both", mask(got, KEY), b"Hello")
    t.equal("nothing stays nothing", mask(b"", KEY), b"")
    t.equal(
        "the key masked with itself: all zeros, and still four bytes", mask(KEY, KEY), bytes(4), id="mask-leading-zeros"
    )
    for offset in (1, 2, 3, 4, 7, 125):
        data = bytes(range(200))
        t.equal(
            f"the piece from byte {offset} of a payload on",
            mask(data[offset:], KEY, offset),
            mask(data, KEY)[offset:],
            id="mask-offset",
        )
    _not_slow(t, mask)


def _not_slow(t: Transcript, mask: Callable[..., bytes]) -> None:
    """A loop over the bytes is right, so it passes; but the learner should know what it costs."""
    data = bytes(LONG_BYTES)
    theirs = min(_seconds(lambda: mask(data, KEY)) for _ in range(3))
    loop = min(_seconds(lambda: bytes(octet ^ KEY[i % 4] for i, octet in enumerate(data))) for _ in range(2))
    t.equal("64 KiB of zeros give the key again and again", mask(data, KEY), KEY * (LONG_BYTES // 4))
    if theirs * SLOW > loop:
        t.note("Right, and as slow as a loop over the bytes: two large numbers and one ^ take a twentieth of the time.")


def _seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began

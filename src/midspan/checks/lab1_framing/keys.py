"""Steps 1 and 2: the accept key, and the mask (RFC 6455, sections 4.2.2 and 5.3)."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from websockets.utils import apply_mask

from midspan.checks import Transcript
from midspan.checks.lab1_framing.hints import HINTS
from midspan.checks.lab1_framing.lab import lab
from midspan.checks.lab1_framing.wire import KEY

EXAMPLE, ANSWER = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
PAIRS = (
    ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
)
MISTAKEN = {  # what the example's key gives -> with which misconception
    "hHLtf2V1k8aDQZfNjw3Ia1hCwt0=": "key-without-guid",
    "BXhwxM0SZasKmCD9S4BfpPmCnEw=": "key-decoded",
    "2OZf2Seed9yzIpkj+zvC9KS9Mjw=": "guid-in-front",
    "WJfwerbIozKsJXHxxI0JTO1SQgU=": "guid-in-lower-case",
    "s3pPLMBiTxaQ9kYGzzhZRbK-xOo=": "base64-for-urls",
}
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
    t.say(f"the example of RFC 6455, section 1.3: Sec-WebSocket-Key: {EXAMPLE}")
    got: Any = accept_key(EXAMPLE)
    id = "nothing-returned" if got is None else "bytes-not-text" if got == ANSWER.encode() else ""
    t.true("the answer is text", isinstance(got, str), got=got, expected="str, as the header's value is", id=id)
    if len(got) != 28 or not got.endswith("="):
        t.fail("it is base64 of 20 bytes", got=got, expected="28 characters, the last one `=`", id="hex-not-base64")
    t.equal("the example's answer", got, ANSWER, id=MISTAKEN.get(got, ""))
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
    _can_be_called(t, mask)
    t.say('mask(b"Hi", key) with the key 37 fa 21 3d: 48 XOR 37, then 69 XOR fa')
    got = mask(b"Hi", KEY)
    id = "nothing-returned" if got is None else ""
    t.true("the result is bytes", isinstance(got, bytes), got=got, expected="bytes", id=id)
    _masks(t, mask, "two bytes", b"Hi")
    _masks(t, mask, "Hello, the example of section 5.7: one byte more than the key has", b"Hello")
    again = mask(mask(b"Hello", KEY), KEY)
    t.equal("masked again it is Hello: section 5.3 has one algorithm for both", again, b"Hello")
    _masks(t, mask, "nothing stays nothing", b"")
    _masks(t, mask, "the key masked with itself: all zeros, and still four bytes", KEY)
    t.say('mask(b"i", key, 1): the second byte of Hi by itself, again 69 XOR fa')
    _goes_on(t, mask, b"Hi", 1)
    for offset in (1, 2, 3, 4, 7, 125):
        _goes_on(t, mask, bytes(range(offset + 5)), offset)
    _not_slow(t, mask)


def _can_be_called(t: Transcript, mask: Callable[..., bytes]) -> None:
    """With two and with three arguments; a TypeError from inside a call would say less."""
    shape = inspect.signature(mask)
    for arguments in (("data", "key"), ("data", "key", "offset")):
        try:
            shape.bind(*arguments)
        except TypeError:
            what = f"it can be called as mask({', '.join(arguments)})"
            t.fail(what, got=f"mask{shape}", expected="mask(data, key, offset=0)", id="mask-without-offset")


def _masks(t: Transcript, mask: Callable[..., bytes], what: str, data: bytes) -> None:
    got, right = mask(data, KEY), apply_mask(data, KEY)
    t.equal(what, got, right, id="" if got == right else _why(got, data, right))


def _why(got: object, data: bytes, right: bytes) -> str:
    """The misconception that gives this result; "" for none that we know."""
    if not isinstance(got, bytes):
        return "nothing-returned" if got is None else ""
    turned = {right[::-1], apply_mask(data[::-1], KEY), apply_mask(data[::-1], KEY)[::-1]}
    cases = {
        "mask-unchanged": got == data,
        "mask-leading-zeros": got == right.lstrip(b"\0"),
        "mask-key-once": got in (right[:4], right[:4] + data[4:]),
        "mask-length": len(got) != len(data),
        "mask-first-byte-only": got == apply_mask(data, KEY[:1] * 4),
        "mask-byte-order": got in turned,
    }
    return next((id for id, is_it in cases.items() if is_it), "")


def _goes_on(t: Transcript, mask: Callable[..., bytes], data: bytes, offset: int) -> None:
    """The piece from `offset` on is masked as it is inside of the whole."""
    piece = data[offset:]
    got, right = mask(piece, KEY, offset), apply_mask(data, KEY)[offset:]
    turn = offset % 4
    cases = {
        "mask-offset-modulo": offset > 3 and got == apply_mask(piece, KEY),
        "mask-offset": got == apply_mask(piece, KEY),
        "mask-turned-the-other-way": got == apply_mask(piece, KEY[-turn:] + KEY[:-turn]),
    }
    id = next((id for id, is_it in cases.items() if is_it), "")
    t.equal(f"the piece from byte {offset} of {len(data)} on", got, right, id=id if got != right else "")


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

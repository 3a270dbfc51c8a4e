"""Step 4a: the header of a frame (RFC 6455 section 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab1_framing.frames import HELLO, KEY, cpu_seconds, lab, outcome
from midspan.labs.lab1_framing.given import BINARY, PING, TEXT, Header

LIMIT = 1000
LONG_HEADER = bytes.fromhex("82ff 0000000000010000") + KEY

# header in hex; what it is; its fields
HEADERS = [
    ("81 05", "a text of 5 bytes, not masked", Header(TEXT, True, 5, b"", 2)),
    ("81 85 37 fa 21 3d", "the same, masked", Header(TEXT, True, 5, KEY, 6)),
    ("09 00", "an empty ping without FIN: whether it may be is step 4c", Header(PING, False, 0, b"", 2)),
    ("02 7d", "the first 125 bytes of a binary message", Header(BINARY, False, 125, b"", 2)),
    ("82 7e 00 7e", "126 bytes", Header(BINARY, True, 126, b"", 4)),
    ("82 fe ff ff 37 fa 21 3d", "65535 bytes, masked", Header(BINARY, True, 65535, KEY, 8)),
    (LONG_HEADER.hex(" "), "65536 bytes, masked", Header(BINARY, True, 65536, KEY, 14)),
]
# first bytes of a frame in hex; what is wrong with its length
BAD_LENGTHS = [
    ("82 fe 00 7d", "125 bytes in a 16-bit length"),
    ("82 ff 00 00 00 00 00 00 ff ff", "65535 bytes in a 64-bit length"),
    ("82 ff 80 00 00 00 00 00 00 01", "a 64-bit length with its top bit set"),
]
BEHIND_BYTES = 2**23  # behind a header; a copy of them takes some hundred times as long as reading the header
SLOWEST_RATIO = 20.0


@lab.step(
    "Read a header",
    minutes=29,
    lines=16,
    points=2,
    hints=(
        "Check three times whether enough bytes have arrived: for the first two bytes, for the "
        "length, for the key. If not, return None.",
        "data[1] is a number from 0 to 255: `data[1] >= 0x80` is the mask bit, `data[1] & 0x7F` the seven bits. "
        'int.from_bytes(data[2:end], "big") reads the longer lengths.',
        "end = 2 + {126: 2, 127: 8}.get(length, 0) is where the length ends, size = end + 4 * masked is where the "
        "header ends. Between the two stand the rules of the length. Last line: Header(data[0] & 0x0F, "
        "data[0] >= 0x80, length, bytes(data[end:size]), size).",
    ),
    words={
        "header-not-whole": "A header can be cut too: return None until its last byte has arrived.",
        "fin-not-read": "FIN is the highest bit of the first byte: it marks the last frame of a message.",
        "opcode-with-fin": "The opcode is the low four bits of the first byte: FIN is not part of it.",
        "length-field-not-read": (
            "126 and 127 only announce a length: the length itself is in the next two or eight bytes."
        ),
        "non-minimal-accepted": (
            "A length is written in the fewest bytes, and a 64-bit length never has its top bit set."
        ),
        "limit-after-payload": "The header alone shows that a frame is too long: do not wait for more bytes.",
        "header-copies-all": "A header has at most 14 bytes: do not copy the bytes after it.",
    },
)
def read_header(t: Transcript, read_header: Callable[..., Header | None]) -> None:
    for start, what, header in HEADERS:
        t.say(f"{start}: {what}")
        got = outcome(read_header, bytes.fromhex(start))
        t.equal("the header", got, header, id=_why_header(got, header))
    data = LONG_HEADER
    t.say(f"the last one again, as its {len(data)} bytes come in one by one")
    early = [at for at in range(len(data)) if outcome(read_header, data[:at]) is not None]
    t.equal("before the last byte there is no header", early, [], id="header-not-whole")
    got = outcome(read_header, bytearray(data + b"payload"))
    t.equal("what stands behind it changes nothing, in a bytearray", got, Header(BINARY, True, 65536, KEY, 14))
    for start, what in BAD_LENGTHS:
        t.say(f"{start} (section 5.2): the key is not here yet, and need not be")
        got = outcome(read_header, bytes.fromhex(start))
        t.equal(what, got, "Violation 1002", id="non-minimal-accepted", because=_too_late(got))
    t.say(f"frames of at most {LIMIT} bytes are accepted")
    t.true("one of that length", outcome(read_header, bytes.fromhex("827e03e8"), LIMIT), got=None, expected="a header")
    for start in ("82fe03e9", "82ff7fffffffffffffff"):
        got = outcome(read_header, bytes.fromhex(start), LIMIT)
        what = f"the first {len(start) // 2} bytes of a longer one, without its key"
        t.equal(what, got, "Violation 1009", id="limit-after-payload", because=_too_late(got))
    what, got = "2 bytes of one of 101, without its key, where 100 are accepted", outcome(read_header, b"\x82\xe5", 100)
    t.equal(what, got, "Violation 1009", id="limit-after-payload", because=_too_late(got))
    _copies_nothing(t, read_header)


def _why_header(got: Any, header: Header) -> str:
    """Return the misconception that gives this header; "" if we know none."""
    if got is None:
        return "nothing-returned"
    if not isinstance(got, Header) or len(got) != len(header):
        return ""
    turned = int.from_bytes(header.length.to_bytes(2 if header.length < 2**16 else 8, "big"), "little")
    cases = {
        "opcode-with-fin": got.opcode & 0x0F == header.opcode != got.opcode,
        "fin-not-read": got.fin != header.fin,
        "length-field-not-read": got.length in (126, 127) and got.length != header.length,
        "length-little-endian": got.length == turned,
    }
    return next((id for id, is_it in cases.items() if is_it), "")


def _too_late(got: Any) -> str:
    """Return the words for an answer that waits for the key before it looks at the length."""
    return "The key may not have arrived yet: check the length before you wait for the key." if got is None else ""


def _copies_nothing(t: Transcript, read_header: Callable[..., Any]) -> None:
    short, long = bytearray(HELLO), bytearray(HELLO) + bytes(BEHIND_BYTES)
    few, many = (min(cpu_seconds(partial(read_header, data)) for _ in range(5)) for data in (short, long))
    t.true("it takes no longer when 8 MiB stand behind the header", many < max(few, 1e-5) * SLOWEST_RATIO,
           got="much longer", expected="about the same time", id="header-copies-all")  # fmt: skip

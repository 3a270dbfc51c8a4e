"""Conversations that were recorded once, with real servers and real clients: for pictures and tests that need no bench.

`python -m midspan.eyes.recording` records them again.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from midspan.arguments import checked
from midspan.records.capture import Capture
from midspan.refusal import need

FOLDER = files("midspan.records") / "recorded"

SAMPLES: dict[str, str] = {
    "raw": "typing_start as JSON on raw wss, a ping, the close handshake",
    "fragments": "one message in three fragments with a ping in between, then a larger message, not compressed",
    "deflate": "the same sentence twice with permessage-deflate: the second time it is much smaller",
    "socketio": "typing_start with an acknowledgement, WebSocket transport only",
    "upgrade": "Socket.IO as it comes: long polling first, then the probe and the upgrade; two namespaces",
    "polling": "Socket.IO on long polling only, with a binary attachment",
    "binary": "an event with two binary attachments, WebSocket transport only",
}


def names() -> tuple[str, ...]:
    """The names of the samples; `SAMPLES` says what each one holds."""
    return tuple(SAMPLES)


@checked
@cache
def sample(name: str) -> Capture:
    """The recorded capture of that name.

    Raises:
        Refusal: there is none.
    """
    need(name in SAMPLES, f"a sample ({', '.join(SAMPLES)})", name, "Choose one of them")
    return Capture.from_json((FOLDER / f"{name}.json").read_text("utf-8"))

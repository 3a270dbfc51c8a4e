"""What is said in chapter 5, and in how many ways: three messages of an application, and who wraps them in what."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

SEPARATORS = (",", ":")
WORDS = """
    the a to of and we it is on at for not but that this with you one out line read send room when what time wait
    back message server client answer again before after never always order first second open close cut lost kept
"""


@dataclass(frozen=True)
class Said:
    """What an application wants to say: an event and its data, text (anything JSON can hold) or bytes."""

    name: str
    event: str
    data: Any

    @property
    def payload(self) -> bytes:
        """The application's own bytes: the data as JSON, or as it is."""
        return self.data if isinstance(self.data, bytes) else json.dumps(self.data, separators=SEPARATORS).encode()

    def enveloped(self, number: int | None) -> str | bytes:
        """In an envelope of our own; a number asks for an acknowledgement. Bytes follow it in the same message."""
        asks = [] if number is None else [number]
        if isinstance(self.data, bytes):
            return json.dumps([self.event, *asks], separators=SEPARATORS).encode() + b"\n" + self.data
        return json.dumps([self.event, self.data, *asks], separators=SEPARATORS)


def _chat(size_bytes: int) -> dict[str, str]:
    """A chat message whose data is so long as JSON: words of everyday, drawn by lot, the same each time."""
    chance, words = random.Random(5), WORDS.split()
    text = " ".join(chance.choice(words) for _ in range(size_bytes // 2))
    data = {"room": "general", "text": ""}
    around = len(json.dumps(data, separators=SEPARATORS))
    return data | {"text": text[: size_bytes - around]}


HELLO = Said("hello", "hello", {})
TYPING_START = Said("typing_start", "typing_start", {"room": "general", "user": "ana"})
CHAT = Said("chat, 1 KiB", "chat", _chat(2**10))
BLOB = Said("blob, 64 KiB", "blob", random.Random(5).randbytes(2**16))
MESSAGES = (TYPING_START, CHAT, BLOB)


@dataclass(frozen=True)
class Way:
    """One way to say it: which protocol, over what; `acknowledged`: whether an answer is asked for."""

    name: str
    protocol: str  # "raw", "envelope" or "Socket.IO"
    transport: str = "websocket"  # or "polling"; "upgrade": Socket.IO's default, polling and then WebSocket
    acknowledged: bool = False


WAYS = (
    Way("raw", "raw"),
    Way("envelope", "envelope"),
    Way("envelope + ack", "envelope", acknowledged=True),
    Way("Socket.IO", "Socket.IO"),
    Way("Socket.IO + ack", "Socket.IO", acknowledged=True),
    Way("polling", "Socket.IO", "polling"),
    Way("polling + ack", "Socket.IO", "polling", acknowledged=True),
)
UPGRADE = Way("polling, then WebSocket", "Socket.IO", "upgrade")

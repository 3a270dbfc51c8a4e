"""Input that should not come, in the words of both sides: to a Socket.IO server, and to one that speaks an envelope.

The envelope is chapter 02's: a JSON array of name, data and, where an answer is wanted, an id. Messages above a
server's limit are not here: their senders see the close code or a reset, as it happens (chapter 01 has the limits).
"""

from __future__ import annotations

from dataclasses import dataclass

from midspan.bench.reaction import Dialect

FRAMEWORK = Dialect(
    "/socket.io/?EIO=4&transport=websocket", ("40",), question='42999["typing_start",{"room":"a"}]', answer="43999"
)
ENVELOPE = Dialect("", (), question='["typing_start",{"room":"a"},999]', answer='["ack"')

DEEP = 100_000  # brackets; Python's own json gives up at about a thousand
LONG = 100_000  # letters of a name


@dataclass(frozen=True)
class Hostile:
    """One input: what it is, and the messages that bring it to either side."""

    what: str
    framework: tuple[str | bytes, ...]
    envelope: tuple[str | bytes, ...]


INPUTS = (
    Hostile("the other side's event", ('["typing_start",{"room":"a"}]',), ('42["typing_start",{"room":"a"}]',)),
    Hostile("a greeting", ("4hello",), ("hello",)),
    Hostile("no array", ('42{"a":1}',), ('{"a":1}',)),
    Hostile("an empty array", ("42[]",), ("[]",)),
    Hostile("a number for a name", ("42[7,{}]",), ("[7,{}]",)),
    Hostile("an event nobody knows", ('42["fly",{}]',), ('["fly",{}]',)),
    Hostile("a name of 100,000 letters", (f'42["{"n" * LONG}"]',), (f'["{"n" * LONG}",{{}}]',)),
    Hostile("100,000 brackets", ("42" + "[" * DEEP,), ("[" * DEEP,)),
    Hostile("an answer to no question", ('43123["yes"]',), ('["ack","yes",123]',)),
    Hostile("bytes nobody announced", (b"\x01",), (b"\x01",)),
    Hostile(
        "two attachments, one comes",
        ('452-["note",{"_placeholder":true,"num":0}]', b"\x01"),
        ('["note",{"attachments":2}]', b"\x01"),
    ),
    Hostile("the framework's own name", ('42["disconnect","bored"]',), ('["disconnect","bored"]',)),
)

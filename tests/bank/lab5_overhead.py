"""Lab 5's bank: one plausible misconception each, and sessions that differ from the reference and are as good.

Those that a schedule shows name the predicate that they break when the whole session is played (`breaks`), whatever the
checks say: tests/test_lab5_bank.py searches for it.
"""

# ruff: noqa: E501 - an edit reads best when its lines are those of the notebook

from __future__ import annotations

from tests.bank import Right, Wrong
from tests.bank.lab3_failure import Broken

CODE = "    code = next(code for code in range(4) if number < 1 << (8 << code))\n"
BYTES = 'return bytes((kind << 5 | 24 + code,)) + number.to_bytes(1 << code, "big")'
CUT = '    if number > 27 or end > len(data):\n        raise ValueError("a head that is not all there, or none")\n'
JOINED = "        return message\n"
LOOP = "        while at < len(data):\n"
TABLES = "        self.numbers: dict[str, int] = {}  # of the shapes that we have written\n"
KNOWN = "        number = self.numbers.setdefault(shape, len(self.numbers))\n"
FULL = " or (new and len(self.numbers) == SHAPES)"
TAUGHT = "        if len(self.shapes) == SHAPES or number > SHAPE_BYTES or end + number > len(data):\n"
UNKNOWN = '            if number >= len(self.shapes):\n                raise ValueError(f"nobody has taught shape {number}")\n'
SMALLER = "    if len(data) >= WORTH and len(small := zlib.compress(data, 6, -15)) < len(data):\n"
INFLATE = "            piece = inflating.decompress(piece, LONGEST)\n"
ENDED = '        if not inflating.eof:\n            raise ValueError("a text that is too long, or not all there")\n'
SENT = "        sent = 0  # on this connection\n"
NUMBER = 'packets = [("number", waiting[0][0])] if waiting[0][0] != sent + 1 else []\n'
BODIES = '[("body", body) for _, body in waiting]'
LINE = "                    await connection.send(wire.write(packets))\n"
ASKED = "sent, self.asks = waiting[-1][0], False"
OWN = "        if sender == who and number > safe:\n"
RUN = '            packets += [("mine", own), ("body", body)] if own else [("body", body)]\n            own = 0\n'
SOON = "        if not own or self.owed >= self.most:\n"
TIMER = "        elif self.timer is None:\n"
START = "            self.timer = self.loop.call_later(ACK_S, self.rings)\n"
ROOM = "line.connection.transport.get_write_buffer_size() <= ROOM"
TASK = "        line.task = asyncio.create_task(catch_up(line))\n"
OWED = "    if has_room and line.owed == line.log.end - line.offset:\n"
ACKS = "        broadcast([line.connection], line.acks())\n"
AT_HAND = "    elif has_room and (entries := at_hand(line.log, line.offset)) is not None:\n"
ASIDE = "    if not up.store.writes_at_once:\n        return False\n"
VERDICT = '            if verdict == "gap":\n                raise OutOfOrder\n            if verdict == "new":\n'
WRITE = "                up.store.write(value, who=up.who, number=up.number)\n"
ADD = "                up.log.add(value, up.who, up.number)\n"
TAKE = "                up.inbox.take(up.who, up.number)\n"
READ = "    for kind, value in up.wire.read(data):\n"
FLUSH = '        elif kind == "ask":\n            up.feed.flush()\n'
NUMBERED = '        elif kind == "number":\n            up.number = value - 1\n'
SURE = "                safe_to(self, self.outbox.base + len(self.outbox) - 1)\n"

CODEC = [
    Broken("head-too-narrow", "head", "number.to_bytes(1 << code", "(number & 0xFFFF).to_bytes(1 << code"),
    Broken("head-too-narrow/2", "head", "range(4)", "range(3)"),
    Broken("head-little-endian", "head", BYTES, BYTES.replace("big", "little"), (("head", '"big"), end', '"little"), end'),)),
    Broken("head-not-shortest", "head", CODE, "    code = 3\n"),
    Broken("head-reads-on", "head", CUT, ""),
    Right("the codes in a table", "head", CODE + "    " + BYTES, '    code, size = next((c, s) for c, s in ((24, 1), (25, 2), (26, 4), (27, 8)) if number < 256**s)\n    return bytes([kind << 5 | code]) + number.to_bytes(size, "big")'),
    Broken("text-frames", "wire", JOINED, '        return message.decode("latin-1")\n'),
    Broken("one-packet", "wire", LOOP, "        if at < len(data):\n"),
]  # fmt: skip
SHAPING = [
    Broken("shapes-kept", "shapes", TABLES, "", (("shapes", '    __slots__ = "numbers", "shapes"\n', "    numbers = {}\n"),), breaks="liveness"),
    Broken("shapes-unbounded", "shapes", FULL, ""),
    Broken("shapes-unbounded/2", "shapes", TAUGHT, "        if end + number > len(data):\n"),
    Broken("shape-unknown", "shapes", UNKNOWN, '            if number >= len(self.shapes):\n                return "", read_block(data, end)[1]\n'),
    Broken("not-as-it-was", "shapes", "return filled(self.shapes[number], values), end", "return json.dumps(json.loads(filled(self.shapes[number], values))), end", breaks="no_phantom"),
    Right("a list of what was said", "shapes", KNOWN, "        number = self.numbers[shape] = self.numbers.get(shape, len(self.numbers))\n"),
    Broken("deflate-always", "deflate", SMALLER, "    if small := zlib.compress(data, 6, -15):\n"),
    Broken("deflate-never", "deflate", "        return head(DEFLATED, len(small)) + small\n", "        return head(TEXT, len(data)) + data\n"),
    Broken("inflate-unbounded", "deflate", INFLATE, "            piece = inflating.decompress(piece)\n", (("deflate", "        if not inflating.eof:\n", "        if not inflating.eof or len(piece) > LONGEST:\n"),)),
    Broken("inflate-unbounded/2", "deflate", INFLATE, "            piece = inflating.decompress(piece)\n"),
    Broken("inflate-raises", "deflate", "        except zlib.error as error:\n", "        except zlib.error if False else KeyError as error:\n"),
    Broken("characters-for-bytes", "deflate", "    return head(TEXT, len(data)) + data\n", "    return head(TEXT, len(text)) + data\n"),
    Right("deflates whatever is longer than a hundred characters", "deflate", "len(data) >= WORTH and", "len(text) > 100 and"),
]  # fmt: skip
UPWARDS = [
    Broken("numbers-not-resynchronised", "sender", NUMBER, "packets = []\n", breaks="no_loss"),
    Broken("numbers-not-resynchronised/2", "sender", SENT, '        sent = getattr(self, "sent", 0)\n', (("sender", LINE, LINE + "                    self.sent = sent\n"),), breaks="no_loss"),
    Broken("numbers-in-full", "sender", NUMBER, 'packets = [("number", waiting[0][0])]\n'),
    Broken("batch-reorders", "sender", BODIES, '[("body", body) for _, body in reversed(waiting)]', breaks="order"),
    Broken("batch-waits", "sender", LINE, "                    await asyncio.sleep(0.02)\n" + LINE),
    Broken("batch-unbounded", "sender", "[:BATCH]", ""),
    Broken("no-batch", "sender", "[:BATCH]", "[:1]"),
    Broken("ask-kept", "sender", ASKED, "sent = waiting[-1][0]"),
    Broken("ask-forgotten", "sender", ' + [("ask", 0)] * self.asks', ""),
    Right("one message after the other into the frame", "sender", BODIES, "[*(((\"body\", pair[1])) for pair in waiting)]"),
    Right("frames of sixteen", "sender", "[:BATCH]", "[:16]"),
]  # fmt: skip
DOWNWARDS = [
    Broken("own-in-full", "runs", "            own += 1\n", '            packets += [("body", body), ("ack", number)]\n'),
    Broken("acknowledged-by-welcome", "runs", OWN, "        if sender == who:\n", breaks="no_loss"),
    Broken("run-overtakes", "runs", RUN, '            packets.append(("body", body))\n', breaks="convergence"),
    Broken("acks-never-flushed", "acks", TIMER + START, "", breaks="liveness"),
    Broken("timer-restarted", "acks", TIMER, "        else:\n            if self.timer is not None:\n                self.timer.cancel()\n"),
    Broken("ack-each", "acks", "ACK_S, self.rings", "0.02, self.rings"),
    Broken("others-wait", "acks", SOON, "        if self.owed >= self.most:\n"),
    Broken("outbox-fills-up", "acks", SOON, "        if not own:\n"),
    Broken("ack-before-durable", "acks", "    def rings(self) -> None:\n", '''    def __enter__(self) -> "Feed":
        feed = self

        class Hasty(type(self.wire)):
            __slots__ = ()

            def read(self, data: bytes) -> list[Packet]:
                packets = super().read(data)
                said = sum(kind == "body" for kind, _ in packets)
                if said and feed.offset == feed.log.end:
                    broadcast([feed.connection], self.write([("ack", feed.safe + said)]))
                return packets

        self.wire.__class__ = Hasty
        return super().__enter__()

    def rings(self) -> None:
''', breaks="ack_after_durable"),
    Right("half the time", "acks", "ACK_S, self.rings", "ACK_S / 1.5, self.rings"),
    Broken("no-bound", "path", ROOM, "True"),
    Broken("gives-up-when-full", "path", TASK, "        line.takes(at_hand(line.log, line.offset) or list(line.log.tail))\n"),
    Broken("store-skipped", "path", AT_HAND, "    elif has_room and (entries := at_hand(line.log, line.offset) or list(line.log.tail)):\n", breaks="no_loss"),
    Broken("always-a-task", "path", ROOM, "False"),
    Broken("only-a-count", "path", OWED, "    if has_room and line.owed:\n", breaks="no_loss"),
    Right("half the room", "path", "<= ROOM", "<= ROOM // 2"),
    Right("entries, whatever is owed", "path", OWED + ACKS + "    elif", "    if"),
]  # fmt: skip
READING = [
    Broken("direct-never", "direct", ASIDE, "    if up.store.writes_at_once or True:\n        return False\n"),
    Broken("direct-never/2", "direct", "    return True\n", "    return None\n"),
    Broken("direct-loses", "direct", WRITE + ADD, "                asyncio.ensure_future(up.log.append(value, up.who, up.number))\n"),
    Broken("direct-numbers", "direct", NUMBERED, "", breaks="liveness"),
    Broken("direct-twice", "direct", TAKE, "", breaks="no_duplicate"),
    Broken("direct-twice/2", "direct", VERDICT, "            if True:\n"),
    Broken("direct-gap", "direct", VERDICT, '            if verdict != "again":\n'),
    Broken("direct-gap/2", "direct", "                raise OutOfOrder\n", "                return False\n"),
    Broken("direct-ask", "direct", FLUSH, '        elif kind == "ask":\n            up.feed.soon()\n'),
    Broken("direct-swallows", "direct", READ, "    with contextlib.suppress(ValueError):\n        packets = up.wire.read(data)\n    for kind, value in packets:\n".replace("    with", "    packets = []\n    with")),
    Broken("direct-not-durable", "direct", ASIDE, "", (("direct", WRITE, "                asyncio.ensure_future(up.store.append(value, who=up.who, number=up.number))\n"),), breaks="ack_after_durable"),
    Broken("direct-reads-first", "direct", ASIDE, "    packets = up.wire.read(data)\n" + ASIDE, (("direct", READ, "    for kind, value in packets:\n"),)),
    Right("the copies first", "direct", VERDICT, '            if verdict == "again":\n                continue\n            if verdict == "gap":\n                raise OutOfOrder\n            else:\n'),
]  # fmt: skip
CONTROL = [
    Broken("cheaper-passes", "cheaper", "return Implementation(Ends, Sure)", "return Implementation(Ends, Member)"),
    Broken("cheaper-breaks-nothing-else", "cheaper", "            if self.cursor.offset:  # what was sent before the cut has surely arrived\n" + SURE, "            safe_to(self, 10)\n"),
    Broken("cheaper-is-dearer", "cheaper", "    return Implementation(Ends, Sure)\n", '''    class Chatty(Sure):
        def send(self, body: str, asks: bool = False) -> None:
            super().send(body, True)

    return Implementation(Ends, Chatty)
'''),
    Right("another saving", "cheaper", "    return Implementation(Ends, Sure)\n", '''    class Careless(Ends):
        def __init__(self, context: ServerContext) -> None:
            super().__init__(context)
            self.inbox.judge = lambda who, number: "new"

    return Implementation(Careless, Member)
'''),
]  # fmt: skip

ENTRIES = [*CODEC, *SHAPING, *UPWARDS, *DOWNWARDS, *READING, *CONTROL]
WRONG = [entry for entry in ENTRIES if isinstance(entry, Wrong)]
RIGHT = [entry for entry in ENTRIES if not isinstance(entry, Wrong)]

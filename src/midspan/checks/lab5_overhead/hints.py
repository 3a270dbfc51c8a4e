"""The three hints of each step: where to look, what to use, nearly the answer."""

from __future__ import annotations

HINTS: dict[str, tuple[str, str, str]] = {
    "head": (
        "Three cases: the number stands in the five bits; it follows in a few bytes; what is there is no head.",
        "`kind << 5 | code` is the first byte, `divmod(first, 32)` takes it apart. A code from 24 on means "
        "`1 << (code - 24)` bytes. number.to_bytes(size, 'big') and int.from_bytes(data[a:b], 'big').",
        "head: if number < 24 one byte; else the first code of range(4) with number < 1 << (8 << code). read_head: "
        "first make sure that at < len(data), then number <= 27 and the end <= len(data), else ValueError.",
    ),
    "wire": (
        "Writing is one piece a packet, joined. Reading goes on until the message is used up.",
        "KINDS gives the kind of a name, NAMES the name of a kind. The kind of what stands at `at` is data[at] >> 5.",
        "read: while at < len(data): below NUMBER body, at = self.hears.read(data, at), kept unless it is None; "
        "else kind, number, at = read_head(data, at), and (NAMES[kind], number).",
    ),
    "shapes": (
        "Two tables: what I have taught (shape to number), and what I was taught (number to shape). Neither is shared.",
        "split(body) and filled(shape, values) do the text. head(SHAPE, size) teaches, head(SHAPED, number) uses, "
        "block(values) carries the values.",
        "write: block(body) for all that has no shape; else self.numbers.setdefault(shape, len(self.numbers)). read: "
        "SHAPED: is the number known? then read_block and filled; SHAPE is kept if there is room, and gives None; "
        "anything else is read_block.",
    ),
    "deflate": (
        "Compare two sizes, send the smaller one. And who decides how much comes out when we inflate?",
        "zlib.compress(data, 6, -15); zlib.decompressobj(-15).decompress(piece, LONGEST) stops at LONGEST bytes; its "
        "`.eof` says whether that was all.",
        "read_block: cut piece out and check its end and kind; if DEFLATED: decompress with LONGEST inside try/except "
        "zlib.error -> ValueError; not eof -> ValueError; then piece.decode().",
    ),
    "sender": (
        "What does the server count, from which number, and since when?",
        "`sent` is 0 at the start of each connection. waiting = self.outbox.after(sent)[:BATCH] gives (number, body) "
        "pairs; only the first can be out of step.",
        'while waiting := self.outbox.after(sent)[:BATCH]: a ("number", n) if waiting[0][0] != sent + 1, the bodies, '
        'an ("ask", 0) if self.asks; then set sent and clear asks, send. After that loop await self.more.wait().',
    ),
    "runs": (
        "Go through the entries once, and count while they are the receiver's own.",
        'When an entry of somebody else comes, and at the end, the count becomes ("mine", own), unless it is 0.',
        "own: sender == who and number > safe. Then own += 1; else append the count if there is one, then the body, "
        "and set own to 0.",
    ),
    "acks": (
        "For each entry one question: may it wait? And one more: does a timer run already?",
        "self.soon() for what may not wait. self.loop.call_later(ACK_S, self.rings) for what may, if self.timer is "
        "None. A timer that runs goes on running.",
        "added: own = ...; self.owed += own; if not own or self.owed >= self.most: self.soon(); elif self.timer is "
        "None: start it. rings: self.timer = None, then self.flush().",
    ),
    "path": (
        "Two reasons to leave it to a task: what is to be sent is not at hand, or there is no room. Two ways to write: "
        "a count, or entries.",
        "at_hand(line.log, line.offset) is None when the store is needed. line.takes(entries) gives the frame and "
        "moves the offset; line.acks() does so for what is owed, when that is line.log.end - line.offset.",
        "Much in line.connection.transport.get_write_buffer_size(): line.task = asyncio.create_task(catch_up(line))."
        " Else broadcast([line.connection], ...) of line.acks(), or of line.takes(entries) if they are at hand; else "
        "the task.",
    ),
    "direct": (
        "One question before you read anything: could one of its messages have to wait? And then what in_time does.",
        "up.store.writes_at_once answers it. up.desk.take is to be awaited; up.inbox.judge(up.who, up.number) is not, "
        "nor are up.store.write(body, who=..., number=...), up.log.add(body, ...) and up.inbox.take(...).",
        "if not up.store.writes_at_once: return False. For each packet as in in_time, but for a body: up.number += 1, "
        'then verdict = up.inbox.judge(...): "gap" raises OutOfOrder, "new" is written and taken. return True.',
    ),
    "cheaper": (
        "What is sent again after a cut costs bytes. What if a careless colleague saved those?",
        "A subclass of Member can change the outbox before it calls super().session(connection). safe_to(self, number) "
        "takes messages for acknowledged.",
        "class Sure(Member): in session, if self.cursor.offset safe_to(self, self.outbox.base + len(self.outbox) - 1), "
        "then await super().session(connection). Return Cast(Ends, Sure).",
    ),
}

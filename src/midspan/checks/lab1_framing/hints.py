"""The three hints of each step: where to look, what to use, nearly the answer."""

from __future__ import annotations

HINTS: dict[str, tuple[str, str, str]] = {
    "accept_key": (
        "Three things happen to the key, in this order: something is joined to it, the result is hashed, the "
        "digest is written as text.",
        "hashlib.sha1(...).digest() takes and gives bytes; base64.b64encode too. key.encode() makes bytes of "
        "the header's text.",
        'digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest(), then base64, '
        "then .decode().",
    ),
    "mask": (
        "Section 5.3 has one line: octet i of the result is octet i of the data XOR octet (i modulo 4) of the key.",
        "Turn the key so that it begins at offset % 4, then repeat it until it is as long as the data. Whole "
        "numbers have ^ too.",
        "stream = (key[start:] + key[:start]) repeated, and cut to the length of the data. Then "
        'int.from_bytes(..., "big") of both, ^ between them, and .to_bytes(len(data), "big"): the length keeps leading '
        "zeros.",
    ),
    "encode_frame": (
        "Draw section 5.2's figure as bytes: FIN and opcode; mask bit and length; 0, 2 or 8 bytes of length; 0 "
        "or 4 bytes of key; payload.",
        'struct.pack("!BBH", first, second, size) writes one byte, one byte and 16 bits, in network byte '
        'order; "Q" is 64 bits.',
        "first = opcode | 0x80 if fin; second = (0x80 if key is not None else 0) | (size, 126 or 127), for "
        "size < 126, < 65536, and above.",
    ),
    "frame_parser": (
        "Keep what has arrived in a bytearray. Two questions alternate: is the header whole? Then: how much of "
        "the payload is here?",
        "del buffer[:n] gives bytes back in time that does not grow with the buffer. Remember opcode, fin, "
        "key, how much is still to come and how much has been unmasked: that is the offset of the next piece.",
        "feed: append; while the buffer holds anything: read the header if we are between frames (return if it "
        "is not whole); return if a control frame is not whole; take min(rest, buffer), unmask, yield "
        "Frame(opcode, piece, fin and not rest, rest); what follows is a CONTINUATION.",
    ),
    "message_assembler": (
        "Remember the opcode of the message we are inside of. That alone tells a right sequence from a wrong one.",
        'codecs.getincrementaldecoder("utf-8")() keeps the beginning of a character until the rest comes: '
        "decode(bytes, final=True) says that nothing more will.",
        "Count the bytes that are here, those of this frame and its `rest`. After decode(), getstate()[0] "
        'holds the bytes that wait for more: ED followed by A0 to BF is bad already, and decode(b"", '
        "final=True) raises for it.",
    ),
    "close_frame": (
        "Three shapes of payload: nothing; two bytes; two bytes and a reason. Everything else fails.",
        "The codes of section 7.4.1 with holes at 1004, 1005, 1006 and 1015; IANA has added 1012, 1013 and "
        "1014; 3000 to 4999 are for applications.",
        "One predicate for both directions: 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= "
        '4999. To cut bytes between characters: reason.encode()[:123].decode(errors="ignore").encode().',
    ),
    "connection": (
        "receive is one loop over parser.feed(data): four kinds of frame, four branches. A Violation ends it "
        "in a fifth.",
        "receive is a generator: `yield message` waits until the next one is asked for, so an answer is in "
        "`out` before the bytes behind it are looked at.",
        "finish(payload): write a CLOSE unless close_sent, then done = True. A peer's close: close_code, "
        "close_reason = parse_close(...), then finish with its first two bytes, then return. A Violation: "
        "finish with close_payload(code, why).",
    ),
    "read_head": (
        "The head ends with the first empty line: CR LF CR LF. Everything behind it belongs to somebody else.",
        'bytes.partition gives head, separator and rest; an empty separator says "not yet". HTTP heads decode '
        "as latin-1, which never fails.",
        'For each line: name, _, value = line.partition(":"); refuse a name that is no token (RFC 9110, '
        'section 5.6.2); headers.setdefault(name.lower(), []).append(value.strip(" \\t")).',
    ),
    "answer_request": (
        "Section 4.2.1 is a list of what a request must have: take it item by item, and refuse with the first "
        "that is missing.",
        "Upgrade and Connection are comma-separated and may stand on several lines: split all of them, strip, "
        "lower. Host and key must be there exactly once.",
        'The key: re.fullmatch(r"[A-Za-z0-9+/]{22}==", key). 426 needs Upgrade, Connection and '
        "Sec-WebSocket-Version: 13 in its headers; 405 needs Allow: GET.",
    ),
    "check_answer": (
        "Ask for what answer_request wants to see; then hold the answer against the five rules at the end of "
        "section 4.1.",
        "The status line begins with HTTP/1.1 and three digits. Upgrade is one value here, Connection still a "
        "list, Accept exactly one value.",
        'headers.get(name, []) == [expected] tests "once, and this" in one go; for Upgrade compare in lower case.',
    ),
    "socket": (
        "recv: give a message if there is one; else write what is due; else read more. In this order, in a loop.",
        "self.messages is the generator of the last bytes: `for message in self.messages: return message` "
        "takes one and leaves the rest where it is.",
        "close: connection.close(...), then, under asyncio.timeout, read to the end of the messages (async "
        "for), then hang_up. hang_up: a server ends its half (write_eof) and reads to the end; a client only "
        "reads; then writer.close() and wait_closed(); whatever happens, abort().",
    ),
    "serve": (
        "Three parts under one try each: the opening handshake under a timeout; the handler; the close, in `finally`.",
        "receive_head: append what is read until read_head gives something; an end of the stream inside the "
        "head is a Refused(400, ...).",
        "code = 1001 before the handler, 1000 behind it, 1011 in `except Exception`; `finally: await "
        "socket.close(code)`. For Refused: write error.to_bytes(), then hang_up.",
    ),
    "connect": (
        "The mirror of `serve`: open the stream, ask, read the head, check the answer, make the Socket.",
        "urllib.parse.urlsplit gives hostname, port, path, query and netloc; a target is never empty: `/` at least. "
        "The key is 16 random bytes in base64.",
        "reader, writer = await asyncio.open_connection(hostname, port, ssl=tls). Whatever fails from there to "
        "the Socket: `except BaseException: writer.transport.abort(); raise`.",
    ),
    "patient_connection": (
        "Do not make frames in send: keep messages in a queue, and make one fragment each time somebody takes.",
        "take: what stands in `out` goes first, since control frames are written there. Only when it is empty, "
        "cut one fragment off the first message.",
        "Keep (opcode, memoryview) in `waiting`; what is left of a message goes back to the front as "
        "CONTINUATION. Our own close waits in the same queue.",
    ),
}

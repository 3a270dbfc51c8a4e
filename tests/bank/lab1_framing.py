"""Lab 1's bank: one plausible misconception each, and answers that differ from the reference and are as good."""

# ruff: noqa: E501 - an edit reads best when its lines are those of the notebook

from __future__ import annotations

from tests.bank import Right, Wrong

KEYS = [
    Wrong("key-without-guid", "accept_key", '(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()', "key.encode()"),
    Wrong("hex-not-base64", "accept_key", "return base64.b64encode(digest).decode()", "return digest.hex()"),
    Wrong("hex-not-base64/2", "accept_key", "b64encode(digest)", "b64encode(digest.hex().encode())"),
    Wrong("key-decoded", "accept_key", '(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()', 'base64.b64decode(key) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"'),
    Wrong("mask-offset", "mask", "    start = offset % 4\n", "    start = 0\n", words="from byte 1 of a payload"),
    Wrong("mask-first-byte-only", "mask", "(key[start:] + key[:start])", "key[:1] * 4"),
    Right("a loop over the bytes", "mask", "    number = int.from_bytes(data, \"big\") ^ int.from_bytes(stream[: len(data)], \"big\")\n    return number.to_bytes(len(data), \"big\")", "    return bytes(a ^ b for a, b in zip(data, stream))"),
]  # fmt: skip
WRITING = [
    Wrong("length-126-boundary", "encode_frame", "if size < 126:", "if size <= 126:"),
    Wrong("length-126-boundary/2", "encode_frame", "if size < 126:", "if size < 125:"),
    Wrong("length-64k-boundary", "encode_frame", "elif size < 2**16:", "elif size < 2**16 - 1:"),
    Wrong("length-little-endian", "encode_frame", '"!BBH"', '"<BBH"', words="7e 00 7e"),
    Wrong("length-127-four-bytes", "encode_frame", '"!BBQ"', '"!BBL"'),
    Wrong("fin-not-written", "encode_frame", "(0x80 if fin else 0)", "0x80"),
    Wrong("mask-bit-missing", "encode_frame", "masked = len(payload), 0 if key is None else 0x80", "masked = len(payload), 0"),
    Wrong("key-before-length", "encode_frame", "header + key + mask(payload, key)", "header[:2] + key + header[2:] + mask(payload, key)"),
    Right("int.to_bytes instead of struct", "encode_frame", 'header = struct.pack("!BBQ", first, masked | 127, size)', 'header = bytes([first, masked | 127]) + size.to_bytes(8, "big")'),
]  # fmt: skip
READING = [
    Wrong("one-recv-one-frame", "frame_parser", "        self.buffer += data\n", "        self.buffer = bytearray(data)\n", words="one byte at a time"),
    Wrong("first-frame-only", "frame_parser", "        while self.buffer:\n", "        if self.buffer:\n"),
    Wrong("mask-offset/2", "frame_parser", "mask(piece, self.key, self.offset)", "mask(piece, self.key)"),
    Wrong("waits-for-whole-frame", "frame_parser", "if self.opcode >= CLOSE and len(self.buffer)", "if len(self.buffer)"),
    Wrong("unmasked-accepted", "frame_parser", "if masked != (self.role == \"server\"):", "if masked and self.role == \"client\":"),
    Wrong("unmasked-accepted/2", "frame_parser", "if masked != (self.role == \"server\"):", "if opcode < CLOSE and masked != (self.role == \"server\"):", words="an empty ping"),
    Wrong("masked-accepted", "frame_parser", "if masked != (self.role == \"server\"):", "if self.role == \"server\" and not masked:"),
    Wrong("fin-not-read", "frame_parser", "self.fin and not self.rest, self.rest)", "not self.rest, self.rest)"),
    Wrong("reserved-accepted", "frame_parser", "if first & 0x70:", "if first & 0x40:", words="RSV2"),
    Wrong("reserved-accepted/2", "frame_parser", "if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):", "if opcode > PONG:"),
    Wrong("control-unlimited", "frame_parser", "if opcode >= CLOSE and first < 0x80:", "if opcode == CLOSE and first < 0x80:"),
    Wrong("control-unlimited/2", "frame_parser", "if opcode >= CLOSE and length > 125:", "if opcode == CLOSE and length > 125:"),
    Wrong("non-minimal-accepted", "frame_parser", "if end > 2 and (length < (126 if end == 4 else 2**16) or length >= 2**63):", "if length >= 2**63:"),
    Wrong("non-minimal-accepted/2", "frame_parser", "(126 if end == 4 else 2**16)", "126", words="64-bit length"),
    Wrong("limit-after-payload", "frame_parser", "        if length > self.max_size:", "        if length > self.max_size and len(self.buffer) >= length:"),
    Wrong("violation-hides-frames", "frame_parser", "    def feed(self, data: bytes) -> Iterator[Frame]:", "    def feed(self, data):\n        return list(self.frames(data))\n\n    def frames(self, data: bytes) -> Iterator[Frame]:"),
    Wrong("quadratic-buffer", "frame_parser", "self.buffer[:2].ljust(2, b\"\\0\")", "(self.buffer + b\"\\0\")[:2]"),
    Right("checks in another order", "frame_parser", "        if opcode >= CLOSE and first < 0x80:\n            raise Violation(1002, \"a control frame is fragmented\")\n        if len(self.buffer) < 2:\n            return False\n", "        if len(self.buffer) < 2:\n            return False\n        if opcode >= CLOSE and first < 0x80:\n            raise Violation(1002, \"a control frame is fragmented\")\n"),
    Right("no piece without bytes", "frame_parser", "            self.opcode = CONTINUATION if self.rest else None\n            yield frame\n", "            if piece or not self.rest:\n                self.opcode = CONTINUATION if self.rest else None\n                yield frame\n"),
]  # fmt: skip
MESSAGES = [
    Wrong("fin-ignored", "message_assembler", "        if not frame.fin:\n            return None\n", ""),
    Wrong("utf8-per-fragment", "message_assembler", "self.utf8.decode(frame.payload, final=frame.fin)", "frame.payload.decode()"),
    Wrong("utf8-at-the-end", "message_assembler", "        if self.opcode == TEXT:\n            try:\n                self.utf8.decode(frame.payload, final=frame.fin)", "        if self.opcode == TEXT and frame.fin:\n            try:\n                self.utf8.decode(bytes(self.data), final=True)"),
    Wrong("utf8-cut-at-the-end", "message_assembler", "decode(frame.payload, final=frame.fin)", "decode(frame.payload)"),
    Wrong("utf8-surrogate-late", "message_assembler", "b\"\\xed\\xa0\" <= self.utf8.getstate()[0] < b\"\\xee\"", "False"),
    Wrong("continuation-of-nothing", "message_assembler", "        if frame.opcode == CONTINUATION and self.opcode is None:\n            raise Violation(1002, \"a continuation of nothing\")\n", ""),
    Wrong("message-inside-message", "message_assembler", "        if frame.opcode != CONTINUATION and self.opcode is not None:\n            raise Violation(1002, \"a new message inside an unfinished one\")\n        if self.opcode is None:\n", "        if frame.opcode != CONTINUATION:\n"),
    Wrong("limit-per-fragment", "message_assembler", "size = len(self.data) + len(frame.payload) + frame.rest", "size = len(frame.payload) + frame.rest"),
    Wrong("limit-per-fragment/2", "message_assembler", "size = len(self.data) + len(frame.payload) + frame.rest", "size = len(self.data) + len(frame.payload)", words="still to come"),
    Wrong("binary-as-text", "message_assembler", "        if self.opcode == TEXT:\n", "        if self.opcode:\n"),
    Right("decoded as it comes", "message_assembler", "        return self.data.decode() if opcode == TEXT else bytes(self.data)", "        return str(self.data, \"utf-8\") if opcode == TEXT else bytes(self.data)"),
]  # fmt: skip
CLOSING = [
    Wrong("one-byte-code", "close_frame", "if len(payload) == 1 or not may_be_sent(code):", "if not may_be_sent(code) and len(payload) > 1:"),
    Wrong("any-code", "close_frame", "    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999", "    return 1000 <= code <= 4999"),
    Wrong("any-code/2", "close_frame", "1007 <= code <= 1014", "1007 <= code <= 1011", words="1012"),
    Wrong("reason-not-utf8", "close_frame", "        return code, payload[2:].decode()\n", "        return code, payload[2:].decode(errors=\"replace\")\n"),
    Wrong("empty-close-is-1000", "close_frame", "return 1005, \"\"", "return 1000, \"\""),
    Wrong("reason-too-long", "close_frame", "[:123].decode(errors=\"ignore\").encode()", "[:123]"),
    Wrong("1005-sent", "close_frame", "    if code == 1005:\n        return b\"\"\n    if not may_be_sent(code):", "    if code != 1005 and not may_be_sent(code):"),
    Right("a set of codes", "close_frame", "    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999", "    return code in {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005, 1006}"),
]  # fmt: skip
CONNECTIONS = [
    Wrong("pong-without-payload", "connection", "self.write(PONG, frame.payload)", "self.write(PONG, b\"\")"),
    Wrong("control-breaks-message", "connection", "                if frame.opcode == PING:\n", "                if frame.opcode == PING:\n                    self.assembler.opcode = None\n"),
    Wrong("answers-after-all", "connection", "    def receive(self, data: bytes) -> Iterator[str | bytes]:", "    def receive(self, data):\n        return iter(list(self.messages(data)))\n\n    def messages(self, data: bytes) -> Iterator[str | bytes]:"),
    Wrong("close-not-answered", "connection", "return self.finish(frame.payload[:2])", "self.closing = self.done = True\n                    return"),
    Wrong("close-not-checked", "connection", "                    self.close_code, self.close_reason = parse_close(frame.payload)\n", "                    self.close_code = int.from_bytes(frame.payload[:2], \"big\") if frame.payload else 1005\n                    self.close_reason = frame.payload[2:].decode(errors=\"replace\")\n"),
    Wrong("data-after-close", "connection", "                    return self.finish(frame.payload[:2])\n                if", "                    self.finish(frame.payload[:2])\n                elif"),
    Wrong("data-after-close/2", "connection", "        if self.closing or self.done:\n            raise Closed(self.close_code, self.close_reason)\n        if isinstance", "        if isinstance"),
    Wrong("second-close", "connection", "        if not self.close_sent:\n            self.write(CLOSE, payload)\n", "        self.write(CLOSE, payload)\n"),
    Wrong("second-close/2", "connection", "        if not (self.closing or self.done):\n            self.closing = True\n            self.write(CLOSE, close_payload(code, reason))", "        self.closing = True\n        self.write(CLOSE, close_payload(code, reason))"),
    Wrong("violation-not-told", "connection", "            self.finish(close_payload(broken.code, broken.why))", "            self.done = True"),
    Wrong("violation-not-told/2", "connection", "close_payload(broken.code, broken.why)", "close_payload(1002, broken.why)", words="CLOSE 1007"),
    Wrong("done-too-early", "connection", "            self.closing = True\n            self.write(CLOSE, close_payload(code, reason))", "            self.closing = self.done = True\n            self.write(CLOSE, close_payload(code, reason))"),
    Wrong("eof-forgets-close", "connection", "        self.done = True\n        ### END", "        self.done, self.close_code = True, 1006\n        ### END"),
    Wrong("eof-is-1000", "connection", "        self.done = True\n        ### END", "        self.done, self.close_code = True, 1000\n        ### END"),
    Wrong("ping-too-long", "connection", "        if len(payload) > 125:\n            raise ValueError(f\"a ping has at most 125 bytes, not {len(payload)}\")\n", ""),
    Right("a table of branches", "connection", "                elif frame.opcode == PONG:\n                    self.pong = frame.payload\n                elif (message", "                if frame.opcode == PONG:\n                    self.pong = frame.payload\n                if frame.opcode < CLOSE and (message"),
    Right("the reason goes back too", "connection", "return self.finish(frame.payload[:2])", "return self.finish(frame.payload)"),
    Right("no pong once we are closing", "connection", "                if frame.opcode == PING:\n", "                if frame.opcode == PING and self.closing:\n                    pass\n                elif frame.opcode == PING:\n"),
]  # fmt: skip
OPENING = [
    Wrong("head-one-recv", "read_head", "    if not blank:\n        return None\n", ""),
    Wrong("rest-dropped", "read_head", "return start, headers, rest", "return start, headers, b\"\""),
    Wrong("head-unlimited", "read_head", "    if len(head) > limit:\n        raise Refused(431, f\"the head is longer than {limit} bytes\")\n", ""),
    Wrong("header-case", "read_head", "setdefault(name.lower(), [])", "setdefault(name, [])"),
    Wrong("header-line-accepted", "read_head", "        if not re.fullmatch(r\"[!#$%&'*+.^_`|~0-9A-Za-z-]+\", name) or re.search(r\"[\\0-\\x08\\x0a-\\x1f\\x7f]\", value):\n            raise Refused(400, f\"not a header: {line!r}\")\n", ""),
    Wrong("header-line-accepted/2", "read_head", "    if re.search(rb\"(?<!\\r)\\n\", head):\n        raise Refused(400, \"a line ends with LF alone\")\n", "", words="LF alone"),
    Wrong("header-value-not-list", "answer_request", "if \"websocket\" not in tokens(headers, \"upgrade\"):", "if [v.lower() for v in headers.get(\"upgrade\", [])] != [\"websocket\"]:"),
    Wrong("header-value-not-list/2", "answer_request", "if \"websocket\" not in tokens(headers, \"upgrade\"):", "if \"websocket\" not in \",\".join(headers.get(\"upgrade\", [])).lower():", words="websockets"),
    Wrong("request-not-checked", "answer_request", "    if request[1] != \"GET\":\n        raise Refused(405, \"the method is not GET\", {\"Allow\": \"GET\"})\n", ""),
    Wrong("request-not-checked/2", "answer_request", "    if [bool(host) for host in headers.get(\"host\", [])] != [True]:\n        raise Refused(400, \"expected one Host\")\n", "", words="no Host"),
    Wrong("version-not-told", "answer_request", "raise Refused(426, \"expected Sec-WebSocket-Version: 13\", upgrade)", "raise Refused(426, \"expected Sec-WebSocket-Version: 13\")"),
    Wrong("version-not-told/2", "answer_request", "    if headers.get(\"sec-websocket-version\") != [\"13\"]:\n        raise Refused(426, \"expected Sec-WebSocket-Version: 13\", upgrade)\n", ""),
    Wrong("key-not-checked", "answer_request", "len(key) != 1 or not re.fullmatch(r\"[A-Za-z0-9+/]{22}==\", key[0])", "len(key) != 1"),
    Wrong("accept-not-checked", "check_answer", "    if headers.get(\"sec-websocket-accept\") != [accept_key(key)]:", "    if \"sec-websocket-accept\" not in headers:"),
    Wrong("status-not-checked", "check_answer", "if not status or status[1] != \"101\":", "if not status:"),
    Wrong("unasked-extension", "check_answer", "    if \"sec-websocket-extensions\" in headers or \"sec-websocket-protocol\" in headers:\n        raise Refused(101, \"an extension or a subprotocol that we did not ask for\")\n", ""),
    Right("b64decode and 16 bytes", "answer_request", "not re.fullmatch(r\"[A-Za-z0-9+/]{22}==\", key[0])", "not (len(key[0]) == 24 and key[0].endswith(\"==\") and set(key[0][:22]) <= set(\"+/\" + \"\".join(map(chr, [*range(48, 58), *range(65, 91), *range(97, 123)]))))"),
]  # fmt: skip
SOCKETS = [
    Wrong("recv-is-read", "socket", "            self.messages = self.connection.receive(await self.read())\n", "            for message in self.connection.receive(await self.read()):\n                return message\n            raise Closed(1006, \"nothing came\")\n"),
    Wrong("no-flush-in-recv", "socket", "            await self.flush()\n            if self.connection.done:", "            if self.connection.done:"),
    Wrong("tcp-left-open", "socket", "            if role == \"server\" and writer.can_write_eof():  # TLS cannot end one half\n                writer.write_eof()\n", ""),
    Wrong("tcp-left-open/2", "socket", "            if role == \"client\" or writer.can_write_eof():", "            if role == \"server\" and writer.can_write_eof():", words="the client waits"),
    Wrong("waits-for-ever", "socket", "                async with asyncio.timeout(self.timeout_s):\n", "                async with asyncio.timeout(None):\n"),
    Wrong("rest-dropped/2", "serve", "rest, timeout_s), 1001", "b\"\", timeout_s), 1001"),
    Wrong("refusal-not-sent", "serve", "            writer.write(error.to_bytes() if isinstance(error, Refused) else b\"\")\n", ""),
    Wrong("handler-ends-open", "serve", "        finally:\n            await socket.close(code)\n", "        finally:\n            await hang_up(\"server\", reader, writer, timeout_s)\n"),
    Wrong("accept-not-checked/2", "connect", "            check_answer(start, headers, key)\n", ""),
    Wrong("close-not-answered/2", "connect", "        await socket.close()", "        writer.transport.abort()"),
]  # fmt: skip
PATIENCE = [
    Wrong("whole-message-first", "patient_connection", "piece, rest = data[: self.fragment_size], data[self.fragment_size :]", "piece, rest = data, b\"\""),
    Wrong("control-waits-in-line", "patient_connection", "        self.waiting.append((opcode, memoryview(data)))", "        self.waiting.append((opcode, memoryview(data)))\n\n    def ping(self, payload=b\"\"):\n        self.waiting.append((PING, memoryview(payload)))"),
    Right("a fragment goes out with the control frames", "patient_connection", "        if not self.out and self.waiting and", "        if self.waiting and"),
    Wrong("whole-message-first/2", "patient_connection", "        if not self.out and self.waiting", "        while self.waiting"),
    Wrong("fragments-mixed", "patient_connection", "self.waiting.appendleft((CONTINUATION, rest))", "self.waiting.append((CONTINUATION, rest))"),
    Wrong("fragment-opcode", "patient_connection", "self.waiting.appendleft((CONTINUATION, rest))", "self.waiting.appendleft((opcode, rest))"),
    Wrong("fragment-opcode/2", "patient_connection", "fin=not rest", "fin=True"),
    Wrong("close-overtakes", "patient_connection", "            self.waiting.append((CLOSE, memoryview(close_payload(code, reason))))", "            self.write(CLOSE, close_payload(code, reason))"),
    Wrong("answer-waits", "patient_connection", "        if not self.out and self.waiting and not self.close_sent:", "        if not self.out and self.waiting:"),
    Right("smaller fragments", "patient_connection", "piece, rest = data[: self.fragment_size], data[self.fragment_size :]", "size = self.fragment_size // 2 if opcode < CLOSE else len(data)\n            piece, rest = data[:size], data[size:]"),
]  # fmt: skip

ALL = [*KEYS, *WRITING, *READING, *MESSAGES, *CLOSING, *CONNECTIONS, *OPENING, *SOCKETS, *PATIENCE]
WRONG = [entry for entry in ALL if isinstance(entry, Wrong)]
RIGHT = [entry for entry in ALL if not isinstance(entry, Wrong)]

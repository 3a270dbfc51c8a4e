"""Lab 2's bank: wrong solutions, each with one plausible misconception, and right ones that are different.

An entry is an edit of the solution. See `tests.bank` for what the fields mean.
"""
# ruff: noqa: E501 - an edit reads best when its lines are those of the notebook

from __future__ import annotations

from tests.bank import Right, Wrong

# One entry a line: an edit is read across, not down.
ENVELOPE = [
    Wrong("defaults-written", "envelope", "    said = {name: value for name, value in envelope._asdict().items() if value != defaults.get(name)}\n", "    said = envelope._asdict()\n"),
    Wrong("false-left-out", "envelope", "if value != defaults.get(name)}", "if value and value != defaults.get(name)}"),
    Wrong("spaces-in-json", "envelope", "    return json.dumps(said, separators=(\",\", \":\"))", "    return json.dumps(said)"),
    Wrong("not-json-crashes", "envelope", "    try:\n        said = json.loads(text)\n    except ValueError as error:\n        raise Violation(f\"not JSON: {error}\") from None\n", "    said = json.loads(text)\n"),
    Wrong("unknown-field", "envelope", "    return Envelope(**said)", "    return Envelope(**{name: said[name] for name in Envelope._fields if name in said})", more=(("envelope", " or not said.keys() <= set(Envelope._fields)", ""),)),
    Wrong("kind-not-checked", "envelope", " or said.get(\"kind\") not in KINDS", " or \"kind\" not in said"),
]  # fmt: skip
EVENTS = [
    Wrong("decorator-returns-nothing", "events", "            self.handlers[name] = handler\n            return handler\n", "            self.handlers[name] = handler\n"),
    Wrong("arguments-in-a-list", "events", "[name, *arguments]", "[name, arguments]"),
    Wrong("arguments-in-a-list/2", "events", "self.handlers[name](*arguments)", "self.handlers[name](arguments)"),
    Wrong("handler-not-awaited", "events", "return await self.handlers[name](*arguments)", "return self.handlers[name](*arguments)"),
    Wrong("unknown-event-crashes", "events", "        if name not in self.handlers:\n            raise Failed(f\"no handler for {name!r}\")\n", ""),
    Wrong("namespace-forgotten", "events", "[name, *arguments], self.namespace)", "[name, *arguments])"),
    Wrong("result-not-returned", "events", "return await self.handlers[name](*arguments)", "await self.handlers[name](*arguments)"),
    Wrong("on-takes-the-name", "events", "", 'class Events:\n    def __init__(self, send, namespace="/"):\n        self.send, self.namespace, self.handlers = send, namespace, {}\n\n    def on(self, name, handler):\n        self.handlers[name] = handler\n\n    async def emit(self, name, *arguments):\n        await self.send(Envelope("event", [name, *arguments], self.namespace))\n', words="missing 1 required positional argument: 'handler'"),
    Wrong("bug-told-as-failed", "events", "        if name not in self.handlers:\n            raise Failed(f\"no handler for {name!r}\")\n        return await self.handlers[name](*arguments)", "        try:\n            return await self.handlers[name](*arguments)\n        except KeyError:\n            raise Failed(f\"no handler for {name!r}\") from None", words="expected: KeyError is raised"),
]  # fmt: skip
PEER = [
    Wrong("namespace-forgotten/3", "peer", "Envelope(\"event\", [name, *arguments], self.namespace, id)", "Envelope(\"event\", [name, *arguments], id=id)", words="the two calls send"),
    Wrong("send-outside-the-limit", "peer", "            async with asyncio.timeout(timeout_s):\n                await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n                reply = await answer\n", "            await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n            async with asyncio.timeout(timeout_s):\n                reply = await answer\n"),
    Wrong("cancelled-not-left", "peer", "                answer.set_result(None)\n", "                answer.cancel()\n", words="expected: Left is raised"),
    Wrong("waits-for-ever", "peer", "asyncio.timeout(timeout_s)", "asyncio.timeout(None)"),
    Wrong("call-leaks", "peer", "        try:\n            async with asyncio.timeout(timeout_s):\n                await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n                reply = await answer\n        finally:\n            del self.waiting[id]\n", "        async with asyncio.timeout(timeout_s):\n            await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n            reply = await answer\n        del self.waiting[id]\n"),
    Wrong("call-leaks/2", "peer", "        finally:\n            del self.waiting[id]\n", "        except TimeoutError:\n            del self.waiting[id]\n            raise\n        self.waiting.pop(id)\n", words="nothing waits any more"),
    Wrong("registered-too-late", "peer", "        answer = self.waiting[id := self.last] = asyncio.get_running_loop().create_future()\n", "        id = self.last\n", more=(("peer", "                reply = await answer\n", "                self.waiting[id] = asyncio.get_running_loop().create_future()\n                reply = await self.waiting[id]\n"), ("peer", "            del self.waiting[id]\n", "            self.waiting.pop(id, None)\n"))),
    Wrong("id-used-twice", "peer", "        self.last += 1\n", "        self.last = 1\n", more=(("peer", "            del self.waiting[id]\n", "            self.waiting.pop(id, None)\n"),)),
    Wrong("answers-in-order", "peer", "        answer = self.waiting.get(envelope.id)\n", "        answer = next(iter(self.waiting.values()), None)\n"),
    Wrong("values-not-unpacked", "peer", "        return tuple(reply.data) if len(reply.data) > 1 else reply.data[0] if reply.data else None", "        return reply.data"),
    Wrong("values-not-unpacked/2", "peer", "[] if result is None else list(result) if isinstance(result, tuple) else [result]", "[result]", words="returns nothing"),
    Wrong("values-not-unpacked/3", "peer", "list(result) if isinstance(result, tuple) else [result]", "list(result) if isinstance(result, (tuple, list)) else [result]", words="returns one"),
    Wrong("error-is-a-value", "peer", "        if reply.kind == \"error\":\n            raise Failed(reply.data[\"message\"])\n", "        if reply.kind == \"error\":\n            return reply.data\n"),
    Wrong("late-answer-crashes", "peer", "        answer = self.waiting.get(envelope.id)\n        if answer is None or answer.done():\n            self.late += 1\n        else:\n            answer.set_result(envelope)", "        self.waiting[envelope.id].set_result(envelope)"),
    Wrong("late-answer-crashes/2", "peer", "if answer is None or answer.done():", "if answer is None:", words="the second is dropped"),
    Wrong("answer-never-asked", "peer", "        if not 1 <= envelope.id <= self.last:\n            raise Violation(f\"an answer to call {envelope.id}, which was never made\")\n", ""),
    Wrong("answer-never-asked/2", "peer", "if not 1 <= envelope.id <= self.last:", "if envelope.id > self.last:", words="call 0"),
    Wrong("handler-takes-all-down", "peer", "        except Exception:\n            logging.exception(\"The handler of %r failed.\", envelope.data[0])\n", ""),
    Wrong("handler-takes-all-down/2", "peer", "        except Failed as failed:\n            failure = str(failed)\n", "        except Failed:\n            return\n", words="an error is sent"),
    Wrong("text-of-a-bug-sent", "peer", "        except Exception:\n            logging", "        except Exception as error:\n            failure = repr(error)\n            logging"),
    Wrong("answers-unasked", "peer", "            if envelope.id is not None:\n                await self.send(Envelope(\"answer\", values, self.namespace, envelope.id))\n            return", "            return await self.send(Envelope(\"answer\", values, self.namespace, envelope.id))"),
    Wrong("answers-unasked/2", "peer", "        if envelope.id is not None:\n            await self.send(Envelope(\"error\",", "        if True:\n            await self.send(Envelope(\"error\",", words="nothing is sent"),
    Wrong("false-left-out/2", "peer", "            if envelope.id is not None:\n                await self.send(Envelope(\"answer\"", "            if envelope.id:\n                await self.send(Envelope(\"answer\""),
    Wrong("calls-outlive-the-peer", "peer", "        for answer in self.waiting.values():\n            if not answer.done():\n                answer.set_result(None)\n", ""),
    Wrong("sends-after-the-end", "peer", "        self.send = gone\n", ""),
]  # fmt: skip
SESSION = [
    Wrong("unknown-namespace", "session", "        if name not in self.namespaces:\n            return await self.send(Envelope(\"refused\", {\"message\": \"Invalid namespace\"}, name))\n        self.joined = True\n", "        self.joined = True\n        if name not in self.namespaces:\n            return await self.send(Envelope(\"refused\", {\"message\": \"Invalid namespace\"}, name))\n"),
    Wrong("unknown-namespace/2", "session", "{\"message\": \"Invalid namespace\"}", "\"Invalid namespace\""),
    Wrong("welcome-before-reply", "session", "        await self.send(Envelope(\"join\", {\"sid\": secrets.token_urlsafe(12)}, name))\n        self.start(self.namespaces[name].welcome, peer, auth)\n", "        await self.namespaces[name].welcome(peer, auth)\n        await self.send(Envelope(\"join\", {\"sid\": secrets.token_urlsafe(12)}, name))\n"),
    Wrong("speaks-before-joining", "session", "elif peer is None or kind in (\"join\", \"refused\"):", "elif peer is None:\n            return\n        elif kind in (\"join\", \"refused\"):"),
    Wrong("joins-twice", "session", "if kind == \"join\" and peer is None:", "if kind == \"join\":"),
    Wrong("joins-twice/2", "session", "kind in (\"join\", \"refused\"):", "kind == \"join\":", more=(("session", "        else:\n            peer.answered(envelope)", "        elif kind != \"refused\":\n            peer.answered(envelope)"),), words="refused"),
    Wrong("handler-blocks", "session", "            self.start(peer.handle, envelope)\n", "            await peer.handle(envelope)\n"),
    Wrong("handlers-unbounded", "session", "            while len(self.tasks) >= self.limits.handlers:\n                await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)\n", ""),
    Wrong("leave-forgets-calls", "session", "self.peers.pop(name).end()", "self.peers.pop(name)"),
    Wrong("namespace-forgotten/2", "session", "peer = self.peers[name] = Peer(self.send, name)", "peer = self.peers[name] = Peer(self.send)", words="/chat"),
]  # fmt: skip
PERMISSION = [
    Wrong("refused-and-joined", "guarded_session", "                return await self.send(Envelope(\"refused\", {\"message\": why}, name))\n", "                await self.send(Envelope(\"refused\", {\"message\": why}, name))\n"),
    Wrong("open-on-error", "guarded_session", "            except Exception as error:", "            except Refused as error:"),
    Wrong("reason-leaks", "guarded_session", "str(error) if isinstance(error, Refused) else \"Not authorized\"", "str(error)"),
    Wrong("never-expires", "guarded_session", "        if lasts_s is not None:\n            self.start(self.expire, self.peers[name], lasts_s)\n", ""),
    Wrong("never-expires/2", "guarded_session", "            await self.send(Envelope(\"leave\", None, peer.namespace))\n", "", words="the client is told"),
    Wrong("expires-somebody-else", "guarded_session", "if self.peers.get(peer.namespace) is peer:", "if peer.namespace in self.peers:"),
    Wrong("late-is-violation", "guarded_session", "            self.expired.add(peer.namespace)\n", ""),
    Wrong("expired-for-good", "guarded_session", "            self.expired.discard(envelope.namespace)\n", ""),
]  # fmt: skip
ATTACHMENTS = [
    Wrong("bytes-at-the-top-only", "assembler", "            return {key: walk(item) for key, item in value.items()}\n        return [walk(item) for item in value] if isinstance(value, list | tuple) else value", "            return value\n        return [walk(item) for item in value] if isinstance(value, list | tuple) else value"),
    Wrong("bytes-at-the-top-only/2", "assembler", "isinstance(value, bytes | bytearray)", "isinstance(value, bytes)"),
    Wrong("placeholder-forged", "assembler", "    if attachments and lookalikes:\n        raise ValueError(f\"beside bytes, this would be read as a placeholder: {lookalikes[0]}\")\n", ""),
    Wrong("plain-data-restored", "assembler", "        if self.attachments:\n            envelope = ", "        if True:\n            envelope = "),
    Wrong("number-trusted", "assembler", "            if type(number) is not int or number not in left or len(value) != 2:\n                raise Violation(f\"a placeholder for no attachment: {value}\")\n            return left.pop(number)\n", "            left.pop(number, None)\n            return attachments[number]\n"),
    Wrong("number-trusted/2", "assembler", "type(number) is not int", "not isinstance(number, int)", words="number True"),
    Wrong("number-trusted/3", "assembler", " or len(value) != 2", "", words="more fields"),
    Wrong("named-twice", "assembler", "            return left.pop(number)\n", "            return attachments[number]\n", more=(("assembler", "    if left:\n        raise Violation(\"an attachment that no placeholder names\")\n", ""),)),
    Wrong("attachment-lost", "assembler", "    if left:\n        raise Violation(\"an attachment that no placeholder names\")\n", ""),
    Wrong("announced-not-kept", "assembler", "        if binary != (self.envelope is not None):\n            raise Violation(\"bytes that nobody announced\" if binary else \"a text where an attachment is due\")\n        if binary:", "        if binary and self.envelope is None:\n            raise Violation(\"bytes that nobody announced\")\n        if binary:"),
    Wrong("announced-not-kept/2", "assembler", "        if binary != (self.envelope is not None):", "        if binary and self.envelope is None:\n            return None\n        if binary != (self.envelope is not None):", words="nobody announced"),
    Wrong("gives-too-early", "assembler", "if len(self.attachments) < envelope.attachments:", "if len(self.attachments) < min(1, envelope.attachments):"),
    Wrong("size-of-the-text", "assembler", "        self.size += len(message)\n", "        self.size = len(message)\n"),
    Wrong("state-kept", "assembler", "self.attachments, self.size = self.decode(message), [], 0", "self.attachments, self.size = self.decode(message), [], self.size"),
    Wrong("state-kept/2", "assembler", "self.decode(message), [], 0", "self.decode(message), self.attachments, 0", words="completes it"),
]  # fmt: skip
HOSTILE = [
    Wrong("depth-crashes", "guarded", "except (ValueError, RecursionError) as error:", "except ValueError as error:"),
    Wrong("not-finite", "guarded", "    return not isinstance(value, float) or math.isfinite(value)", "    return True"),
    Wrong("not-finite/2", "guarded", "math.isfinite(value)", "value == value", words="inf"),
    Wrong("true-is-a-number", "guarded", "if type(id) is not int or", "if not isinstance(id, int) or"),
    Wrong("true-is-a-number/2", "guarded", "if type(attachments) is not int or", "if not isinstance(attachments, int) or"),
    Wrong("name-is-no-name", "guarded", "isinstance(name, str) and len(name)", "isinstance(data, list) and len(data) > 0 and len(str(name))"),
    Wrong("name-is-no-name/2", "guarded", "isinstance(name, str) and len(name) <= limits.name_chars and", "isinstance(name, str) and", words="nnnnnnnnnnn"),
    Wrong("reserved-name", "guarded", " and name not in RESERVED", ""),
    Wrong("shape-not-checked", "guarded", "\"answer\": isinstance(data, list),", "\"answer\": True,"),
    Wrong("shape-not-checked/2", "guarded", "\"join\": data is None or isinstance(data, dict),", "\"join\": not data or isinstance(data, dict),", words="join"),
    Wrong("shape-not-checked/3", "guarded", "\"leave\": data is None,", "\"leave\": not data,", words="leave"),
    Wrong("id-anywhere", "guarded", "kind in (\"answer\", \"error\") or id is not None:", "id is not None:"),
    Wrong("id-anywhere/2", "guarded", " or kind not in (\"event\", \"answer\", \"error\"):", ":", words="join, id=1"),
    Wrong("id-anywhere/3", "guarded", "not 0 <= id <= MAX_ID", "id < 0", words="9007199254740992"),
    Wrong("limits-not-kept", "guarded", "depth > 0 and all(", "all("),
    Wrong("limits-not-kept/2", "guarded", " or len(namespace) > limits.name_chars", "", words="cccccccccc"),
    Wrong("limits-not-kept/3", "guarded", "limits.attachments * (kind in (\"event\", \"answer\"))", "limits.attachments", words="join"),
    Wrong("limits-not-kept/4", "guarded", "\"/[^,]*\"", "\"/.*\"", words="/a,b"),
    Wrong("good-refused", "guarded", "not 0 <= id <= MAX_ID", "not 0 < id <= MAX_ID"),
    Wrong("good-refused/2", "guarded", "return depth > 0 and all(", "return depth > 1 and all("),
]  # fmt: skip
ENGINE = [
    Wrong("request-not-checked", "engine", "    if asked.get(\"EIO\") != [\"4\"]:\n        return 400, {\"code\": 5, \"message\": \"Unsupported protocol version\"}\n", ""),
    Wrong("request-not-checked/2", "engine", "asked.get(\"EIO\") != [\"4\"]", "\"EIO=4\" not in query", words="EIO=44"),
    Wrong("request-not-checked/3", "engine", "asked.get(\"transport\") != [\"websocket\"]", "asked.get(\"transport\", [\"websocket\"])[0] != \"websocket\"", words="transport"),
    Wrong("request-not-checked/4", "engine", "parse_qs(query, keep_blank_values=True)", "parse_qs(query)", words="sid="),
    Wrong("request-not-checked/5", "engine", "    if \"sid\" in asked or not upgrade:", "    if \"sid\" in asked:", words="Upgrade"),
    Wrong("refusal-order", "engine", "    if asked.get(\"transport\") != [\"websocket\"]:\n        return 400, {\"code\": 0, \"message\": \"Transport unknown\"}\n    if \"sid\" in asked and asked[\"sid\"][0] not in sids:\n        return 400, {\"code\": 1, \"message\": \"Session ID unknown\"}\n", "    if \"sid\" in asked and asked[\"sid\"][0] not in sids:\n        return 400, {\"code\": 1, \"message\": \"Session ID unknown\"}\n    if asked.get(\"transport\") != [\"websocket\"]:\n        return 400, {\"code\": 0, \"message\": \"Transport unknown\"}\n"),
    Wrong("upgrades-offered", "engine", "\"upgrades\": []", "\"upgrades\": [\"websocket\"]"),
    Wrong("upgrades-offered/2", "engine", "    if \"sid\" in asked or not upgrade:", "    if not upgrade:", words="sid=known"),
    Wrong("seconds-on-the-wire", "engine", "(round(1000 * self.options.ping_interval_s), round(1000 * self.options.ping_timeout_s))", "(self.options.ping_interval_s, self.options.ping_timeout_s)"),
    Wrong("seconds-on-the-wire/2", "engine", "round(1000 * self.options.ping_interval_s)", "1000 * int(self.options.ping_interval_s)"),
    Wrong("ping-answered", "engine", "        if packet != \"3\":\n", "        if packet.startswith(\"2\"):\n            return None\n        if packet != \"3\":\n"),
    Wrong("packet-not-checked", "engine", "        if packet != \"3\":\n            raise Violation(f\"not a packet that a client sends here: {packet!r:.40}\")\n", "        if packet[:1] not in (\"2\", \"3\"):\n            return None\n"),
    Wrong("packet-not-checked/2", "engine", "if packet != \"3\":", "if not packet.startswith(\"3\"):", words="3probe"),
    Wrong("close-is-no-error", "engine", "            raise Left(\"the client closed\")", "            raise Violation(\"the client closed\")"),
    Wrong("no-heartbeat", "engine", "        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return \"2\"", "        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return None"),
    Wrong("anything-is-a-pong", "engine", "        if isinstance(packet, bytes):\n            return packet\n", "        self.pong_by = max(self.pong_by, now + self.options.ping_timeout_s)\n        if isinstance(packet, bytes):\n            return packet\n"),
    Wrong("late-pong-forgiven", "engine", "        if now >= self.pong_by:\n            raise Violation(\"no pong in time\")\n", ""),
    Wrong("pings-too-often", "engine", "        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return \"2\"", "        self.pong_by = now + self.options.ping_timeout_s\n        return \"2\""),
    Wrong("pings-too-often/2", "engine", "        if self.pong_by < math.inf:\n            self", "        if True:\n            self", words="changes nothing"),
]  # fmt: skip
PACKETS = [
    Wrong("main-namespace-written", "packet", "    fields += [] if namespace == \"/\" else [f\"{namespace},\"]\n", "    fields += [f\"{namespace},\"]\n"),
    Wrong("comma-missing", "packet", "[f\"{namespace},\"]", "[f\"{namespace},\" if data is not None else namespace]"),
    Wrong("comma-required", "packet", "(?:(/[^,]*),?)?", "(?:(/[^,]*),)?"),
    Wrong("binary-type", "packet", "{TYPES.index(kind) + 3}{attachments}-", "{TYPES.index(kind)}{attachments}-"),
    Wrong("binary-type/2", "packet", "f\"(?:([0-4])|([56]){number}-)", "f\"(?:([0-4])|([56])(?:{number}-)?)"),
    Wrong("dash-anywhere", "packet", "f\"(?:([0-4])|([56]){number}-)(?:", "f\"(?:([0-4])(?:.*-)?|([56]){number}-)(?:"),
    Wrong("digits-of-all-scripts", "packet", "\"(0|[1-9][0-9]*)\"", "r\"(0|[1-9]\\d*|\\d)\""),
    Wrong("digits-of-all-scripts/2", "packet", "\"(0|[1-9][0-9]*)\"", "\"([0-9]+)\"", words="2007"),
    Wrong("anything-is-read", "packet", "    data = json.loads(rest) if rest else None\n", "    try:\n        data = json.loads(rest) if rest else None\n    except ValueError:\n        data = [rest]\n"),
    Wrong("rest-ignored", "packet", "json.loads(rest) if rest else None", "json.JSONDecoder().raw_decode(rest)[0] if rest else None"),
    Wrong("order-of-fields", "packet", "(?:(/[^,]*),?)?{number}?(.*)", "{number}?(?:(/[^,]*),?)?(.*)", more=(("packet", "plain, binary, attachments, namespace, id, rest", "plain, binary, attachments, id, namespace, rest"),)),
    Wrong("null-is-nothing", "packet", "    if rest and data is None:\n        raise ValueError(\"null is no data\")\n", ""),
    Wrong("error-has-no-packet", "packet", "    kind, data, namespace, id, attachments = envelope\n", "    kind, data, namespace, id, attachments = envelope\n    kind = \"answer\" if kind == \"error\" else kind\n"),
    Wrong("id-anywhere/4", "packet", "    fields += [] if namespace == \"/\" else [f\"{namespace},\"]\n    fields += [] if id is None else [str(id)]\n", "    fields += [] if id is None else [str(id)]\n    fields += [] if namespace == \"/\" else [f\"{namespace},\"]\n", words="13"),
    Wrong("false-left-out/3", "packet", "[] if id is None else [str(id)]", "[str(id)] if id else []"),
]  # fmt: skip
SERVING = [
    Wrong("violation-survived", "serve_socketio", "            message = engine.receive(packet, clock())\n            if message is not None and (envelope := assembler.receive(message)):\n                await session.receive(envelope)\n", "            with suppress(Violation):\n                message = engine.receive(packet, clock())\n                if message is not None and (envelope := assembler.receive(message)):\n                    await session.receive(envelope)\n"),
    Wrong("attachments-mixed", "serve_socketio", "asyncio.get_running_loop().time, asyncio.Lock()", "asyncio.get_running_loop().time, asyncio.Semaphore(100)"),
    Wrong("no-heartbeat/2", "serve_socketio", "        session.start(keep_time)\n", ""),
    Wrong("silence-survived", "serve_socketio", "        with suppress(Violation):\n            while True:\n                if ping := engine.due(clock()):\n                    session.start(connection.send, ping)\n                await asyncio.sleep(min(engine.deadline - clock(), options.ping_interval_s))  # a pong moves it\n        connection.transport.abort()\n", "        while True:\n            with suppress(Violation):\n                if ping := engine.due(clock()):\n                    session.start(connection.send, ping)\n            await asyncio.sleep(0.01)\n"),
    Wrong("clock-waits-for-send", "serve_socketio", "session.start(connection.send, ping)", "await connection.send(ping)"),
    Wrong("clock-waits-for-send/2", "serve_socketio", "        connection.transport.abort()\n", "        await connection.close()\n"),
    Wrong("pings-too-late", "serve_socketio", "min(engine.deadline - clock(), options.ping_interval_s)", "engine.deadline - clock()"),
    Wrong("never-joins", "serve_socketio", "        session.start(await_join)\n", ""),
    Wrong("never-joins/2", "serve_socketio", "        if not session.joined:\n", "        if not session.peers:\n", words="the first may stay"),
    Wrong("error-on-the-wire", "serve_socketio", "        if envelope.kind == \"error\":\n            return  # Socket.IO has no such packet: the caller's timeout tells it\n", "        if envelope.kind == \"error\":\n            envelope = envelope._replace(kind=\"answer\", data=[envelope.data])\n"),
    Wrong("handlers-left-running", "serve_socketio", "        await session.end()\n", ""),
    Right("the opening first", "serve_socketio", "    sids.add(engine.sid)\n    try:\n        await connection.send(engine.opening())\n", "    try:\n        await connection.send(engine.opening())\n        sids.add(engine.sid)\n"),
    Right("the clock in a loop of its own making", "serve_socketio", "                if ping := engine.due(clock()):\n                    session.start(connection.send, ping)\n                await asyncio.sleep(min(engine.deadline - clock(), options.ping_interval_s))  # a pong moves it\n", "                await asyncio.sleep(min(engine.deadline - clock(), options.ping_interval_s))  # a pong moves it\n                ping = engine.due(clock())\n                if ping is not None:\n                    session.start(send_packet, ping)\n", more=(("serve_socketio", "    async def keep_time() -> None:\n", "    async def send_packet(packet: str) -> None:\n        async with lock:\n            await connection.send(packet)\n\n    async def keep_time() -> None:\n"),)),
]  # fmt: skip
OTHER_WAYS = [
    Right("another way in the first steps", "envelope", "    said = {name: value for name, value in envelope._asdict().items() if value != defaults.get(name)}\n", "    said = {\"kind\": envelope.kind}\n    for name in Envelope._fields[1:]:\n        if getattr(envelope, name) != defaults[name]:\n            said[name] = getattr(envelope, name)\n", more=(("events", "        if name not in self.handlers:\n            raise Failed(f\"no handler for {name!r}\")\n        return await self.handlers[name](*arguments)", "        handler = self.handlers.get(name)\n        if handler is None:\n            raise Failed(\"unknown\")\n        result = await handler(*arguments)\n        return result"), ("peer", "            async with asyncio.timeout(timeout_s):\n                await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n                reply = await answer\n", "            await asyncio.wait_for(self.send(Envelope(\"event\", [name, *arguments], self.namespace, id)), timeout_s)\n            reply = await asyncio.wait_for(answer, timeout_s)\n"),)),
    Right("another order, and an exception in the future", "envelope", "envelope._asdict().items() if", "reversed(envelope._asdict().items()) if", more=(("peer", "                answer.set_result(None)\n", "                answer.set_exception(Left(\"left\"))\n"),)),
    Right("match, and a time looked up first", "session", "        elif kind == \"leave\":\n            self.leave(name)\n        elif kind == \"event\":\n            while len(self.tasks) >= self.limits.handlers:\n                await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)\n            self.start(peer.handle, envelope)\n        else:\n            peer.answered(envelope)\n", "        else:\n            match kind:\n                case \"leave\":\n                    self.leave(name)\n                case \"event\":\n                    while len(self.tasks) >= self.limits.handlers:\n                        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)\n                    self.start(peer.handle, envelope)\n                case _:\n                    peer.answered(envelope)\n", more=(("guarded_session", "        if lasts_s is not None:\n            self.start(self.expire, self.peers[name], lasts_s)\n", "        if lasts_s is None or name not in self.peers:\n            return\n        self.start(self.expire, self.peers[name], float(lasts_s))\n"),)),
    Right("other walks and other comparisons", "assembler", "    if attachments and lookalikes:", "    whole = json.loads(json.dumps(whole))\n    if attachments and lookalikes:", more=(("assembler", "    left = dict(enumerate(attachments))\n", "    left = {number: bytes(data) for number, data in enumerate(attachments)}\n"), ("guarded", "math.isfinite(value)", "-math.inf < value < math.inf"),)),
    Right("one way out, and None by its name", "engine", "        if now < self.ping_at:\n            return None\n        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return \"2\"", "        ping = None\n        if now >= self.ping_at:\n            self.pong_by = now + self.options.ping_timeout_s\n            self.ping_at = float(\"inf\")\n            ping = \"2\"\n        return ping", more=(("packet", "    return Envelope(kind, data, namespace or \"/\", int(id) if id else None, int(attachments or 0))", "    number_of = 0 if attachments is None else int(attachments)\n    return Envelope(kind, data, \"/\" if namespace is None else namespace, None if id is None else int(id), number_of)"),)),
]  # fmt: skip
ALL = [*ENVELOPE, *EVENTS, *PEER, *SESSION, *PERMISSION, *ATTACHMENTS, *HOSTILE, *ENGINE, *PACKETS, *SERVING, *OTHER_WAYS]
WRONG = [entry for entry in ALL if isinstance(entry, Wrong)]
RIGHT = [entry for entry in ALL if not isinstance(entry, Wrong)]

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
CALLS = [
    Wrong("namespace-forgotten/3", "calls", "[name, *arguments], self.namespace, id)", "[name, *arguments], id=id)", words="the two calls send"),
    Wrong("arguments-in-a-list/3", "calls", "Envelope(\"event\", [name, *arguments], self.namespace, id)", "Envelope(\"event\", [name, arguments], self.namespace, id)", words="the two calls send"),
    Wrong("registered-too-late", "calls", "        answer = self.waiting[id] = asyncio.get_running_loop().create_future()\n        await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n        return self.result(await answer)\n", "        await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n        answer = self.waiting[id] = asyncio.get_running_loop().create_future()\n        return self.result(await answer)\n"),
    Wrong("id-used-twice", "calls", "        self.last += 1\n", "        self.last = 1\n"),
    Wrong("answers-in-order", "calls", "self.waiting.pop(envelope.id).set_result(envelope)", "self.waiting.pop(min(self.waiting)).set_result(envelope)"),
    Wrong("call-leaks", "calls", "self.waiting.pop(envelope.id).set_result(envelope)", "self.waiting[envelope.id].set_result(envelope)"),
    Wrong("values-not-unpacked", "calls", "        return tuple(reply.data) if len(reply.data) > 1 else reply.data[0] if reply.data else None", "        return reply.data"),
    Wrong("values-not-unpacked/2", "calls", "[] if result is None else list(result) if isinstance(result, tuple) else [result]", "[result]", words="returns nothing"),
    Wrong("values-not-unpacked/3", "calls", "list(result) if isinstance(result, tuple) else [result]", "list(result) if isinstance(result, (tuple, list)) else [result]", words="returns one"),
    Wrong("answers-unasked", "calls", "        if envelope.id is not None:\n", "        if True:\n"),
    Wrong("false-left-out/2", "calls", "        if envelope.id is not None:\n", "        if envelope.id:\n"),
]  # fmt: skip
TIMED_CALLS = [
    Wrong("waits-for-ever", "timed_calls", "asyncio.timeout(timeout_s)", "asyncio.timeout(None)"),
    Wrong("send-outside-the-limit", "timed_calls", "            async with asyncio.timeout(timeout_s):\n                return await self.ask(id, name, *arguments)\n", "            answer = self.waiting[id] = asyncio.get_running_loop().create_future()\n            await self.send(Envelope(\"event\", [name, *arguments], self.namespace, id))\n            async with asyncio.timeout(timeout_s):\n                return self.result(await answer)\n"),
    Wrong("call-leaks/2", "timed_calls", "        try:\n            async with asyncio.timeout(timeout_s):\n                return await self.ask(id, name, *arguments)\n        finally:\n            self.waiting.pop(id, None)\n", "        async with asyncio.timeout(timeout_s):\n            result = await self.ask(id, name, *arguments)\n        self.waiting.pop(id, None)\n        return result\n"),
    Wrong("call-leaks/3", "timed_calls", "        finally:\n            self.waiting.pop(id, None)\n", "        except TimeoutError:\n            self.waiting.pop(id, None)\n            raise\n", words="no call waits any more"),
    Wrong("late-answer-crashes", "timed_calls", "        answer = self.waiting.get(envelope.id)\n        if answer is None or answer.done():\n            self.late += 1\n        else:\n            answer.set_result(envelope)\n", "        self.waiting[envelope.id].set_result(envelope)\n"),
    Wrong("late-answer-crashes/2", "timed_calls", "if answer is None or answer.done():", "if answer is None:", words="the second is dropped"),
    Wrong("late-answer-crashes/3", "timed_calls", "            self.late += 1\n", "            pass\n", words="the late answer is counted"),
    Wrong("answer-never-asked", "timed_calls", "        if not 1 <= envelope.id <= self.last:\n            raise Violation(f\"an answer to call {envelope.id}, which was never made\")\n", ""),
    Wrong("answer-never-asked/2", "timed_calls", "if not 1 <= envelope.id <= self.last:", "if envelope.id > self.last:", words="call 0"),
]  # fmt: skip
PEER = [
    Wrong("cancelled-not-left", "peer", "                answer.set_result(None)\n", "                answer.cancel()\n", words="expected: Left is raised"),
    Wrong("error-is-a-value", "peer", "        if reply.kind == \"error\":\n            raise Failed(reply.data[\"message\"])\n", "        if reply.kind == \"error\":\n            return reply.data\n"),
    Wrong("handler-takes-all-down", "peer", "        except Exception:\n            logging.exception(\"The handler of %r failed.\", envelope.data[0])\n            await self.fail(envelope, \"the handler failed\")\n", ""),
    Wrong("handler-takes-all-down/2", "peer", "            await self.fail(envelope, str(failed))\n", "            pass\n", words="an error is sent"),
    Wrong("text-of-a-bug-sent", "peer", "        except Exception:\n            logging.exception(\"The handler of %r failed.\", envelope.data[0])\n            await self.fail(envelope, \"the handler failed\")\n", "        except Exception as error:\n            await self.fail(envelope, repr(error))\n"),
    Wrong("answers-unasked/2", "peer", "            await self.fail(envelope, str(failed))\n", "            await self.send(Envelope(\"error\", {\"message\": str(failed)}, self.namespace, envelope.id))\n", words="nothing is sent"),
    Wrong("calls-outlive-the-peer", "peer", "        for answer in self.waiting.values():\n            if not answer.done():\n                answer.set_result(None)\n", ""),
    Wrong("sends-after-the-end", "peer", "        self.send = self.gone\n", ""),
]  # fmt: skip
MEMBERSHIP = [
    Wrong("unknown-namespace", "membership", "        if name not in self.namespaces:\n            return await self.send(Envelope(\"refused\", {\"message\": \"Invalid namespace\"}, name))\n        self.joined = True\n", "        self.joined = True\n        if name not in self.namespaces:\n            return await self.send(Envelope(\"refused\", {\"message\": \"Invalid namespace\"}, name))\n"),
    Wrong("unknown-namespace/2", "membership", "{\"message\": \"Invalid namespace\"}", "\"Invalid namespace\""),
    Wrong("welcome-before-reply", "membership", "        await self.send(Envelope(\"join\", {\"sid\": secrets.token_urlsafe(12)}, name))\n        self.start(self.namespaces[name].welcome, peer, auth)\n", "        await self.namespaces[name].welcome(peer, auth)\n        await self.send(Envelope(\"join\", {\"sid\": secrets.token_urlsafe(12)}, name))\n"),
    Wrong("speaks-before-joining", "membership", "elif peer is None or kind in (\"join\", \"refused\"):", "elif peer is None:\n            return\n        elif kind in (\"join\", \"refused\"):"),
    Wrong("joins-twice", "membership", "if kind == \"join\" and peer is None:", "if kind == \"join\":"),
    Wrong("leave-forgets-calls", "membership", "self.peers.pop(name).end()", "self.peers.pop(name)"),
    Wrong("namespace-forgotten/2", "membership", "peer = self.peers[name] = Peer(self.send, name)", "peer = self.peers[name] = Peer(self.send)", words="/chat"),
    Wrong("joins-twice/2", "membership", "kind in (\"join\", \"refused\"):", "kind == \"join\":", words="refused"),
]  # fmt: skip
SESSION = [
    Wrong("handler-blocks", "session", "        self.start(peer.handle, envelope)\n", "        await peer.handle(envelope)\n"),
    Wrong("handlers-unbounded", "session", "        while len(self.tasks) >= self.limits.handlers:\n            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)\n", ""),
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
REQUESTS = [
    Wrong("request-not-checked", "refusal", "    if asked.get(\"EIO\") != [\"4\"]:\n        return 400, {\"code\": 5, \"message\": \"Unsupported protocol version\"}\n", ""),
    Wrong("request-not-checked/2", "refusal", "asked.get(\"EIO\") != [\"4\"]", "\"EIO=4\" not in query", words="EIO=44"),
    Wrong("request-not-checked/3", "refusal", "asked.get(\"transport\") != [\"websocket\"]", "asked.get(\"transport\", [\"websocket\"])[0] != \"websocket\"", words="transport"),
    Wrong("request-not-checked/4", "refusal", "parse_qs(query, keep_blank_values=True)", "parse_qs(query)", words="sid="),
    Wrong("request-not-checked/5", "refusal", "    if \"sid\" in asked or not upgrade:", "    if \"sid\" in asked:", words="Upgrade"),
    Wrong("refusal-order", "refusal", "    if asked.get(\"transport\") != [\"websocket\"]:\n        return 400, {\"code\": 0, \"message\": \"Transport unknown\"}\n    if \"sid\" in asked and asked[\"sid\"][0] not in sids:\n        return 400, {\"code\": 1, \"message\": \"Session ID unknown\"}\n", "    if \"sid\" in asked and asked[\"sid\"][0] not in sids:\n        return 400, {\"code\": 1, \"message\": \"Session ID unknown\"}\n    if asked.get(\"transport\") != [\"websocket\"]:\n        return 400, {\"code\": 0, \"message\": \"Transport unknown\"}\n"),
    Wrong("upgrades-offered/2", "refusal", "    if \"sid\" in asked or not upgrade:", "    if not upgrade:", words="sid=known"),
]  # fmt: skip
ENGINE_PACKETS = [
    Wrong("upgrades-offered", "engine_packets", "\"upgrades\": []", "\"upgrades\": [\"websocket\"]"),
    Wrong("seconds-on-the-wire", "engine_packets", "(round(1000 * self.options.ping_interval_s), round(1000 * self.options.ping_timeout_s))", "(self.options.ping_interval_s, self.options.ping_timeout_s)"),
    Wrong("seconds-on-the-wire/2", "engine_packets", "round(1000 * self.options.ping_interval_s)", "1000 * int(self.options.ping_interval_s)"),
    Wrong("ping-answered", "engine_packets", "        if packet != \"3\":\n", "        if packet.startswith(\"2\"):\n            return None\n        if packet != \"3\":\n"),
    Wrong("packet-not-checked", "engine_packets", "        if packet != \"3\":\n            raise Violation(f\"not a packet that a client sends here: {packet!r:.40}\")\n", "        if packet[:1] not in (\"2\", \"3\"):\n            return None\n"),
    Wrong("packet-not-checked/2", "engine_packets", "if packet != \"3\":", "if not packet.startswith(\"3\"):", words="3probe"),
    Wrong("close-is-no-error", "engine_packets", "            raise Left(\"the client closed\")", "            raise Violation(\"the client closed\")"),
]  # fmt: skip
CONVERSATION = [
    Wrong("opening-missing", "conversation", "        await self.connection.send(self.engine.opening())\n", ""),
    Wrong("violation-survived", "conversation", "            message = self.message(packet)\n            if message is not None and (envelope := self.assemble(message)):\n                await self.session.receive(envelope)\n", "            with suppress(Violation):\n                message = self.message(packet)\n                if message is not None and (envelope := self.assemble(message)):\n                    await self.session.receive(envelope)\n"),
    Wrong("violation-survived/2", "conversation", "            await self.connection.close(1008, str(violation))\n", "            pass\n", words="closes with 1008"),
    Wrong("goodbye-is-an-error", "conversation", "        except (Left, Closed):\n            pass\n", ""),
    Wrong("goodbye-is-an-error/2", "conversation", "        except Violation as violation:\n", "        except (Violation, Left) as violation:\n", words="is no violation"),
    Wrong("handlers-left-running", "conversation", "            await self.session.end()\n", "            pass\n"),
]  # fmt: skip
PERMISSION = [
    Wrong("refused-and-joined", "asked_session", "                return await self.send(Envelope(\"refused\", {\"message\": why}, name))\n", "                await self.send(Envelope(\"refused\", {\"message\": why}, name))\n"),
    Wrong("open-on-error", "asked_session", "            except Exception as error:", "            except Refused as error:"),
    Wrong("reason-leaks", "asked_session", "str(error) if isinstance(error, Refused) else \"Not authorized\"", "str(error)"),
    Wrong("never-expires/3", "asked_session", "        self.limit(name, lasts_s)\n", "", words="limit is called after each join"),
]  # fmt: skip
EXPIRY = [
    Wrong("never-expires", "guarded_session", "        if lasts_s is not None:\n            self.start(self.expire, self.peers[name], lasts_s)\n", "        pass\n"),
    Wrong("never-expires/2", "guarded_session", "            await self.send(Envelope(\"leave\", None, peer.namespace))\n", "", words="the client is informed"),
    Wrong("expires-somebody-else", "guarded_session", "if self.peers.get(peer.namespace) is peer:", "if peer.namespace in self.peers:"),
    Wrong("late-is-violation", "guarded_session", "            self.expired.add(peer.namespace)\n", ""),
    Wrong("expired-for-good", "guarded_session", "            self.expired.discard(envelope.namespace)\n", ""),
]  # fmt: skip
SPLIT = [
    Wrong("bytes-at-the-top-only", "split", "            return {key: walk(item) for key, item in value.items()}\n        return [walk(item) for item in value] if isinstance(value, list | tuple) else value", "            return value\n        return [walk(item) for item in value] if isinstance(value, list | tuple) else value"),
    Wrong("bytes-at-the-top-only/2", "split", "isinstance(value, bytes | bytearray)", "isinstance(value, bytes)"),
    Wrong("placeholder-forged", "split", "    if attachments and lookalikes:\n        raise ValueError(f\"beside bytes, this would be read as a placeholder: {lookalikes[0]}\")\n", ""),
]  # fmt: skip
RESTORE = [
    Wrong("number-trusted", "restore", "            if type(number) is not int or number not in left or len(value) != 2:\n                raise Violation(f\"a placeholder for no attachment: {value}\")\n            return left.pop(number)\n", "            left.pop(number, None)\n            return attachments[number]\n"),
    Wrong("number-trusted/2", "restore", "type(number) is not int", "not isinstance(number, int)", words="number True"),
    Wrong("number-trusted/3", "restore", " or len(value) != 2", "", words="more fields"),
    Wrong("named-twice", "restore", "            return left.pop(number)\n", "            return attachments[number]\n", more=(("restore", "    if left:\n        raise Violation(\"an attachment that no placeholder names\")\n", ""),)),
    Wrong("attachment-lost", "restore", "    if left:\n        raise Violation(\"an attachment that no placeholder names\")\n", ""),
]  # fmt: skip
ASSEMBLER = [
    Wrong("plain-data-restored", "assembler", "        if self.attachments:\n            envelope = ", "        if True:\n            envelope = "),
    Wrong("announced-not-kept", "assembler", "        if binary != (self.envelope is not None):\n            raise Violation(\"bytes that were not announced\" if binary else \"a text where an attachment is due\")\n        if binary:", "        if binary and self.envelope is None:\n            raise Violation(\"bytes that were not announced\")\n        if binary:"),
    Wrong("announced-not-kept/2", "assembler", "        if binary != (self.envelope is not None):", "        if binary and self.envelope is None:\n            return None\n        if binary != (self.envelope is not None):", words="were not announced"),
    Wrong("gives-too-early", "assembler", "if len(self.attachments) < envelope.attachments:", "if len(self.attachments) < min(1, envelope.attachments):"),
    Wrong("size-of-the-text", "assembler", "        self.size += len(message)\n", "        self.size = len(message)\n"),
    Wrong("state-kept", "assembler", "self.attachments, self.size = self.decode(message), [], 0", "self.attachments, self.size = self.decode(message), [], self.size"),
    Wrong("state-kept/2", "assembler", "self.decode(message), [], 0", "self.decode(message), self.attachments, 0", words="completes it"),
]  # fmt: skip
RULES = [
    Wrong("name-is-no-name", "rules", "isinstance(name, str) and len(name)", "isinstance(data, list) and len(data) > 0 and len(str(name))"),
    Wrong("name-is-no-name/2", "rules", "isinstance(name, str) and len(name) <= limits.name_chars and", "isinstance(name, str) and", words="nnnnnnnnnnn"),
    Wrong("reserved-name", "rules", " and name not in RESERVED", ""),
    Wrong("shape-not-checked", "rules", "\"answer\": isinstance(data, list),", "\"answer\": True,"),
    Wrong("shape-not-checked/2", "rules", "\"join\": data is None or isinstance(data, dict),", "\"join\": not data or isinstance(data, dict),", words="join"),
    Wrong("shape-not-checked/3", "rules", "\"leave\": data is None,", "\"leave\": not data,", words="leave"),
    Wrong("true-is-a-number", "rules", "type(id) is int", "isinstance(id, int)"),
    Wrong("id-anywhere", "rules", "good = kind not in (\"answer\", \"error\")\n", "good = True\n"),
    Wrong("id-anywhere/2", "rules", "kind in (\"event\", \"answer\", \"error\") and type", "type", words="join, id=1"),
    Wrong("id-anywhere/3", "rules", "0 <= id <= MAX_ID", "0 <= id", words="9007199254740992"),
    Wrong("good-refused", "rules", "0 <= id <= MAX_ID", "0 < id <= MAX_ID"),
]  # fmt: skip
HOSTILE = [
    Wrong("depth-crashes", "guarded", "except (ValueError, RecursionError) as error:", "except ValueError as error:"),
    Wrong("not-finite", "guarded", "    return not isinstance(value, float) or math.isfinite(value)", "    return True"),
    Wrong("not-finite/2", "guarded", "math.isfinite(value)", "value == value", words="inf"),
    Wrong("limits-not-kept", "guarded", "depth > 0 and all(", "all("),
    Wrong("rules-not-asked", "guarded", "        for rule in RULES:\n            if why := rule(envelope, limits):\n                raise Violation(f\"{envelope.kind} with {why}\")\n", ""),
    Wrong("rules-not-asked/2", "guarded", "                raise Violation(f\"{envelope.kind} with {why}\")\n", "                return None\n", words="refused"),
    Wrong("good-refused/2", "guarded", "return depth > 0 and all(", "return depth > 1 and all("),
]  # fmt: skip
HEARTBEAT = [
    Wrong("no-heartbeat", "engine", "        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return \"2\"", "        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return None"),
    Wrong("late-pong-forgiven", "engine", "        if now >= self.pong_by:\n            raise Violation(\"no pong in time\")\n", ""),
    Wrong("pings-too-often", "engine", "        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return \"2\"", "        self.pong_by = now + self.options.ping_timeout_s\n        return \"2\""),
    Wrong("anything-is-a-pong", "engine", "        if packet == \"3\" and self.pong_by < math.inf:", "        if self.pong_by < math.inf:"),
    Wrong("pings-too-often/2", "engine", "        if packet == \"3\" and self.pong_by < math.inf:", "        if packet == \"3\":", words="changes nothing"),
]  # fmt: skip
BINARY = [
    Wrong("attachments-mixed", "binary_conversation", "            async with self.lock:\n", "            async with asyncio.Semaphore(100):\n"),
    Wrong("error-on-the-wire", "binary_conversation", "        if envelope.kind == \"error\":\n            return\n", "        if envelope.kind == \"error\":\n            envelope = envelope._replace(kind=\"answer\", data=[envelope.data])\n"),
    Wrong("closed-not-left", "binary_conversation", "            raise Left(\"the connection ended\") from None\n", "            raise\n"),
]  # fmt: skip
SERVING = [
    Wrong("no-heartbeat/2", "serve_socketio", "        self.session.start(self.keep_time)\n", ""),
    Wrong("silence-survived", "serve_socketio", "        with suppress(Violation):\n            while True:\n                if ping := self.engine.due(self.clock()):\n                    self.session.start(self.connection.send, ping)\n                await asyncio.sleep(min(self.engine.deadline - self.clock(), self.options.ping_interval_s))\n        self.connection.abort()\n", "        while True:\n            with suppress(Violation):\n                if ping := self.engine.due(self.clock()):\n                    self.session.start(self.connection.send, ping)\n            await asyncio.sleep(0.01)\n"),
    Wrong("clock-waits-for-send", "serve_socketio", "self.session.start(self.connection.send, ping)", "await self.connection.send(ping)"),
    Wrong("pings-too-late", "serve_socketio", "min(self.engine.deadline - self.clock(), self.options.ping_interval_s)", "self.engine.deadline - self.clock()"),
    Wrong("never-joins", "serve_socketio", "        self.session.start(self.await_join)\n", ""),
    Wrong("never-joins/2", "serve_socketio", "        if not self.session.joined:\n", "        if not self.session.peers:\n", words="the first may stay"),
]  # fmt: skip
OTHER_WAYS = [
    Right("another way in the first steps", "envelope", "    said = {name: value for name, value in envelope._asdict().items() if value != defaults.get(name)}\n", "    said = {\"kind\": envelope.kind}\n    for name in Envelope._fields[1:]:\n        if getattr(envelope, name) != defaults[name]:\n            said[name] = getattr(envelope, name)\n", more=(("events", "        if name not in self.handlers:\n            raise Failed(f\"no handler for {name!r}\")\n        return await self.handlers[name](*arguments)", "        handler = self.handlers.get(name)\n        if handler is None:\n            raise Failed(\"unknown\")\n        result = await handler(*arguments)\n        return result"), ("timed_calls", "            async with asyncio.timeout(timeout_s):\n                return await self.ask(id, name, *arguments)\n", "            return await asyncio.wait_for(self.ask(id, name, *arguments), timeout_s)\n"),)),
    Right("another order, and an exception in the future", "envelope", "envelope._asdict().items() if", "reversed(envelope._asdict().items()) if", more=(("peer", "                answer.set_result(None)\n", "                answer.set_exception(Left(\"left\"))\n"),)),
    Right("the call leaves by itself, the error by answered", "calls", "self.waiting.pop(envelope.id).set_result(envelope)", "waiting = self.waiting[envelope.id]\n        del self.waiting[envelope.id]\n        waiting.set_result(envelope)", more=(("timed_calls", "            answer.set_result(envelope)\n", "            super().answered(envelope)\n"), ("peer", "            raise Failed(reply.data[\"message\"])\n        return super().result(reply)\n", "            raise Failed(reply.data[\"message\"])\n        values = reply.data\n        return None if not values else values[0] if len(values) == 1 else tuple(values)\n"),)),
    Right("match, and a time looked up first", "membership", "        elif kind == \"leave\":\n            self.leave(name)\n        else:\n            await self.deliver(peer, envelope)\n", "        else:\n            match kind:\n                case \"leave\":\n                    self.leave(name)\n                case _:\n                    await self.deliver(peer, envelope)\n", more=(("session", "        if envelope.kind != \"event\":\n            return peer.answered(envelope)\n", "        if envelope.kind in (\"answer\", \"error\"):\n            peer.answered(envelope)\n            return\n"), ("guarded_session", "        if lasts_s is not None:\n            self.start(self.expire, self.peers[name], lasts_s)\n", "        if lasts_s is None or name not in self.peers:\n            return\n        self.start(self.expire, self.peers[name], float(lasts_s))\n"),)),
    Right("one way out, and None by its name", "packet", "    return Envelope(kind, data, namespace or \"/\", int(id) if id else None, int(attachments or 0))", "    number_of = 0 if attachments is None else int(attachments)\n    return Envelope(kind, data, \"/\" if namespace is None else namespace, None if id is None else int(id), number_of)", more=(("engine", "        if now < self.ping_at:\n            return None\n        self.ping_at, self.pong_by = math.inf, now + self.options.ping_timeout_s\n        return \"2\"", "        ping = None\n        if now >= self.ping_at:\n            self.pong_by = now + self.options.ping_timeout_s\n            self.ping_at = float(\"inf\")\n            ping = \"2\"\n        return ping"),)),
    Right("the session ends first, then the connection closes", "conversation", "        try:\n            await self.read()\n        except Violation as violation:\n            await self.connection.close(1008, str(violation))\n        except (Left, Closed):\n            pass\n        finally:\n            await self.session.end()\n", "        why = \"\"\n        try:\n            await self.read()\n        except Violation as violation:\n            why = str(violation)\n        except Left:\n            pass\n        except Closed:\n            pass\n        finally:\n            await self.session.end()\n        if why:\n            await self.connection.close(1008, why)\n"),
    Right("other walks and other comparisons", "split", "    if attachments and lookalikes:", "    whole = json.loads(json.dumps(whole))\n    if attachments and lookalikes:", more=(("restore", "    left = dict(enumerate(attachments))\n", "    left = {number: bytes(data) for number, data in enumerate(attachments)}\n"), ("guarded", "math.isfinite(value)", "-math.inf < value < math.inf"),)),
    Right("the clock in a loop of its own making", "serve_socketio", "                if ping := self.engine.due(self.clock()):\n                    self.session.start(self.connection.send, ping)\n                await asyncio.sleep(min(self.engine.deadline - self.clock(), self.options.ping_interval_s))\n", "                await asyncio.sleep(min(self.engine.deadline - self.clock(), self.options.ping_interval_s))\n                ping = self.engine.due(self.clock())\n                if ping is not None:\n                    self.session.start(self.send_packet, ping)\n", more=(("serve_socketio", "    async def keep_time(self) -> None:\n", "    async def send_packet(self, packet: str) -> None:\n        async with self.lock:\n            await self.connection.send(packet)\n\n    async def keep_time(self) -> None:\n"),)),
]  # fmt: skip
ALL = [
    *ENVELOPE,
    *EVENTS,
    *CALLS,
    *TIMED_CALLS,
    *PEER,
    *MEMBERSHIP,
    *SESSION,
    *PACKETS,
    *REQUESTS,
    *ENGINE_PACKETS,
    *CONVERSATION,
    *PERMISSION,
    *EXPIRY,
    *SPLIT,
    *RESTORE,
    *ASSEMBLER,
    *RULES,
    *HOSTILE,
    *HEARTBEAT,
    *BINARY,
    *SERVING,
    *OTHER_WAYS,
]
WRONG = [entry for entry in ALL if isinstance(entry, Wrong)]
RIGHT = [entry for entry in ALL if not isinstance(entry, Wrong)]

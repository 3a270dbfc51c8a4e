"""The three hints of each step: where to look, what to use, nearly the answer."""

from __future__ import annotations

HINTS: dict[str, tuple[str, str, str]] = {
    "envelope": (
        "Writing is the cell above, returned. Reading has three questions: is it JSON, is it an object with our "
        "fields only, does it have a kind of ours?",
        "`_asdict()` and `_field_defaults` belong to every NamedTuple. `said.keys() <= set(Envelope._fields)` asks "
        "whether all keys are fields.",
        "try: said = json.loads(text), except ValueError: raise Violation(...). Then one `if not isinstance(said, "
        "dict) or ... or said.get('kind') not in KINDS: raise Violation(...)`, and return Envelope(**said).",
    ),
    "events": (
        "A dictionary from names to functions is all there is. The event's data is a list: its first item is the name.",
        "`name, *arguments = envelope.data` takes the list apart; `handler(*arguments)` puts it in again. An async "
        "function is awaited.",
        "on: define register(handler): self.handlers[name] = handler; return handler; and return register. emit: "
        "await self.send(Envelope('event', [name, *arguments], self.namespace)).",
    ),
    "peer": (
        "A call is a future under a number: `call` makes it, sends, waits; `answered` finds it by the number and "
        "completes it. Everything else is about how the waiting ends.",
        "asyncio.get_running_loop().create_future(), `async with asyncio.timeout(timeout_s)`, and try/finally around "
        "both, so that no way out forgets the number. A future that is done() takes no second result.",
        "Register, then send, then `reply = await answer`, all under try; `finally: del self.waiting[id]`. answered: "
        "`if not 1 <= envelope.id <= self.last: raise Violation(...)`. end: self.send becomes a function that raises "
        "Left, each future gets the result None, which `call` turns into Left.",
    ),
    "session": (
        "Look at the peer of the envelope's namespace first: with none, only a join makes sense; with one, anything "
        "but a join and a refusal.",
        "self.start(peer.handle, envelope) runs the handler in a task. `await asyncio.wait(self.tasks, "
        "return_when=asyncio.FIRST_COMPLETED)` waits until one of them ends.",
        "join: refuse an unknown name; else Peer(self.send, name) into self.peers, await the reply, then "
        "self.start(self.namespaces[name].welcome, peer, auth). leave: self.peers.pop(name).end().",
    ),
    "guarded_session": (
        "Three methods, each a few lines around `super()`: ask before the join, end after a time, drop what is late.",
        "`except Exception as error` catches Refused too: isinstance tells which text may travel. asyncio.sleep in a "
        "task that self.start owns is a timer that ends with the session.",
        "expire: after the sleep, only `if self.peers.get(peer.namespace) is peer`: leave, add the name to "
        "self.expired, send Envelope('leave', None, name). receive: `if envelope.namespace in self.expired`: return "
        "unless it is a join, which takes the name out again.",
    ),
    "assembler": (
        "split and restore walk through lists and dicts, and are called again for what is inside. The assembler "
        "remembers one envelope, and what has come for it.",
        "An inner function walk(value) with three cases: bytes, dict, list; everything else is returned as it is. "
        "dict(enumerate(attachments)) and .pop(number) name each attachment once.",
        "receive: `binary != (self.envelope is not None)` is the violation, in both directions. Then append, or "
        "decode; add len(message) to self.size; return None while fewer attachments are here than announced; else "
        "forget the envelope and return it with restore(...) as its data and attachments=0.",
    ),
    "guarded": (
        "Two layers: what decode raises becomes a Violation; what it returns is looked at, field by field. Write the "
        "second as a function that says what is wrong, or nothing.",
        "A table from the kind to whether its data has the right shape replaces six branches. `type(id) is int` "
        "knows True from 1; math.isfinite knows inf and nan.",
        "fits(value, depth): for a list or a dict, `depth > 0 and all(fits(item, depth - 1) for item in ...)`; for a "
        "float math.isfinite(value); else True. It never goes deeper than the limit, so it cannot overflow itself.",
    ),
    "engine": (
        "The request is a path and a query: take them apart before you look. For the heartbeat two times are enough: "
        "when the next ping is to be sent, until when its pong must be here.",
        "urllib.parse.parse_qs(query, keep_blank_values=True) gives a list for each name: compare with ['websocket']. "
        "math.inf is a time that never comes.",
        "due: `if now >= self.pong_by` raise; `if now < self.ping_at` return None; else ping_at = inf, pong_by = now + "
        "timeout, return '2'. A pong: only when pong_by is not inf, ping_at = now + interval and pong_by = inf.",
    ),
    "packet": (
        "One pattern reads all seven types, if its parts stand in the order of the format, each of them optional.",
        "Two ways to begin: `([0-4])` or `([56])(number)-`. A namespace is `/` and all up to a comma or the end. "
        "`[0-9]` is ten digits, `\\d` is hundreds. re.DOTALL lets the JSON contain line ends.",
        "number = '(0|[1-9][0-9]*)'; re.fullmatch(f'(?:([0-4])|([56]){number}-)(?:(/[^,]*),?)?{number}?(.*)', text, "
        "re.DOTALL). Then json.loads(rest) if there is a rest, and a ValueError if that is None.",
    ),
    "serve_socketio": (
        "converse is converse_raw with a packet more: engine.receive before the assembler, `4` before the text. Beside "
        "it two tasks watch the clock; session.start owns them.",
        "asyncio.get_running_loop().time is the clock. asyncio.Lock() around all sends of one envelope. `except "
        "ConnectionClosed: raise Left(...) from None` in send.",
        "The clock: `while True: if ping := engine.due(clock()): session.start(connection.send, ping)`, then "
        "sleep until engine.deadline, but no longer than an interval, since a pong moves the deadline meanwhile; a "
        "Violation from due ends in connection.transport.abort(). finally: "
        "sids.discard, await session.end(), await hang_up(connection, code, why).",
    ),
}

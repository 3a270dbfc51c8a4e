"""Lab 3's bank: one plausible misconception each, and sessions that differ from the reference and are as good.

Most wrong ones name the predicate that they break when the whole session is played (`breaks`), whatever the checks say:
tests/test_lab3_bank.py searches for it, on both links. Some need a second edit to meet the moment in which they fail.
"""

# ruff: noqa: E501 - an edit reads best when its lines are those of the notebook

from __future__ import annotations

from dataclasses import dataclass

from tests.bank import Right, Wrong


@dataclass(frozen=True)
class Broken(Wrong):
    """A wrong session, with the predicate that its misconception breaks; "" for one that no schedule shows."""

    breaks: str = ""


JITTER = "return rng.uniform(0, min(cap_s, ceiling_s))"
ABORT = "connection.transport.abort()  # not close(): that waits for an answer"
JUDGE = 'return "new" if number == expected else "again" if number < expected else "gap"'
PUT = 'self.waiting[self.last] = self.store[f"out {self.last}"] = body'
LOOP = "        await asyncio.sleep(backoff(client.attempt, client.rng))\n"
FAILED = """        except (OSError, InvalidHandshake):  # refused, timed out, broken while it opened, a proxy's 502
            pass
"""
ASKS = """        except Exception as error:
            if process_exception(error) is not None:
                raise
"""
ENDS = f"""        try:
            await client.session(await client.connect())
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == NOT_AUTHORISED:
                return
{FAILED}"""
CLOSE_CODE = """        connection = None
        try:
            connection = await client.connect()
            await client.session(connection)
        except (ConnectionClosed, OSError, InvalidHandshake):
            pass
        if connection is not None and connection.close_code == NOT_AUTHORISED:
            return
"""
ELSEWHERE = "elsewhere = (epoch, offset) != (self.epoch, self.offset)"
EPOCH = '        self.epoch = store.setdefault("epoch", f"{rng.getrandbits(64):016x}")  # a new store is a new epoch\n'
RESUME = "return offset if epoch == self.epoch and offset <= self.end else 0"
TAKES = "            if offset == log.end:\n                await grew.wait()\n"
GREW = "            grew = log.grew  # before reading: what is added meanwhile sets this one\n"
FEED = f"""{GREW}            for offset, body in await log.after(offset):
                await connection.send(json.dumps(["entry", offset, body]))
{TAKES}"""
SNAPSHOT = """            await log.grew.wait()
            await connection.send(json.dumps(["entry", *log.tail[-1]]))
"""
# A sender that sends what is new first, and what waited for an acknowledgement a little later.
LATE = (
    (
        "retry",
        "        sent = 0  # on this connection\n",
        "        old = self.outbox.after(0)\n        sent, late = max((n for n, _ in old), default=0), asyncio.create_task(self.again(connection, old))\n",
    ),
    (
        "retry",
        "        self.outbox, self.more = outbox, asyncio.Event()\n",
        """        self.outbox, self.more = outbox, asyncio.Event()

    async def again(self, connection, old):
        with contextlib.suppress(ConnectionClosed):
            await asyncio.sleep(0.2)
            for number, body in old:
                await connection.send(json.dumps(["say", number, body]))
""",
    ),
)
RENUMBER = """        old = self.outbox.after(0)
        self.outbox.acknowledge(max((n for n, _ in old), default=0))
        for _, body in old:
            self.outbox.put(body)
        sent = 0
"""

DRAFT = [
    Broken("sender-stops", "sender", "                await self.more.wait()\n", "                return\n"),
    Broken("sender-raises", "sender", "contextlib.suppress(ConnectionClosed)", "contextlib.suppress(OSError)"),
    Broken("sender-never-waits", "sender", "                self.more.clear()\n", ""),
    Broken("sender-repeats", "sender", "                    self.sent = number\n", ""),
]  # fmt: skip
LINKS = [
    Broken("ping-not-awaited", "heartbeat", "await (await connection.ping())", "await connection.ping()", breaks="bounded_detection"),
    Broken("close-waits", "heartbeat", ABORT, "await connection.close()", breaks="bounded_recovery"),
    Broken("heartbeat-late", "heartbeat", "asyncio.timeout(timeout_s)", "asyncio.timeout(2 * interval_s + timeout_s)", breaks="bounded_detection"),
    Broken("heartbeat-raises", "heartbeat", "contextlib.suppress(ConnectionClosed)", "contextlib.suppress(OSError)"),
    Broken("heartbeat-kills-living", "heartbeat", "            except TimeoutError:\n", "            finally:\n"),
    Broken("heartbeat-stops", "heartbeat", "while True:", "if True:"),
    Broken("heartbeat-outlives", "heartbeat", "except TimeoutError:", "except (TimeoutError, ConnectionClosed):"),
    Broken("no-jitter", "reconnect", JITTER, "return min(cap_s, ceiling_s)", breaks="no_herd"),
    Broken("no-cap", "reconnect", JITTER, "return rng.uniform(0, ceiling_s)", breaks="bounded_recovery"),
    Broken("no-backoff", "reconnect", JITTER, "return 0.0", breaks="no_herd"),
    Broken("backoff-overflows", "reconnect", "2 ** min(attempt, 100)", "2**attempt"),
    Broken("no-reconnect", "reconnect", LOOP, "        return\n", breaks="liveness"),
    Broken("no-reconnect/2", "reconnect", FAILED, "        except (OSError, InvalidHandshake):\n            return\n", breaks="liveness"),
    Broken("opening-ends-it", "reconnect", "except (OSError, InvalidHandshake):", "except OSError:"),
    Broken("opening-ends-it/2", "reconnect", "except (OSError, InvalidHandshake):", "except (OSError, InvalidMessage):", (("reconnect", "def backoff(", "from websockets.exceptions import InvalidMessage\n\ndef backoff("),), words="HTTP 502"),
    Broken("never-gives-up", "reconnect", "                return\n", "                pass\n"),
    Broken("gives-up", "reconnect", "while True:", "while client.attempt < 10:"),
    Broken("gives-up/2", "reconnect", "while True:", "while client.attempt < 100:"),
    Broken("reset-by-connection", "reconnect", "await client.session(await client.connect())", "connection = await client.connect()\n            client.attempt = 0\n            await client.session(connection)"),
    Broken("not-counted", "reconnect", "        client.attempt += 1\n", ""),
    Right("counts up to ten", "reconnect", "client.attempt += 1", "client.attempt = min(client.attempt + 1, 10)"),
    Right("equal jitter", "reconnect", JITTER, "most = min(cap_s, ceiling_s)\n    return most / 2 + rng.uniform(0, most / 2)"),
    Right("asks websockets what is worth another attempt", "reconnect", FAILED, ASKS, (("reconnect", "def backoff(", "from websockets.asyncio.client import process_exception\n\ndef backoff("),)),
    Right("asks the connection for its close code", "reconnect", ENDS, CLOSE_CODE),
    Right("says goodbye in the background", "heartbeat", ABORT, "closing = asyncio.ensure_future(connection.close())\n                connection.transport.abort()"),
    Right("wait_for instead of timeout", "heartbeat", "                async with asyncio.timeout(timeout_s):\n                    await (await connection.ping())\n", "                await asyncio.wait_for(await connection.ping(), timeout_s)\n"),
]  # fmt: skip
SENDING = [
    Broken("outbox-unbounded", "outbox", "if len(self.waiting) >= self.limit:", "if False:", breaks="bounded_memory"),
    Broken("outbox-in-memory", "outbox", PUT, "self.waiting[self.last] = body", (("outbox", '            del self.store[f"out {n}"]\n', "            pass\n"),), breaks="no_loss"),
    Broken("number-in-memory", "outbox", '        self.store["last"] = self.last\n', "", breaks="no_loss"),
    Broken("outbox-keeps", "outbox", '            del self.store[f"out {n}"]\n', "            pass\n"),
    Broken("outbox-out-of-order", "outbox", "return [(n, body) for n, body in self.waiting.items() if n > number]", "return [(n, body) for n, body in reversed(self.waiting.items()) if n > number]"),
    Broken("outbox-forgets", "outbox", "safe = [n for n in self.waiting if n <= number]", "safe = list(self.waiting)", breaks="no_loss"),
    Broken("one-is-acknowledged", "outbox", "if n <= number]", "if n == number]"),
    Broken("sent-is-acknowledged", "retry", "                    sent = number\n", "                    sent = number\n                    self.outbox.acknowledge(number)\n", breaks="no_loss"),
    Broken("sent-is-acknowledged/2", "retry", "sent = 0  # on this connection", 'sent = getattr(self, "sent", 0)', (("retry", "                    sent = number\n", "                    sent = self.sent = number\n"),), breaks="no_loss"),
    Broken("retry-with-new-number", "retry", "        sent = 0  # on this connection\n", RENUMBER, (("dedupe", JUDGE, 'return "new" if number >= expected else "again"'),), breaks="no_duplicate"),
    Broken("newest-first", "retry", *LATE[0][1:], (LATE[1], ("dedupe", JUDGE, 'return "new" if number >= expected else "again"')), breaks="no_loss"),
    Right("sends again after a second, too", "retry", "                await self.more.wait()\n", "                try:\n                    await asyncio.wait_for(self.more.wait(), 1.0)\n                except TimeoutError:\n                    sent = 0\n"),
    Right("waits a little before it sends again", "retry", "        sent = 0  # on this connection\n", "        sent = 0\n        await asyncio.sleep(0.1)\n"),
    Right("numbers as keys, sorted", "outbox", 'self.waiting = {int(key[4:]): store[key] for key in store if key.startswith("out ")}', 'numbers = sorted(int(key[4:]) for key in store if key.startswith("out "))\n        self.waiting = {n: store[f"out {n}"] for n in numbers}'),
]  # fmt: skip
TAKING = [
    Broken("no-dedupe", "dedupe", JUDGE, 'return "new"', breaks="no_duplicate"),
    Broken("dedupe-by-maximum", "dedupe", JUDGE, 'return "new" if number >= expected else "again"', LATE, breaks="no_loss"),
    Broken("dedupe-by-set", "dedupe", JUDGE, 'return "again" if (who, number) in self.seen or number < self.base.get(who, 1) else "new"', (*LATE, ("dedupe", "        self.taken = {}\n", "        self.taken, self.seen, self.base = {}, set(), {}\n"), ("dedupe", "        self.taken[who] = number\n", "        self.taken[who] = max(number, self.safe(who))\n        self.seen.add((who, number))\n"), ("dedupe", "        self.taken[who] = max(self.safe(who), base - 1)\n", "        self.base[who] = base\n")), breaks="order"),
    Broken("dedupe-in-memory", "dedupe", "        self.take(who, number)\n", "        pass\n", breaks="no_duplicate"),
    Broken("dedupe-never-collected", "dedupe", "        self.taken = {}\n", "        self.taken, self.seen = {}, set()\n", (("dedupe", "        self.taken[who] = number\n", "        self.taken[who] = number\n        self.seen.add((who, number))\n"), ("dedupe", "        return len(self.taken)\n", "        return len(self.seen)\n")), breaks="bounded_memory"),
    Broken("base-ignored", "dedupe", "self.taken[who] = max(self.safe(who), base - 1)", "self.taken[who] = self.safe(who)", breaks="liveness"),
    Broken("ack-before-durable", "desk", "                await self.log.append(body, who, number)\n                self.inbox.take(who, number)\n", "                self.inbox.take(who, number)\n                self.writing = asyncio.create_task(self.log.append(body, who, number))\n", breaks="ack_after_durable"),
    Broken("no-lock", "desk", "async with self.lock:  # an old connection of the same client may still be at work here", "if True:", breaks="no_duplicate"),
    Broken("gap-taken", "desk", '            if verdict == "gap":\n                return None\n            if verdict == "new":\n', '            if verdict != "again":\n', LATE, breaks="no_loss"),
    Right("a lock for each sender", "desk", "        self.lock = asyncio.Lock()\n", "        self.locks = {}\n", (("desk", "async with self.lock:", "async with self.locks.setdefault(who, asyncio.Lock()):"),)),
]  # fmt: skip
RESUMING = [
    Broken("offset-by-assignment", "cursor", "        if offset != self.offset + 1:\n            return False\n", "", (("feed", "for offset, body in await log.after(offset):", "for offset, body in list(log.tail):"),), breaks="no_loss"),
    Broken("no-reset", "cursor", "        return elsewhere\n", "        return False\n", breaks="convergence"),
    Broken("cursor-in-memory", "cursor", "self.go(self.epoch, offset)", "self.offset = offset"),
    Broken("epoch-ignored/2", "cursor", ELSEWHERE, "elsewhere = offset != self.offset"),
    Broken("epoch-ignored", "log", RESUME, "return offset if offset <= self.end else 0", (("cursor", ELSEWHERE, "elsewhere = offset != self.offset"),), breaks="convergence"),
    Broken("replay-unbounded", "log", "deque(maxlen=keep)", "deque(maxlen=1000 * keep)", breaks="bounded_memory"),
    Broken("resume-from-start", "log", RESUME, "return 0"),
    Broken("subscribe-after-snapshot", "feed", "        while True:\n", "        for offset, entry in enumerate(await log.store.read(offset), offset + 1):\n            await connection.send(json.dumps([\"entry\", offset, entry.body]))\n        while True:\n", (("feed", FEED, SNAPSHOT),), breaks="no_loss"),
    Broken("woken-too-late", "feed", GREW, "", (("feed", TAKES, "            await log.grew.wait()\n"),), breaks="no_loss"),
    Broken("feed-polls", "feed", TAKES, "            await asyncio.sleep(0.05)\n"),
    Broken("resume-unauthorised", "greet", "if not authorise(who, token):", "if not place[0] and not authorise(who, token):", breaks="authorised"),
    Broken("greeting-waits-for-ever", "greet", "asyncio.timeout(TIMEOUT_S)", "asyncio.timeout(None)"),
    Right("remembers where it stood", "cursor", "        elsewhere = (epoch, offset) != (self.epoch, self.offset)\n        self.go(epoch, offset)\n        return elsewhere\n", "        before = self.epoch, self.offset\n        self.go(epoch, offset)\n        return before != (epoch, offset)\n"),
    Right("an epoch only where there is none", "log", EPOCH, '        if "epoch" not in store:\n            store["epoch"] = str(rng.random())\n        self.epoch = store["epoch"]\n'),
    Right("every read from the store", "log", "        start = self.end - len(self.tail)\n        if offset >= start:\n            return list(self.tail)[offset - start :]\n", ""),
    Right("asks before it waits", "feed", TAKES, "            if offset < log.end:\n                continue\n            await grew.wait()\n"),
]  # fmt: skip
CONTROL = [
    Broken("control-passes", "control", "return Implementation(Careless, Client)", "return Implementation(Server, Client)"),
    Broken("control-breaks-nothing-else", "control", 'lambda who, number: "new"', 'lambda who, number: "gap"'),
    Right("another mistake", "control", 'self.inbox.judge = lambda who, number: "new"', "self.log.resume = lambda epoch, offset: self.log.end"),
]  # fmt: skip

ENTRIES = [*DRAFT, *LINKS, *SENDING, *TAKING, *RESUMING, *CONTROL]
WRONG = [entry for entry in ENTRIES if isinstance(entry, Wrong)]
RIGHT = [entry for entry in ENTRIES if not isinstance(entry, Wrong)]

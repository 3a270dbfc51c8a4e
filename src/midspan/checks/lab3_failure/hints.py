"""The three hints of each step: where to look, what to use, nearly the answer."""

from __future__ import annotations

HINTS: dict[str, tuple[str, str, str]] = {
    "sender": (
        "Two things alternate for ever: send what is in the outbox and was not sent yet; wait until there is more.",
        "`self.outbox.after(self.sent)` gives (number, body) pairs. `self.more` is an asyncio.Event that the client "
        "sets when the application says something.",
        "Inside `with contextlib.suppress(ConnectionClosed):` a `while True:` with self.more.clear(), the for loop "
        'that sends json.dumps(["say", number, body]) and sets self.sent, and await self.more.wait().',
    ),
    "heartbeat": (
        "A sign of life is something that the other end had to do. What does it do by itself when we ping it?",
        "`waiter = await connection.ping()` sends; `await waiter` is the pong. `async with "
        "asyncio.timeout(timeout_s):` ends a wait with TimeoutError.",
        "Sleep interval_s, ping, wait for the pong for timeout_s at most; on TimeoutError "
        "connection.transport.abort(). The next ping then raises ConnectionClosed, which ends the loop.",
    ),
    "reconnect": (
        "Full jitter: draw evenly between 0 and a ceiling that doubles with each attempt, up to the cap.",
        "`rng.uniform(0, ceiling)`. A float ends near 2**1024: bound the exponent. `closed.rcvd` is the close frame "
        "that came, or None; its `.code` says why. `InvalidHandshake`, of `websockets.exceptions`, is no OSError.",
        "In a `while True:` try `await client.session(await client.connect())`; except ConnectionClosed: return if "
        "closed.rcvd and closed.rcvd.code == NOT_AUTHORISED; except (OSError, InvalidHandshake): pass. Then sleep, "
        "and client.attempt += 1.",
    ),
    "outbox": (
        "Two things must survive: each waiting message with its number, and the last number that was ever given.",
        'A store is a mapping of small facts: store[f"out {number}"] = body is durable when the statement is done. '
        "Iterating over it gives the keys in the order in which they were written.",
        'In __init__ read them back: {int(key[4:]): store[key] for key in store if key.startswith("out ")}, and '
        'store.get("last", 0). put raises first, when the limit is reached; acknowledge deletes from the store as '
        "well.",
    ),
    "retry": (
        "What does `self.sent` remember, and for how long is that true?",
        "A new connection knows nothing of what was sent on the old one. What is acknowledged leaves the outbox by "
        "itself.",
        "Make `sent` a local variable of run: 0 at the start of each connection.",
    ),
    "dedupe": (
        "A sender numbers its messages 1, 2, 3, ... without a hole. So one number says all that was taken from it.",
        "A dict from sender to that number. The next one is new, the ones up to it are here again, and behind the "
        "next there is a gap.",
        "safe: self.taken.get(who, 0). judge compares number with safe(who) + 1. remember does what take does. "
        "adopt: the larger of safe(who) and base - 1.",
    ),
    "desk": (
        "Three questions in this order: is it new? is it durable? what may the sender forget?",
        "asyncio.Lock in __init__, `async with self.lock:` around all of take. `await self.log.append(...)` returns "
        "when the entry is durable.",
        'Inside the lock: verdict = judge; return None for "gap"; for "new" append, then inbox.take; return '
        "inbox.safe(who) in both other cases.",
    ),
    "resume": (
        "An offset alone is a number. Together with the epoch of its log it is a place. A store that has no epoch "
        "yet is a new log.",
        'store.setdefault("epoch", ...) with a text drawn from rng. after: what is in the tail comes from the tail, '
        "the rest from await self.store.read(offset, self.tail.maxlen).",
        "resume: offset if epoch == self.epoch and offset <= self.end else 0. moves_to: compare both with where we "
        "stand, go, return whether they differ. takes: only offset == self.offset + 1, then go.",
    ),
    "feed": (
        "When would an entry be added without anyone telling us? Between which two lines?",
        "`log.grew` is an event that is set when the next entry is added, and is then replaced by a new one. Take "
        "it before you read.",
        "In the loop: grew = log.grew; send all of await log.after(offset), each moves offset; if offset == "
        "log.end: await grew.wait().",
    ),
    "greet": (
        "Which question does the first draft leave out, and for whom?",
        "`authorise(who, token)` for everyone. asyncio.timeout(TIMEOUT_S) for those who say nothing.",
        "_, who, token, *place = json.loads(await connection.recv()) inside the timeout; on TimeoutError "
        "connection.transport.abort(); not authorised: await connection.close(NOT_AUTHORISED, ...) and return None.",
    ),
    "control": (
        "Take our session and one of the misconceptions that you have met. What would a careless colleague change?",
        "A subclass of Server or Client can replace a part after super().__init__(seat): self.inbox.judge, for "
        "instance.",
        "class Careless(Server): in __init__ call super().__init__(seat), then self.inbox.judge = lambda who, "
        'number: "new". Return Cast(Careless, Client).',
    ),
}

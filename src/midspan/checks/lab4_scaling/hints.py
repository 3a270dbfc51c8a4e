"""The three hints of each step: where to look, what to use, nearly the answer."""

from __future__ import annotations

HINTS: dict[str, tuple[str, str, str]] = {
    "rooms": (
        "Which question does each of the two dicts answer? leave() needs the one from a member to its rooms.",
        "A dict with None as values is a set that keeps its order: d.setdefault(key, {})[other] = None puts other in.",
        "join: is_first = room not in self.members, then both setdefaults. leave: rooms = self.rooms.pop(who, {}); "
        "delete who from each; those without members are deleted and returned.",
    ),
    "broadcast": (
        "What in the loop is the same for everybody?",
        "`encode(message)` gives the frame, `outlet.give(frame)` returns at once. list(outlets) is a copy.",
        "frame = encode(message), then for outlet in list(outlets): outlet.give(frame).",
    ),
    "pubsub": (
        "In which of the methods must the subscription begin, so that nothing said after open() is missed? In which "
        "must it end?",
        "`pubsub = self.broker.pubsub()`, `await pubsub.subscribe(channel)`, then `await "
        "pubsub.get_message(timeout=None)` is the broker's word. `async for message in pubsub.listen()` gives dicts "
        'with "type" and "data".',
        "open: if room not in self.heard, these three. follow: while True, inside contextlib.suppress(*BROKER_AWAY), "
        'loop over listen(), and for type "message" split the data at the first space; after the with, sleep AGAIN_S. '
        "close: await self.heard.pop(room).aclose().",
    ),
    "streams": (
        "The script is lab 3's Inbox and Desk in one: is it new, is it here again, is one missing? follow is lab 3's "
        "feed: from where we stand.",
        "In Lua: tonumber(redis.call('HGET', ...) or 0), `if ... then return -1 end`, and .. joins texts. "
        '`await link.xread({stream: f"{offset}-0"}, PAGE, block=0)` gives [(stream, entries)]; offsets(entries) '
        "turns them into pairs.",
        "take_script: read safe and the epoch; return -1 if the epoch differs or number > safe + 1; return safe if "
        "number <= safe; else HINCRBY end, XADD, HSET safe, return number. follow: while True, inside suppress, async "
        "with linked(...) as link: return if the epoch differs, then XREAD for ever, yield each pair and move offset.",
    ),
    "accept": (
        "Three ends: an answer, which is passed on whatever it is; patience that is over; or a pause and another try.",
        "`return await log.take(*message)` in a try. asyncio.get_running_loop().time() is the clock.",
        "until_s = now() + patience_s. In a while True: try to return what take says; except BROKER_AWAY: raise if "
        "now() >= until_s, else sleep AGAIN_S.",
    ),
    "owners": (
        "What would a node that was asleep for a minute delete, or keep, if it looked at the node's name alone?",
        "In Lua: if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then ... end. `await "
        "self.broker.hmget(key, names)` gives one value for each name, None where there is none.",
        "release_script: compare as above, then HDEL KEYS[1] ARGV[1]. lost: hmget once, and return those whose "
        'value is not f"{self.seat.name} {generation}". where: hget, and the text before the last space. '
        'mailbox: f"@{who}".',
    ),
    "outlet": (
        "give() has two ways: write now, if nothing waits and the buffer has room; else the policy decides what waits.",
        "A dict keeps the order in which its keys came: pop a key and set it again, and it is the last. "
        "next(iter(self.waiting)) is the oldest key; object() is a key that nothing else has.",
        "conflate with a key: self.waiting.pop(key, None); else key = object(). Full: abort, or delete the oldest. "
        "Then self.waiting[key] = frame and self.more.set(). run: wait for more, clear it, and while something waits: "
        "await drain(), write the oldest.",
    ),
    "presence": (
        "Which two things about a node must you remember to tell, later, that its number has not changed for a while?",
        "`hincrby` beats, `hgetall` reads all numbers. self.seen[node] = number, now: only when the number is another "
        "one than before.",
        "living: for each node of hgetall(self.beats), note number and self.seat.now() when the number is new; return "
        "those whose note is younger than LEASE_S. present: owners whose node (the text before the last space) lives; "
        "release_script for the others, with the value that you read.",
    ),
    "leaving": (
        "Four words in this order: nobody new, acknowledged, goodbye, and not for ever.",
        "`async with asyncio.timeout(GRACE_S)` inside contextlib.suppress(TimeoutError). asyncio.gather runs all "
        "goodbyes at once; return_exceptions=True, since a connection may be gone already.",
        "node.draining = True; wait for node.work.idle under the timeout; then gather(*(outlet.connection.close("
        "GOING_DOWN, ...) for outlet in node.members), return_exceptions=True) under another one.",
    ),
    "control": (
        "Take our node and one of the misconceptions that you have met. What would a careless colleague change?",
        "A subclass of Node can replace a part after super().__init__(seat): self.log, for instance, with a subclass "
        "of Log.",
        "class Deaf(Log): async def after(self, room, offset, end): return []. class Careless(Node): in __init__ call "
        "super().__init__(seat), then self.log = Deaf(self.broker, seat). Return Cast(Careless, Client).",
    ),
}

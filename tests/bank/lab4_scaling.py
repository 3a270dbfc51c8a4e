"""Lab 4's bank: one plausible misconception each, and nodes that differ from the reference and are as good."""

# ruff: noqa: E501 - an edit reads best when its lines are those of the notebook

from __future__ import annotations

from midspan.simulation.nodes import shared_broker
from tests.bank import Right, Wrong

AROUND = shared_broker  # one broker for all entries

ROOM = """        for room in empty:
            del self.members[room]
"""
ROOMS = [
    Wrong("left-in-rooms", "rooms", "rooms = self.rooms.pop(who, {})", "rooms = {}"),
    Wrong("empty-room-kept", "rooms", ROOM, ""),
    Wrong("joined-twice", "rooms", "self.members.setdefault(room, {})[who] = None", "self.members.setdefault(room, []).append(who)", (("rooms", "del self.members[room][who]", "self.members[room].remove(who)"),)),
    Wrong("first-not-told", "rooms", "return is_first", "return True"),
]  # fmt: skip

BROADCAST = [
    Wrong("encode-each", "broadcast", "        outlet.give(frame)\n", "        outlet.give(encode(message))\n", (("broadcast", "    frame = encode(message)\n", ""),)),
    Wrong("waits-for-each", "broadcast", "def broadcast(", "async def broadcast("),
    Wrong("changes-while-told", "broadcast", "list(outlets)", "outlets"),
]  # fmt: skip

GAP = 'if facts["epoch"] != epoch or number > safe + 1:'
ALL_NUMBERS = """    if facts["epoch"] != epoch or number > safe + 1:
        facts["end"] = str(int(facts.get("end", 0)) + 1)
"""
TWIN = [
    Wrong("copy-taken", "twin", "    if number <= safe:\n        return safe\n", ""),
    Wrong("gap-taken", "twin", GAP, 'if facts["epoch"] != epoch:'),
    Wrong("epoch-ignored", "twin", GAP, "if number > safe + 1:"),
    Wrong("ids-with-holes", "twin", f"    {GAP}\n", ALL_NUMBERS),
    Wrong("log-unbounded", "twin", "    del stream[:-keep]\n", ""),
]  # fmt: skip

OFFSET = "    local offset = redis.call('HINCRBY', KEYS[2], 'end', 1)\n"
COPY = "    if number <= safe then return safe end\n"
SAFE = "    local safe, number ="
NUMBERS = "    local safe, number = tonumber(redis.call('HGET', KEYS[2], 'safe ' .. ARGV[2]) or 0), tonumber(ARGV[3])\n"
TEXTS = "    local safe, number = redis.call('HGET', KEYS[2], 'safe ' .. ARGV[2]) or '0', ARGV[3]\n"
TAKE = "    safe = await log.broker.eval(take_script(), 2, *log.keys(room), epoch, who, number, body, KEEP)\n"
RETURN = "    return None if safe < 0 else safe\n"
IN_MEMORY = """    log.mine = getattr(log, "mine", {})
    if number <= log.mine.get((room, who), 0):
        return log.mine[room, who]
    safe = await log.broker.eval(take_script(), 2, *log.keys(room), epoch, who, number, body, KEEP)
    log.mine[room, who] = max(safe, 0)
"""
STEP_BY_STEP = """    stream, facts = log.keys(room)
    safe = int(await log.broker.hget(facts, f"safe {who}") or 0)
    if await log.broker.hget(facts, "epoch") != epoch or number > safe + 1:
        return None
    if number <= safe:
        return safe
    offset = await log.broker.hincrby(facts, "end", 1)
    await log.broker.xadd(stream, {"body": body}, id=f"{offset}-0", maxlen=KEEP, approximate=False)
    await log.broker.hset(facts, f"safe {who}", number)
    return number
"""
REGISTERED = """    script = log.broker.register_script(take_script())
    safe = await script(keys=log.keys(room), args=[epoch, who, number, body, KEEP])
"""
SCRIPT = [
    Wrong("dedupe-in-the-node", "script", COPY, "", (("script", TAKE, IN_MEMORY),)),
    Wrong("dedupe-in-the-node/2", "script", COPY, ""),
    Wrong("not-atomic", "script", TAKE + RETURN, STEP_BY_STEP),
    Wrong("numbers-as-text", "script", NUMBERS, TEXTS, (
        ("script", "number > safe + 1 then", "number + 0 > safe + 1 then"),
        ("script", "then return safe end", "then return tonumber(safe) end"),
        ("script", "    return number\n", "    return tonumber(number)\n"),
    )),
    Wrong("gap-taken/2", "script", " or number > safe + 1 then", " then"),
    Wrong("ids-with-holes/2", "script", OFFSET, "", (("script", SAFE, OFFSET + SAFE),)),
    Wrong("resumes-anywhere", "script", " and place.start <= offset <= place.end", ""),
    Wrong("epoch-ignored/2", "script", "epoch == place.epoch and ", ""),
    Wrong("epoch-ignored/3", "script", "redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[1] or ", ""),
    Wrong("log-unbounded/2", "script", "'MAXLEN', ARGV[5], ", ""),
]  # fmt: skip

FOLLOW = """    while True:
        with contextlib.suppress(*BROKER_AWAY):
            async with linked(log.context.broker, alone=True) as link:
"""
AGAIN = "        await asyncio.sleep(AGAIN_S)\n"
END = 'int(await log.broker.hget(facts, "end") or 0)'
FOLLOWING = [
    Wrong("lost-while-away", "follow", AGAIN, f"{AGAIN}        offset = {END}\n"),
    Wrong("stops-with-the-link", "follow", FOLLOW, FOLLOW.replace("while True", "if True")),
    Wrong("stops-with-the-link/2", "follow", "contextlib.suppress(*BROKER_AWAY)", "contextlib.suppress()"),
    Wrong("starts-over", "follow", AGAIN, f"{AGAIN}        offset = 0\n"),
    Wrong("follows-from-now", "follow", FOLLOW, f"    offset = {END}\n{FOLLOW}"),
    Wrong("epoch-forgotten", "follow", 'if await link.hget(facts, "epoch") != epoch:', "if False:"),
]  # fmt: skip

ASK = "return await log.take(*message)"
GROWING = "await asyncio.sleep(min(AGAIN_S, until_s - now()) if now() < until_s else 0)"
ACCEPT = [
    Wrong("ack-before-durable", "accept", ASK, "asyncio.ensure_future(log.take(*message))\n            return message[3]"),
    Wrong("ack-before-durable/2", "accept", "                raise\n", "                return message[3]\n"),
    Wrong("gives-up-at-once", "accept", "            if now() >= until_s:\n                raise\n", "            raise\n"),
    Wrong("waits-for-ever", "accept", "if now() >= until_s:", "if False:"),
    Wrong("asks-without-pause", "accept", "await asyncio.sleep(AGAIN_S)", "await asyncio.sleep(0)"),
    Wrong("gap-acknowledged", "accept", ASK, f"{ASK} or message[3]"),
]  # fmt: skip

COMPARE = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end"
RELEASE = 'await self.broker.eval(release_script(), 1, self.owners, who, f"{self.context.name} {generation}")'
BY_NODE = "if await self.where(who) == self.context.name:\n            await self.broker.hdel(self.owners, who)"
OWNERS = [
    Wrong("older-claim-wins", "owners", "if owner != own]", "if owner.split()[0] != own.split()[0]]"),
    Wrong("release-deletes-newer", "owners", COMPARE, "redis.call('HDEL', KEYS[1], ARGV[1])"),
    Wrong("release-deletes-newer/2", "owners", RELEASE, BY_NODE),
    Wrong("one-mailbox", "owners", 'return f"@{who}"', 'return "@everyone"'),
    Wrong("asks-for-each", "owners", "owners = await self.broker.hmget(self.owners, list(mine))", "owners = [await self.broker.hget(self.owners, who) for who in mine]"),
]  # fmt: skip

FULL = "if len(self.waiting) >= self.most:"
OUTLET = [
    Wrong("queue-unbounded", "outlet", FULL, "if False:"),
    Wrong("queue-unbounded/2", "outlet", "if not self.waiting and transport.get_write_buffer_size() <= UNREAD_BYTES:", "if True:"),
    Wrong("awaits-the-slow", "outlet", "    def give(", "    async def give("),
    Wrong("overtakes", "outlet", "if not self.waiting and ", "if "),
    Wrong("drops-newest", "outlet", "            del self.waiting[next(iter(self.waiting))]\n", "            return None\n"),
    Wrong("conflate-reorders", "outlet", "self.waiting.pop(key, None)  # ", "pass  # "),
    Wrong("conflate-unbounded", "outlet", FULL, f'if self.policy != "conflate" and {FULL[3:]}'),
    Wrong("never-drained", "outlet", "        self.more.set()\n", "        pass\n"),
]  # fmt: skip

PRESENCE = [
    Wrong("ghosts", "presence", "return set(owners) - set(ghosts)", "return set(owners)"),
    Wrong("ghost-kept", "presence", "await self.broker.eval(release_script(), 1, self.owners, who, owner)", "pass"),
    Wrong("wall-clocks", "presence", "await self.broker.hincrby(self.beats, self.context.name, 1)", "await self.broker.hset(self.beats, self.context.name, self.context.now())", (("presence", "self.seen[node] = number, now_s", "self.seen[node] = number, float(number)"),)),
    Wrong("dead-too-soon", "presence", "now_s - since_s < LEASE_S", "now_s - since_s < BEAT_S"),
]  # fmt: skip

IDLE = """    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await node.work.idle.wait()
"""
GOODBYES = '    goodbyes = [outlet.connection.close(GOING_DOWN, "this node leaves") for outlet in node.members]\n'
GATHER = "            await asyncio.gather(*goodbyes, return_exceptions=True)\n"
ONE = """            for outlet in list(node.members):
                await outlet.connection.close(GOING_DOWN, "this node leaves")
"""
LEAVING = [
    Wrong("still-takes", "leaving", "node.draining = True", "pass"),
    Wrong("closes-before-acks", "leaving", IDLE, ""),
    Wrong("hangs-up", "leaving", 'outlet.connection.close(GOING_DOWN, "this node leaves")', "outlet.connection.close()"),
    Wrong("one-after-another", "leaving", GOODBYES, "", (("leaving", GATHER, ONE),)),
    Wrong("drain-waits-for-ever", "leaving", IDLE, "    await node.work.idle.wait()\n"),
]  # fmt: skip

AFTER = """        async def after(self, room: str, offset: int, end: int) -> list[tuple[int, str]]:
            return [(n, body) for n, body in await super().after(room, offset, end) if n > offset + 1]
"""
CONTROL = [
    Wrong("control-passes", "control", " if n > offset + 1]", "]"),
    Wrong("control-breaks-nothing-else", "control", AFTER, "        async def take(self, room, epoch, who, number, body):\n            return number\n"),
]  # fmt: skip

# Each runs the lab from its first edit to the end, so each holds several edits.
SLOW = "if not self.waiting and transport.get_write_buffer_size() <= UNREAD_BYTES:"
IS_SLOW = "is_slow = self.waiting or transport.get_write_buffer_size() > UNREAD_BYTES\n        if not is_slow:"
WAIT_FOR = (
    "    with contextlib.suppress(TimeoutError):\n        await asyncio.wait_for(node.work.idle.wait(), GRACE_S)\n"
)
ALL_OWNERS = "everyone = await self.broker.hgetall(self.owners)\n        owners = [everyone.get(who) for who in mine]"
OTHERS = [
    Right("other words for the same", "rooms", "is_first = room not in self.members", "is_first = not self.of(room)", (
        ("broadcast", "list(outlets)", "(*outlets,)"),
        ("twin", "del stream[:-keep]", "stream[:] = stream[-keep:]"),
        ("outlet", SLOW, IS_SLOW),
        ("leaving", IDLE, WAIT_FOR),
    )),
    Right("a registered script, trimming by whole blocks", "script", TAKE, REGISTERED, (("script", "'MAXLEN', ARGV[5]", "'MAXLEN', '~', ARGV[5]"),)),
    Right("one entry at a time, all owners at once", "follow", "PAGE, block=0", "1, block=0", (("owners", "owners = await self.broker.hmget(self.owners, list(mine))", ALL_OWNERS),)),
    Right("a pause that ends in time, another name for a mailbox", "accept", "await asyncio.sleep(AGAIN_S)", GROWING, (("owners", 'return f"@{who}"', 'return f"@mailbox of {who}"'),)),
    Right("a beat that is drawn", "presence", "await self.broker.hincrby(self.beats, self.context.name, 1)", "await self.broker.hset(self.beats, self.context.name, random.random())"),
]  # fmt: skip

ALL = [
    *ROOMS,
    *BROADCAST,
    *TWIN,
    *SCRIPT,
    *FOLLOWING,
    *ACCEPT,
    *OWNERS,
    *OUTLET,
    *PRESENCE,
    *LEAVING,
    *CONTROL,
    *OTHERS,
]
WRONG: list[Wrong] = [entry for entry in ALL if isinstance(entry, Wrong)]
RIGHT: list[Right] = [entry for entry in ALL if not isinstance(entry, Wrong)]

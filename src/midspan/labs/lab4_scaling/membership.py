"""Steps 1 to 3: rooms on one node, one frame for all, a bus over pub/sub."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab4_scaling.doubles import Brokered, Follower, brokered
from midspan.labs.lab4_scaling.searching import lab
from midspan.simulation.nodes import bus


@lab.step(
    "Rooms, both ways",
    minutes=15,
    lines=12,
    points=2,
    hints=(
        "Which question does each of the two dicts answer? leave() needs the one from a member to its rooms.",
        "A dict with None as values is a set that keeps its order: d.setdefault(key, {})[other] = None puts other in.",
        "join: is_first = room not in self.members, then both setdefaults. leave: rooms = self.rooms.pop(who, {}); "
        "delete who from each; those without members are deleted and returned.",
    ),
    words={
        "left-in-rooms": (
            "A connection that ends takes its member out of all its rooms: the way back, from the member to "
            "its rooms, says which."
        ),
        "empty-room-kept": (
            "A room that nobody is in any more is deleted: else a server knows every room that ever was."
        ),
        "joined-twice": "Who joins twice is in the room once, and hears everything once.",
        "first-not-told": "The first in a room and the last one out begin and end what this node hears of it.",
    },
)
def rooms(t: Transcript, Rooms: Any) -> None:  # noqa: N803 - the answer is a class
    t.say("nobody is anywhere; a joins red, then b does, then a joins blue")
    made = Rooms()
    t.equal("who is in red", made.of("red"), [])
    t.equal("was red empty before a?", made.join("a", "red"), True, id="first-not-told")
    t.equal("was red empty before b?", made.join("b", "red"), False, id="first-not-told")
    made.join("a", "blue")
    t.equal("who is in red", list(made.of("red")), ["a", "b"])
    t.equal("who is in blue", list(made.of("blue")), ["a"])
    made.join("b", "red")
    t.equal("b joins red again: who is in red", list(made.of("red")), ["a", "b"], id="joined-twice")
    t.say("a's connection ends")
    empty = made.leave("a")
    t.equal("who is in red", list(made.of("red")), ["b"], id="left-in-rooms")
    t.equal("who is in blue", list(made.of("blue")), [], id="left-in-rooms")
    t.equal("rooms that are empty now", list(empty), ["blue"], id="first-not-told")
    t.equal("how many rooms there are", len(made), 1, id="empty-room-kept")
    t.equal("a's connection ends once more: rooms that are empty now", list(made.leave("a")), [])
    t.equal("b's ends: rooms that are empty now", list(made.leave("b")), ["red"], id="first-not-told")
    t.say("a thousand rooms, each with one member who comes and goes")
    for number in range(1000):
        made.join(f"m{number}", f"room {number}")
        made.leave(f"m{number}")
    t.equal("how many rooms there are", len(made), 0, id="empty-room-kept")
    t.equal("was red empty before c?", made.join("c", "red"), True, id="first-not-told")


class Ear:
    """An outlet that keeps its frames; with a `room`, it leaves the room at the first frame."""

    def __init__(self, room: dict[Any, None] | None = None) -> None:
        self.given: list[bytes] = []
        self.room = room

    def give(self, frame: bytes, *_: object, **__: object) -> None:
        self.given.append(frame)
        if self.room is not None:
            self.room.pop(self, None)


class Encoder:
    """An encoder that counts its calls."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, message: list[Any]) -> bytes:
        self.asked += 1
        return f"frame of {message}".encode()


@lab.step(
    "One frame for a whole room",
    minutes=10,
    lines=3,
    points=1,
    hints=(
        "What in the loop is the same for everybody?",
        "`encode(message)` gives the frame, `outlet.give(frame)` returns at once. list(outlets) is a copy.",
        "frame = encode(message), then for outlet in list(outlets): outlet.give(frame).",
    ),
    words={
        "encode-each": "The frame is the same for everybody: encode it once, before the loop.",
        "waits-for-each": "Who waits for one member makes all the others wait for it: hand the frame over and go on.",
        "changes-while-told": "A member can be let go of while the others are told: go over a copy of the room.",
    },
)
def broadcast(t: Transcript, broadcast: Any) -> None:
    message = ["entry", 1, "hello"]
    for size in (3, 1000):
        t.say(f"a room of {size}; one message")
        encode, frame = Encoder(), Encoder()(message)
        room = {Ear(): None for _ in range(size)}
        returned = broadcast(room, message, encode)
        waits = inspect.isawaitable(returned)
        if inspect.iscoroutine(returned):
            returned.close()
        got = Words("a coroutine, which nobody awaits")
        t.true("nothing is waited for", not waits, got=got, expected="a plain function", id="waits-for-each")
        told = sum(ear.given == [frame] for ear in room)
        t.equal("members that were given the frame, once", told, size)
        t.equal("times that it was encoded", encode.asked, 1, id="encode-each")
    t.say("a member is let go of while the room is told")
    leaving: dict[Any, None] = {}
    leaving |= {Ear(leaving): None, Ear(): None, Ear(): None}
    ears = list(leaving)
    try:
        broadcast(leaving, message, Encoder())
    except RuntimeError as error:
        t.fail("the others are told", got=error, expected="no error", id="changes-while-told")
    t.equal("members that were told", sum(len(ear.given) for ear in ears), 3, id="changes-while-told")


# Step 3: a bus over pub/sub. A message on one node reaches all nodes with a client in the room.


BACK_S = 5.0  # for a broken link to come back
EVERY_S = 0.05  # between two messages, until one is received


@lab.step(
    "A bus, so that every node hears",
    minutes=30,
    lines=12,
    points=3,
    hints=(
        "In which of the methods must the subscription begin, so that nothing said after open() is missed? In which "
        "must it end?",
        "`pubsub = self.broker.pubsub()`, `await pubsub.subscribe(channel)`, then `await "
        "pubsub.get_message(timeout=None)` is the broker's word. `async for message in pubsub.listen()` gives dicts "
        'with "type" and "data".',
        "open: if room not in self.heard, these three. follow: while True, inside contextlib.suppress(*BROKER_AWAY), "
        'loop over listen(), and for type "message" split the data at the first space; after the with, sleep AGAIN_S. '
        "close: await self.heard.pop(room).aclose().",
    ),
    words={
        "one-node": "What is said on one node reaches the others through the broker alone: publish it there.",
        "subscribes-late": (
            "What is published before the subscription stands is not heard: subscribe, and wait for the "
            "broker's word, before anyone is told that they are in."
        ),
        "never-unsubscribes": (
            "With the last member the node leaves the channel: else it hears, for ever, of rooms that "
            "nobody here is in."
        ),
        "stops-with-the-link": "A link to the broker breaks, and comes back: who listened goes on listening.",
    },
    limit_s=20.0,
    processes=True,
)
async def pubsub(t: Transcript, Log: Any) -> None:  # noqa: N803
    with bus():  # one broker for all parts of this check
        async with brokered() as broker:
            first, second = (Log(broker.link(name), broker.context(name)) for name in ("n1", "n2"))
            await _subscribes_first(t, first, second)
            await _is_heard_everywhere(t, first, second)
            await _goes_on(t, broker, first, second)
        async with brokered() as broker:
            await _unsubscribes(t, broker, Log(broker.link("n1"), broker.context("n1")))


async def _subscribes_first(t: Transcript, first: Any, second: Any) -> None:
    t.say("red is opened on n1 and n2; before anybody follows it there, a says one on n1")
    for log in (first, second):
        await t.soon("red is open", log.open("red", "a", 1), within_s=5.0)
    await first.take("red", "", "a", 1, "one")
    for name, log in (("n1", first), ("n2", second)):
        follower = Follower(log, "red", "", 0)
        id = "one-node" if name == "n2" and not await _publishes(log) else "subscribes-late"
        heard = await follower.bodies(1)
        await follower.stop()
        t.equal(f"heard on {name}", heard, ["one"], id=id)


async def _publishes(log: Any) -> bool:
    """Return whether the log subscribes to a channel of the broker."""
    channels = await log.broker.pubsub_channels("*")
    return bool(channels)


async def _is_heard_everywhere(t: Transcript, first: Any, second: Any) -> None:
    t.say("a says two and three on n1, b says four on n2; somebody says something in blue")
    followers = [Follower(log, "red", "", 0) for log in (first, second)]
    await first.open("blue", "c", 1)
    await first.take("blue", "", "c", 1, "not for red")
    for log, who, number, body in ((first, "a", 2, "two"), (first, "a", 3, "three"), (second, "b", 1, "four")):
        await log.take("red", "", who, number, body)
    heard = [await follower.bodies(3) for follower in followers]
    for name, follower, bodies in zip(("n1", "n2"), followers, heard, strict=True):
        await follower.stop()
        t.equal(f"heard in red on {name}", bodies, ["two", "three", "four"], id="one-node")


async def _goes_on(t: Transcript, broker: Brokered, first: Any, second: Any) -> None:
    t.say("n2's link to the broker breaks; a goes on saying things on n1")
    follower = Follower(second, "red", "", 0)
    await second.take("red", "", "b", 2, "five")
    await follower.bodies(1)
    await broker.cut("n2")
    for number in range(4, 4 + int(BACK_S / EVERY_S)):
        await first.take("red", "", "a", number, "are you there?")
        if len(await follower.bodies(2, EVERY_S)) > 1:
            break
    heard = follower.heard[-1][1] if follower.heard else "nothing"
    await follower.stop()
    t.equal(f"heard on n2 within {BACK_S:g} s", heard, "are you there?", id="stops-with-the-link")


async def _unsubscribes(t: Transcript, broker: Brokered, log: Any) -> None:
    t.say("red is opened on n1, followed, and closed with its last member")
    await log.open("red", "a", 1)
    follower = Follower(log, "red", "", 0)
    await log.take("red", "", "a", 1, "one")
    await follower.bodies(1)
    await follower.stop()
    await log.close("red")
    for _ in range(40):  # the broker needs some time to notice a closed connection
        left = await broker.admin.pubsub_channels(f"{broker.prefix}*")
        if not left:
            break
        await asyncio.sleep(EVERY_S)
    t.equal(
        "channels that n1 still hears",
        [str(name).removeprefix(broker.prefix) for name in left],
        [],
        id="never-unsubscribes",
    )

"""Steps 1 and 2: who is in which room on one node, and one frame for all of them."""

from __future__ import annotations

import inspect
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab4_scaling.hints import HINTS
from midspan.checks.lab4_scaling.lab import lab
from midspan.refusal import Words


@lab.step("Rooms, both ways", minutes=15, lines=12, points=2, hints=HINTS["rooms"])
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


# step 2


class Ear:
    """An outlet that keeps what it was given; `leaves` is called with it, once."""

    def __init__(self, room: dict[Any, None] | None = None) -> None:
        self.given: list[bytes] = []
        self.room = room

    def give(self, frame: bytes, *_: object, **__: object) -> None:
        self.given.append(frame)
        if self.room is not None:
            self.room.pop(self, None)


class Encoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, message: list[Any]) -> bytes:
        self.asked += 1
        return f"frame of {message}".encode()


@lab.step("One frame for a whole room", minutes=10, lines=3, points=1, hints=HINTS["broadcast"])
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

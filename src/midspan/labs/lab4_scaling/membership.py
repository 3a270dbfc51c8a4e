"""Steps 1 and 2: rooms on one node, one frame for all."""

from __future__ import annotations

import inspect
from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab4_scaling.searching import lab


@lab.step(
    "Rooms, both ways",
    minutes=30,
    lines=12,
    points=2,
    hints=(
        "From what to what does each of the two dicts lead? leave() needs the one from a member to its rooms.",
        "A dict with None as values is a set that keeps its order: d.setdefault(key, {})[other] = None puts other in.",
        "join: is_first = room not in self.members, then both setdefaults. leave: rooms = self.rooms.pop(who, {}); "
        "delete who from each; those without members are deleted and returned.",
    ),
    words={
        "left-in-rooms": (
            "When a connection ends, its member leaves all its rooms: keep a dict from each member to its rooms."
        ),
        "empty-room-kept": ("Delete a room without members: otherwise a server keeps every room that it ever had."),
        "joined-twice": "A member that joins twice is in the room once, and gets each message once.",
        "first-not-told": (
            "The node follows a room from its first member to its last one: return whether the room was empty."
        ),
    },
)
def rooms(t: Transcript, Rooms: Any) -> None:  # noqa: N803 - the answer is a class
    t.say("no room has a member; a joins red, then b joins red, then a joins blue")
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


class RecordingOutlet:
    """An outlet that records its frames. With a `room`, it leaves the room at the first frame."""

    def __init__(self, room: dict[Any, None] | None = None) -> None:
        self.given: list[bytes] = []
        self.room = room

    def give(self, frame: bytes, *_: object, **__: object) -> None:
        self.given.append(frame)
        if self.room is not None:
            self.room.pop(self, None)


class CountingEncoder:
    """An encoder that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, message: list[Any]) -> bytes:
        self.calls += 1
        return f"frame of {message}".encode()


@lab.step(
    "One frame for a whole room",
    minutes=8,
    lines=3,
    points=1,
    hints=(
        "What in the loop is the same for all members?",
        "`encode(message)` gives the frame, `outlet.give(frame)` returns at once. list(outlets) is a copy.",
        "frame = encode(message), then for outlet in list(outlets): outlet.give(frame).",
    ),
    words={
        "encode-each": "The frame is the same for all members: encode it once, before the loop.",
        "waits-for-each": "If you wait for one member, all others wait too: hand the frame over, and continue.",
        "changes-while-told": "A member can leave while the others get the frame: loop over a copy of the room.",
    },
)
def broadcast(t: Transcript, broadcast: Any) -> None:
    message = ["entry", 1, "hello"]
    for size in (3, 1000):
        t.say(f"a room of {size}; one message")
        encode, frame = CountingEncoder(), CountingEncoder()(message)
        room = {RecordingOutlet(): None for _ in range(size)}
        returned = broadcast(room, message, encode)
        waits = inspect.isawaitable(returned)
        if inspect.iscoroutine(returned):
            returned.close()
        got = Words("a coroutine, which is never awaited")
        t.true("nothing is waited for", not waits, got=got, expected="a plain function", id="waits-for-each")
        told = sum(outlet.given == [frame] for outlet in room)
        t.equal("members that were given the frame, once", told, size)
        t.equal("times that it was encoded", encode.calls, 1, id="encode-each")
    t.say("a member leaves while the others get the frame")
    leaving: dict[Any, None] = {}
    leaving |= {RecordingOutlet(leaving): None, RecordingOutlet(): None, RecordingOutlet(): None}
    outlets = list(leaving)
    try:
        broadcast(leaving, message, CountingEncoder())
    except RuntimeError as error:
        t.fail("the others get the frame", got=error, expected="no error", id="changes-while-told")
    t.equal("members that got the frame", sum(len(outlet.given) for outlet in outlets), 3, id="changes-while-told")

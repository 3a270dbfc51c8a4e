"""Step 11: the heartbeat of Engine.IO, with the time as an argument."""

from __future__ import annotations

from typing import Any

from midspan.grading import Transcript
from midspan.labs.lab2_events.given import Options
from midspan.labs.lab2_events.lab import LEFT, VIOLATION, lab, outcome


@lab.step(
    "The heartbeat",
    minutes=16,
    lines=9,
    points=2,
    hints=(
        "Two times are enough: when to send the next ping, and when its pong is due.",
        "math.inf is a time that never comes. Only a pong that was asked for moves the two times.",
        "due: `if now >= self.pong_by` raise; `if now < self.ping_at` return None; else ping_at = inf, pong_by = now + "
        "timeout, return '2'. receive: `if packet == '3' and self.pong_by < math.inf`: ping_at = now + interval, "
        "pong_by = inf; then return super().receive(packet).",
    ),
    words={
        "no-heartbeat": (
            "The server sends the pings: a client that gets none within interval plus timeout closes the connection."
        ),
        "anything-is-a-pong": "Only a pong answers a ping: a client that still sends may have stopped reading.",
        "late-pong-forgiven": "When the time for the pong is over, the session ends.",
        "pings-too-often": "Only one ping is on its way at a time, and the next interval begins with its pong.",
    },
)
def engine(t: Transcript, Engine: Any) -> None:  # noqa: N803 - the answer is a class
    engine = Engine(Options(10.0, 4.0), 100.0)
    t.say("an interval of 10 s, a timeout of 4 s; the session begins at 100 s")
    t.equal("the deadline", engine.deadline, 110.0, id="pings-too-often")
    t.equal("at 109 s nothing is due", outcome(engine.due, 109.0), None, id="pings-too-often")
    t.equal("at 110 s a ping", outcome(engine.due, 110.0), "2", id="no-heartbeat")
    t.equal("once", outcome(engine.due, 111.0), None, id="pings-too-often")
    t.equal("the pong is due at", engine.deadline, 114.0, id="late-pong-forgiven")
    t.equal("a pong at 112 s", outcome(engine.receive, "3", 112.0), None)
    t.equal("the next ping is due at", engine.deadline, 122.0, id="pings-too-often")
    t.equal("a pong without a ping, at 113 s", outcome(engine.receive, "3", 113.0), None)
    t.equal("changes nothing", engine.deadline, 122.0, id="pings-too-often")
    t.equal("at 123 s a ping", outcome(engine.due, 123.0), "2", id="no-heartbeat")
    t.equal("a message at 124 s is no pong", outcome(engine.receive, '42["x"]', 124.0), '2["x"]')
    t.equal("nor is a binary one", outcome(engine.receive, b"x", 125.0), b"x")
    t.equal("the pong is still due at", engine.deadline, 127.0, id="anything-is-a-pong")
    t.equal("at 126.9 s we wait", outcome(engine.due, 126.9), None)
    t.equal("at 127 s it is over", outcome(engine.due, 127.0), VIOLATION, id="late-pong-forgiven")
    for packet, expected in (("1", LEFT), ("2", VIOLATION)):
        got = outcome(Engine(Options(), 0.0).receive, packet, 1.0)
        t.equal(f"{packet!r} is what it was", got, expected, id="packet-not-checked")

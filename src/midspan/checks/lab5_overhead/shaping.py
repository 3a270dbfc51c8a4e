"""Step 3: the shapes of events, learned once a connection."""

from __future__ import annotations

from functools import partial
from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import costs_at_most
from midspan.checks.lab5_overhead.searching import holds
from midspan.refusal import Words
from midspan.sim import Cast

EVENT = '["typing_start",{"room":"general","user":"ana"}]'
KNOWN_BYTES = 13  # of that event, once its shape is known: two heads and eleven characters
BODIES = (
    EVENT,
    '["typing_start",{"room":"b","user":"bo"}]',
    '["move",{"to":[-1.5e3,20,0]},true,null]',
    '["said","a \\"quoted\\" word, and {\\"json\\":1}"]',
    '["said","\u4f60\u597d \U0001f600"]',
    "no event at all",
    "",
    '["cut off',
    '["spaced", {"room": "general", "n": 12}]',
    '["zero\0inside","a\0b"]',
)
EMPTY = ('["typing_stop"]', '["said",""]', '["said","",""]')
MANY = 300  # shapes, more than any table of ours has
TAUGHT = "43 5b2261"  # SHAPE, three bytes: ["a


@lab.step("Names are learned once", minutes=30, lines=19, points=4, hints=HINTS["shapes"], limit_s=15.0)
def shapes(t: Transcript, Shapes: Any, ours: Cast) -> None:  # noqa: N803 - the answer is a class
    says, hears = Shapes(), Shapes()
    for body in BODIES * 2:
        t.equal(f"{_short(body)} comes out as it went in", _through(says, hears, body), body, id="not-as-it-was")
    for body in EMPTY:
        t.equal(f"{body} too", _through(says, hears, body), body, id="not-as-it-was")
    known = len(says.write(EVENT))
    got = Words(f"{known} bytes")
    t.true("an event whose shape is known", known <= KNOWN_BYTES, got=got, expected=f"{KNOWN_BYTES} bytes at most")
    _the_next_connection(t, Shapes)
    _strangers(t, Shapes)
    holds(t, ours, "shapes")
    costs_at_most(t, ours, waited_for=42)


def _the_next_connection(t: Transcript, make: Any) -> None:
    t.say("the next connection: both ends begin anew")
    text = make().write(EVENT)
    try:
        body = _read(make(), text)
    except ValueError as error:
        body = error
    t.equal("the other end, which has heard of nothing, reads an event", body, EVENT, id="shapes-kept")
    taught = make()
    _read(taught, text)
    for what, hears, data in (("0 on a new connection", make(), b"\x60\x00"), ("5 of one", taught, b"\x65\x00")):
        t.raises(f"shape {what}", partial(hears.read, data, 0), ValueError, id="shape-unknown")


def _strangers(t: Transcript, make: Any) -> None:
    t.say(f"{MANY} shapes, each another one")
    says, hears = make(), make()
    for number in range(MANY):
        body = f'["event{number}",{{"n":1}}]'
        try:
            read: object = _through(says, hears, body)
        except ValueError as error:
            read = error
        if read != body or number == MANY - 1:
            t.equal(f"{body}, the last of them" if read == body else body, read, body, id="shapes-unbounded")
    hears = make()

    def taught() -> None:
        for _ in range(MANY):
            hears.read(bytes.fromhex(TAUGHT), 0)

    t.raises("a stranger who teaches as many", taught, ValueError, id="shapes-unbounded")
    cut = b"\x45" + b'["a'
    t.raises("a shape that is not all there", lambda: make().read(cut, 0), ValueError)
    says, hears = make(), make()
    _through(says, hears, EVENT)
    t.raises("four values, where the shape has two places", lambda: hears.read(b"\x60\x07a\0b\0c\0d", 0), ValueError)


def _through(says: Any, hears: Any, body: str) -> object:
    return _read(hears, says.write(body))


def _read(hears: Any, data: bytes) -> object:
    """The one body in these bytes."""
    body, at = None, 0
    while at < len(data):
        body, at = hears.read(data, at)
    return body


def _short(body: str) -> str:
    return repr(body) if len(body) < 50 else repr(body[:47])[:-1] + "...'"

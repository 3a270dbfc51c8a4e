"""A run as lanes: every step is in the picture, arrows land where their messages do, its text is the ladder's."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.pictures.excerpts import excerpt
from midspan.pictures.outputs import counterexample_picture, ladder_picture
from midspan.pictures.runs import FIRST, LAST, MOST_STEPS, run_ladder
from midspan.pictures.svg import Picture, mono_px
from midspan.simulation import (
    NAIVE,
    Cut,
    Implementation,
    Ladder,
    Mark,
    Rung,
    ServerRestart,
    Trigger,
    draw,
    search,
    simple,
)
from midspan.simulation.baseline import NaiveServer
from tests.simulation_session import implementation
from tests.test_pictures_pictures import OURS, SVG, as_any, texts

LATE, SOON = Rung(0.0, "a", "server", "late", 0.3), Rung(0.1, "a", "server", "soon", 0.2)
FAULTS = (ServerRestart(Trigger("b", "up", 2, "after")), Cut(Trigger("a", "down", 3, "during")))


def arrow_tips(picture: Picture) -> list[tuple[float, float]]:
    """x and y of each arrow's point."""
    points = [element.get("points", "") for element in ET.fromstring(picture.svg).iter(f"{SVG}polygon")]
    return [tuple(map(float, found.split()[0].split(",")[:2])) for found in points]  # type: ignore[misc]


@pytest.mark.parametrize("clients", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_run_is_drawn_whole(clients: tuple[str, ...]) -> None:
    """It has the words of each step that is not folded, and is equal when drawn again; the text is the ladder's."""
    faults = tuple(fault for fault in FAULTS if fault.at.link in clients)
    _, ladder = draw(implementation("no dedupe"), simple(4, clients, faults=faults))
    drawn = run_ladder(ladder, title="A finding")
    assert drawn == run_ladder(ladder, title="A finding")
    assert drawn.text == str(ladder)
    root = ET.fromstring(drawn.svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= OURS
    words = [found for _, _, found, _, _ in texts(drawn)]
    for step in excerpt(ladder, ""):
        assert any(found.split(" ... ")[0] in step.text for found in words if found), step
    for x, y, found, anchor, size in texts(drawn):
        left = x - mono_px(found, size) * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        assert -2 < left < left + mono_px(found, size) * 0.93 < drawn.width + 30, found
        assert 0 < y <= drawn.height


def test_the_server_stands_in_the_middle() -> None:
    """Of two clients each has its own side: no arrow crosses a lane that is not its own."""
    _, ladder = draw(implementation(), simple(2))
    heads = {words: x for x, _, words, anchor, _ in texts(run_ladder(ladder)) if anchor == "middle"}
    assert heads["a"] < heads["server"] < heads["b"]


def test_who_overtakes_lands_first() -> None:
    """The message that left later and arrives earlier ends higher up."""
    drawn = run_ladder(Ladder(("a", "server"), (LATE, SOON, Mark(0.4, "server", "done"))))
    (_, late), (_, soon) = arrow_tips(drawn)
    assert soon < late


def test_a_lost_message_never_reaches_the_other_lane() -> None:
    """It has a cross and no point; the fault has its sign and its words."""
    lost = Rung(0.0, "a", "server", "lost", None)
    drawn = run_ladder(Ladder(("a", "server"), (lost, Mark(0.1, "a", "cut here", "fault"))))
    assert arrow_tips(drawn) == []
    ends = [float(x) for x in re.findall(r'x2="([\d.]+)" y2="[\d.]+" style="stroke:#d55e00;stroke-width:2;', drawn.svg)]
    assert len(ends) == 1
    assert FIRST < ends[0] < LAST
    assert [words for _, _, words, _, _ in texts(drawn)].count("✗") == 2  # the fault, and the legend


def test_words_of_the_wire_stay_words() -> None:
    """No message becomes markup."""
    hostile = Rung(0.0, "a", "server", "</svg><script>alert(1)</script>", 0.1)
    assert "<script" not in run_ladder(Ladder(("a", "server"), (hostile,)), title="<img>")._repr_html_()


def test_a_counterexample_is_shown_whole() -> None:
    """The sentence, the schedule, the lanes, the line that replays it; one too long to draw is left to its text."""
    found = search(NAIVE, [0], names=["no_loss"]).counterexamples["no_loss"]
    card = counterexample_picture(found)
    assert card is not None
    for words in ("no_loss is violated", found.reason, "Smallest schedule: seed 0", "<svg", found.replay):
        assert words in card.html()
    assert ladder_picture(Ladder(("a", "server"), (LATE,) * (MOST_STEPS + 1))) is None


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: run_ladder(as_any("text")), "Expected the ladder of a run, but got 'text'."),
        (lambda: run_ladder(Ladder(("server",), ())), "Expected two lanes or more"),
        (lambda: run_ladder(Ladder(("a", "server"), (LATE,) * 101)), f"Expected {MOST_STEPS} steps at most"),
        (
            lambda: run_ladder(Ladder(("a", "server"), (Mark(0.0, "z", "who"),))),
            "Expected steps on the lanes a, server",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)


def test_nodes_stand_in_their_order_and_the_broker_last() -> None:
    names = ("a", "b", "n1", "n2", "n3", "broker")
    steps = (Rung(0.0, "a", "n1", "hello", 0.1), Mark(0.2, "broker", "durable a1"))
    heads = [one[2] for one in sorted(texts(run_ladder(Ladder(names, steps)))) if one[2] in names]
    assert heads == [*names]


def test_what_no_lane_is_known_of_stands_on_the_last() -> None:
    """A task that nobody awaits and that raises: the run can be drawn, and says whose error it was not."""

    class Careless(NaiveServer):
        async def handle(self, connection: Any) -> None:
            self.forgotten = asyncio.create_task(self.fail())
            await super().handle(connection)

        async def fail(self) -> None:
            raise KeyError("forgotten")

    _, ladder = draw(Implementation(Careless, NAIVE.client), simple(1, ("a",)))
    crash = ladder.steps[-1]
    assert isinstance(crash, Mark)
    assert (crash.lane, crash.text) == ("server", "a task crashed KeyError: 'forgotten'")
    assert crash.text in str(run_ladder(ladder))

"""The first draft of a session, and each sentence that chapter 3 says of it and of its variants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.simulation import (
    NAIVE,
    Cut,
    Join,
    Refuse,
    Revoke,
    RunReport,
    Say,
    Schedule,
    ServerRestart,
    Shape,
    Trigger,
    play,
    search,
    show_run,
    simple,
)
from midspan.simulation.baseline import BaselineClient, BaselineServer, draft, say

BEFORE_THE_ANSWER = simple(1, ("a",), faults=(Cut(Trigger("a", "up", 2, "reply")),))
CUTS = Shape(kinds=("Cut",))


class AckFirst(BaselineServer):
    async def take(self, connection: Any, body: str) -> None:
        await say(connection, "ack", body)
        await self.append(body)


class Remembers(BaselineServer):
    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.taken: set[str] = set()

    async def take(self, connection: Any, body: str) -> None:
        if body not in self.taken:
            self.taken.add(body)
            await self.append(body)
        await say(connection, "ack", body)

    def sizes(self) -> dict[str, int]:
        return {"dedupe": len(self.taken)}


class SubscribesFirst(BaselineServer):
    async def resume(self, connection: Any, offset: int) -> None:
        self.listeners.append(connection)
        await self.replay(connection, offset)


class KeepsTheMaximum(BaselineClient):
    def entry(self, number: int, body: str) -> None:
        if number > self.offset:
            super().entry(number, body)


def test_who_sends_once_loses() -> None:
    """A message on its way when the link is cut is gone, if nobody keeps it."""
    seen = show_run(NAIVE, simple(1, ("a",), faults=(Cut(Trigger("a", "up", 1, "during")),)), "no_loss")
    assert "a1 was sent" in seen.violated["no_loss"]


def test_who_sends_again_loses_nothing_and_doubles() -> None:
    """One cut, before the acknowledgement: at least once, and so twice."""
    seen = show_run(draft(), BEFORE_THE_ANSWER, "no_loss", "no_duplicate")
    assert list(seen.violated) == ["no_duplicate"]
    alone = search(draft(), range(100), replace(CUTS, clients=1), ("no_loss",), keep_going=True)
    assert alone.outcomes["violated"] == 0


def test_what_is_acknowledged_first_can_be_lost() -> None:
    """The process ends between the acknowledgement and the disk: its sender was told that it is safe."""
    crash = (ServerRestart(Trigger("a", "down", 1, "after")),)
    slow_disk = replace(simple(1, ("a",), faults=crash), write_s=0.1)
    assert set(show_run(draft(AckFirst), slow_disk, "no_loss", "ack_after_durable").violated) == {
        "no_loss",
        "ack_after_durable",
    }
    assert not show_run(draft(), slow_disk, "no_loss", "ack_after_durable").violated


def test_a_table_that_forgets_nothing_grows_with_every_message() -> None:
    """It stops the copies, its size is the number of messages, and with the process it is gone."""
    assert not show_run(draft(Remembers), BEFORE_THE_ANSWER, "no_duplicate").violated
    sizes = []
    for messages in (4, 8, 16):
        history = play(draft(Remembers), simple(messages, ("a",)))
        sizes.append(max(record.value for record in history.of("size")))
    assert sizes == [4, 8, 16]
    gone = simple(1, ("a",), faults=(ServerRestart(Trigger("a", "up", 2, "reply")),))
    assert "no_duplicate" in show_run(draft(Remembers), gone, "no_duplicate").violated


def test_snapshot_then_subscribe_has_a_gap() -> None:
    """What becomes durable after the snapshot and before the subscription is in neither."""
    late = Schedule(0, (Join(0.0, "b"), Join(0.2, "a")), (Say(0.256, "b", "b1"),))
    assert "b1 was sent" in show_run(draft(), late, "no_loss").violated["no_loss"]
    assert not show_run(draft(SubscribesFirst), late, "no_loss").violated


def test_subscribe_then_snapshot_overtakes_and_a_maximum_loses() -> None:
    """What is new comes before what was missed; who keeps the highest number takes what was missed for old."""
    late = Schedule(0, (Join(0.0, "b"), Join(0.2, "a")), (Say(0.1, "b", "b1"), Say(0.255, "b", "b2")))
    assert list(show_run(draft(SubscribesFirst), late, "no_loss", "order").violated) == ["order"]
    maximum = show_run(draft(SubscribesFirst, KeepsTheMaximum), late, "no_loss", "order")
    assert list(maximum.violated) == ["no_loss"]


def test_an_offset_without_an_epoch_points_into_another_log() -> None:
    """The log is lost and begins again: the old offset skips its first entries."""
    faults = (ServerRestart(Trigger("b", "up", 2, "reply", 0.1), keeps_log=False), Refuse("a", 2, 3))
    seen = show_run(draft(), simple(4, ("a", "b"), gap_s=0.1, faults=faults), "no_loss")
    assert "b2 was sent" in seen.violated["no_loss"]


def test_who_resumes_without_being_asked_gets_what_is_no_longer_theirs() -> None:
    """The right is revoked, the link cut; the session comes back and is served."""
    faults = (Revoke(Trigger("b", "down", 1, "after")),)
    assert "authorised" in show_run(draft(), simple(4, ("a", "b"), gap_s=0.3, faults=faults), "authorised").violated


def test_a_faster_link_does_not_help() -> None:
    """W3: without faults nothing is violated; with faults the share that is violated stays, ten times as fast."""
    names = ("no_duplicate",)
    shares = []
    for faults in (0, 3):
        for latency_s in (0.01, 0.001):
            shares.append(_violated(faults, latency_s, names))
    assert shares[:2] == [0, 0]
    assert min(shares[2:]) > 20
    assert shares[3] > 0.8 * shares[2]


def _violated(faults: int, latency_s: float, names: tuple[str, ...]) -> int:
    from midspan.simulation import generate, judge

    count = 0
    for seed in range(100):
        schedule = replace(generate(seed, CUTS), latency_s=latency_s)
        schedule = schedule if faults else replace(schedule, faults=())
        verdicts = judge(play(draft(), schedule), names)
        count += any(one.outcome == "violated" for one in verdicts.values())
    return count


def test_a_run_that_was_played_says_everything() -> None:
    """The ladder, then a line for each predicate that was asked; a name that does not exist is refused."""
    seen = show_run(draft(), BEFORE_THE_ANSWER, "no_duplicate", "authorised")
    assert isinstance(seen, RunReport)
    assert str(seen).startswith(str(seen.ladder))
    assert str(seen).splitlines()[-1] == "authorised: vacuous. No client lost its right."
    with pytest.raises(Refusal, match="Expected a predicate, one of no_crash"):
        show_run(draft(), BEFORE_THE_ANSWER, "no_bananas")

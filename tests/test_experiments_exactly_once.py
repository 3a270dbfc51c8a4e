"""Is it still true? The "exactly once" recipe loses acknowledged messages with the installed python-socketio."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import pytest

from midspan.experiments.disconnection import OVERTAKEN, RECIPE, SAME_KEY, SHAPES, lost_though_safe
from midspan.implementations.in_python import RecipeClient
from midspan.simulation import Schedule, draw, judge, play, shrink
from midspan.simulation.run import run_in_thread
from midspan.simulation.tls import play_real

NOW = f"python-socketio {version('python-socketio')}"
EACH = pytest.mark.parametrize("schedule", SHAPES.values(), ids=SHAPES.keys())


class OwnKeys(RecipeClient):
    """The recipe with its first hole closed: a key that does not need a connection."""

    def send(self, body: str) -> None:
        self.counter += 1
        self.to_send.put_nowait((body, f"{self.context.me}-{self.counter}"))


class NextOnly(OwnKeys):
    """With the second one closed too: the next number counts, not the latest."""

    def entry(self, body: str, server_offset: int = 0) -> None:
        if server_offset == self.server_offset + 1:
            super().entry(body, server_offset)


@EACH
def test_it_is_still_true_of_the_installed_version(schedule: Schedule) -> None:
    lost = lost_though_safe(play(RECIPE, schedule))
    assert lost, f"{NOW} does not lose this message any more: chapter 03 and lab 3 say that it does"
    assert judge(play(RECIPE, schedule))["no_loss"].outcome == "violated"


@EACH
def test_it_is_true_on_a_real_link(schedule: Schedule) -> None:
    """Over TLS, on aiohttp."""
    assert lost_though_safe(run_in_thread(play_real, RECIPE, schedule))


def test_the_same_key_is_thrown_away_as_a_copy() -> None:
    verdict = judge(play(RECIPE, SAME_KEY))["ack_after_durable"]
    assert verdict.outcome == "violated"
    assert verdict.reason.endswith("never became durable.")
    _, ladder = draw(RECIPE, SAME_KEY)
    assert str(ladder).count('"None-0"') == 2


def test_the_overtaken_message_is_durable_and_still_lost() -> None:
    history, ladder = draw(RECIPE, OVERTAKEN)
    assert judge(history)["ack_after_durable"].outcome != "violated"
    assert lost_though_safe(history) == ("b1, acknowledged at 0.620 s, never reached a",)
    assert '"server_offset":2' in str(ladder)  # what a says when it comes back


@EACH
def test_each_shape_is_small(schedule: Schedule) -> None:
    """No fault, or one; nothing can be left out."""
    smallest = shrink(schedule, lambda candidate: bool(lost_though_safe(play(RECIPE, candidate))))
    assert len(smallest.says) == len(schedule.says)
    assert len(smallest.faults) == len(schedule.faults) <= 1


def test_with_keys_of_its_own_the_client_does_not_lose_the_first() -> None:
    """The guard guarded: the experiment can come out the other way."""
    assert lost_though_safe(play(replace(RECIPE, client=OwnKeys), SAME_KEY)) == ()
    assert lost_though_safe(play(replace(RECIPE, client=OwnKeys), OVERTAKEN))


def test_who_takes_the_next_number_only_does_not_lose_the_second() -> None:
    assert lost_though_safe(play(replace(RECIPE, client=NextOnly), OVERTAKEN)) == ()

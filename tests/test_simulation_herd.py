"""The herd: the libraries' own waits, read from what is installed, and the conclusions that chapter 3 draws."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from random import Random
from unittest import mock

import pytest
import socketio
import websockets.client

from midspan.errors import Refusal
from midspan.pictures.scenes import herd_picture
from midspan.simulation.reconnect_herd import HerdReport, LibraryReturns, herd, javascript_waits, with_names
from midspan.simulation.reconnect_herd import python_socketio as python_socketio_herd
from tests.test_pictures_pictures import as_any, texts


def full_jitter(rng: Random) -> Iterator[float]:
    """As chapter 03 writes it."""
    for attempt in itertools.count():
        yield rng.uniform(0, min(60, 2**attempt))


def waits_of_nothing(_: Random) -> Iterator[float]:
    """A client that hammers."""
    yield from itertools.repeat(0.0)


@pytest.mark.parametrize("seed", range(5))
def test_full_jitter_up_to_a_minute_is_spread_widest(seed: int) -> None:
    """Peaks: python-socketio > JavaScript > websockets > full jitter; a crowd that is spread wider is back later."""
    python, script, library, jitter = herd(2000, seed=seed, full_jitter=full_jitter)
    assert python.peak > script.peak > library.peak > 3 * jitter.peak
    assert max(python.last_s, script.last_s) < library.last_s < jitter.last_s


def test_the_same_seed_gives_the_same_herd() -> None:
    """Chance is an argument."""
    assert herd(50) == herd(50)
    assert herd(50) != herd(50, seed=2)


def test_websockets_draws_lots_once() -> None:
    """After the first wait all clients wait the same: they come back in one block as wide as that wait."""
    waits = [list(itertools.islice(with_names(websockets.client.backoff, random=Random(i))(), 12)) for i in range(20)]
    assert len({each[0] for each in waits}) == 20
    assert len({tuple(each[1:]) for each in waits}) == 1
    library = herd(500).returns[2]
    assert library.last_s - library.back_s[0] <= websockets.client.BACKOFF_INITIAL_DELAY


def test_python_socketio_adds_half_a_second_at_most() -> None:
    """Documented as a share of the delay, its random part is the same for every wait; so it is in the real loop."""
    waits: list[float] = []

    async def wait_for(aborted: asyncio.Future[None], wait_s: float) -> None:
        as_any(aborted).close()
        waits.append(wait_s)
        raise TimeoutError

    client = socketio.AsyncClient(reconnection_attempts=40)
    client.connection_url, client.connection_namespaces = "https://localhost", ["/"]
    client.connection_headers = client.connection_auth = client.connection_transports = client.socketio_path = None
    failing = mock.AsyncMock(side_effect=socketio.exceptions.ConnectionError)
    silent = mock.patch.object(client, "_trigger_event", mock.AsyncMock())
    with mock.patch.object(client, "connect", failing), silent, mock.patch.object(asyncio, "wait_for", wait_for):
        asyncio.run(client._handle_reconnect())
    bounds = [(client.reconnection_delay * 2**i, client.reconnection_delay_max) for i in range(40)]
    off = [wait_s - min(pair) for wait_s, pair in zip(waits, bounds, strict=True)]
    assert -client.randomization_factor <= min(off) < max(off) <= client.randomization_factor
    assert max(off) > 0.3  # also where the delay is 5 s: a share of it would reach 2.5


def test_the_simulated_python_socketio_is_the_real_one() -> None:
    """Its attempts end between the server's return and the longest wait after it."""
    back = python_socketio_herd(300, 60.0, Random(1))
    assert len(back.back_s) == 300
    assert back.back_s[0] >= 0
    assert back.last_s <= socketio.AsyncClient().reconnection_delay_max + 0.5


def test_the_javascript_waits_are_capped_after_the_jitter() -> None:
    """From the third wait on all can be 5 s, none longer; the first is 1 s, half as much at least."""
    waits = [list(itertools.islice(javascript_waits(Random(i)), 8)) for i in range(200)]
    assert max(max(each) for each in waits) == 5.0
    assert all(0.5 <= each[0] <= 1.5 for each in waits)
    assert min(min(each[4:]) for each in waits) == 5.0  # 16 s and more, halved: always over the cap


def test_the_picture_says_what_its_text_says() -> None:
    """Each library's name, peak and last client; equal when drawn again."""
    seen = herd(300)
    drawn = herd_picture(seen, title="A finding")
    assert drawn == herd_picture(seen, title="A finding")
    assert drawn.text == str(seen)
    words = " | ".join(words for _, _, words, _, _ in texts(drawn))
    for each in seen:
        assert f"{each.name}: at most {each.peak} in 250 ms" in words
    assert max(x for x, _, _, anchor, _ in texts(drawn) if anchor == "start") < drawn.width - 200


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: herd(0), "Expected a client or more and an outage"),
        (lambda: herd_picture(as_any([])), "Expected a herd, but got []."),
        (lambda: herd(1, mine=as_any(None)), "Expected a generator function as mine"),
        (lambda: herd(1, mine=waits_of_nothing), "Expected waits that outlast 60 s"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)


def test_a_return_counts_in_windows() -> None:
    """250 ms each."""
    assert LibraryReturns("x", (0.0, 0.1, 0.3)).peak == 2
    assert HerdReport((LibraryReturns("x", (0.0, 0.1, 0.3)),)).returns[0].windows() == {0: 2, 1: 1}

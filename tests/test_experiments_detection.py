"""When a dead connection is noticed: within the bound that the settings promise, on both links alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from midspan.errors import Refusal
from midspan.experiments.disconnection import CLOSE_TIMEOUT_S, noticed, noticed_cut_s
from midspan.simulation.tls import play_real


@pytest.mark.parametrize("name", ["websockets", "python-socketio"])
@pytest.mark.parametrize(("interval_s", "timeout_s"), [(25.0, 20.0), (5.0, 5.0), (2.0, 1.0)])
def test_a_dead_connection_is_noticed_within_the_bound(name: str, interval_s: float, timeout_s: float) -> None:
    """Never before the time for an answer has passed, never after the bound; the later in the period, the sooner."""
    seen = noticed(name, interval_s, timeout_s)
    assert timeout_s < min(seen.after_s) < max(seen.after_s) <= seen.bound_s
    assert max(seen.after_s) - min(seen.after_s) < interval_s


def test_websockets_adds_its_close_timeout() -> None:
    """However quick the heartbeat, ten seconds pass until the application knows."""
    assert min(noticed("websockets", 1.0, 1.0).after_s) > CLOSE_TIMEOUT_S + 1.0
    assert max(noticed("python-socketio", 1.0, 1.0).after_s) < CLOSE_TIMEOUT_S


def test_a_reset_is_noticed_at_once() -> None:
    """Both libraries try again within their first wait."""
    assert noticed_cut_s("websockets") < 0.1
    assert noticed_cut_s("python-socketio") <= 1.5


@pytest.mark.parametrize("name", ["websockets", "python-socketio"])
def test_the_real_link_says_the_same(name: str) -> None:
    """The libraries on real sockets, over TLS, on a clock that jumps while all wait."""
    simulated, real = noticed(name, 25.0, 20.0), noticed(name, 25.0, 20.0, play_real)
    assert all(abs(a - b) < 0.25 for a, b in zip(simulated.after_s, real.after_s, strict=True))


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: noticed("raw", 1.0, 1.0), "Expected websockets or python-socketio, but got 'raw'."),
        (lambda: noticed("websockets", 0.0, 1.0), "Expected seconds above zero"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)

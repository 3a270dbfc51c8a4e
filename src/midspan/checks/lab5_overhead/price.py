"""The budget of a step: what an event may cost in the session as it stands."""

from __future__ import annotations

from midspan.checks import Transcript
from midspan.checks.lab5_overhead.cost import LOAD, LOW_RATE, WAITED_FOR, Costs, costs
from midspan.refusal import Words
from midspan.sim import Cast


def costs_at_most(
    t: Transcript,
    ours: Cast,
    *,
    waited_for: float | None = None,
    low_rate: float | None = None,
    load: float | None = None,
    id: str = "",
) -> Costs:
    """Bytes in frames of one event, at most, in each situation that has a budget."""
    found = costs(ours)
    for situation, most in ((WAITED_FOR, waited_for), (LOW_RATE, low_rate), (LOAD, load)):
        if most is not None:
            size = found.ours[situation.name].frame_bytes
            what = f"budget: an event takes at most {most:g} bytes in frames ({situation.name})"
            t.true(what, size <= most, got=Words(f"{size:.1f} bytes"), expected=f"{most:g} bytes", id=id)
    return found


def beats(t: Transcript, found: Costs) -> None:
    """The lab's budgets, against python-socketio on the same event."""
    for situation, what, most in (
        (WAITED_FOR, "frame_bytes", 0.35),
        (LOW_RATE, "network_bytes", 0.65),
        (LOAD, "network_bytes", 0.40),
    ):
        ratio = found.ratio(situation, what)
        words = "in frames" if what == "frame_bytes" else "on the network"
        label = f"budget: at most {most:.2f}x of python-socketio's bytes {words} ({situation.name})"
        t.true(label, ratio <= most, got=Words(f"{ratio:.2f}x"), expected=f"{most:.2f}x")

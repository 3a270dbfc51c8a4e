"""Step 10: all guarantees at once, on both links; the budgets; and a saving that a guarantee pays for."""

from __future__ import annotations

from typing import Any

from midspan.checks import Transcript
from midspan.checks.lab3_failure.control import does_not_pass, ours_fails, works
from midspan.checks.lab5_overhead.cost import LOW_RATE, costs
from midspan.checks.lab5_overhead.hints import HINTS
from midspan.checks.lab5_overhead.lab import lab
from midspan.checks.lab5_overhead.price import beats
from midspan.checks.lab5_overhead.searching import SEARCHES, holds
from midspan.refusal import Words
from midspan.sim import Cast


@lab.step("Cheaper still, and wrong", minutes=20, lines=6, points=3, hints=HINTS["cheaper"], limit_s=45.0)
def cheaper(t: Transcript, cheaper: Any, ours: Cast) -> None:
    holds(t, ours, "cheaper")
    ours_fails(t)
    found = costs(ours)
    beats(t, found)
    cast = cheaper()
    works(t, cast, "cheaper()", id="cheaper-breaks-nothing-else")
    ours_bytes, its_bytes = (one.ours[LOW_RATE.name].frame_bytes for one in (found, costs(cast)))
    got, most = Words(f"{its_bytes:.1f} bytes"), f"{ours_bytes:.1f} at most"
    t.true("bytes in frames of an event", its_bytes <= ours_bytes, got=got, expected=most, id="cheaper-is-dearer")
    does_not_pass(t, cast, "cheaper", "cheaper()", SEARCHES["cheaper"], id="cheaper-passes")

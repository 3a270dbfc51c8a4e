"""Step 6: all guarantees at once, with a negative control that saves too much."""

from __future__ import annotations

from typing import Any

from midspan.errors import Words
from midspan.grading import Transcript
from midspan.labs.lab3_failure.resuming import does_not_pass, ours_fails, works
from midspan.labs.lab5_overhead.cost import LOW_RATE, costs, costs_less_than_socketio
from midspan.labs.lab5_overhead.searching import SEARCHES, lab, search_holds
from midspan.simulation import Implementation


@lab.step(
    "Cheaper still, and wrong",
    minutes=11,
    lines=6,
    points=3,
    hints=(
        "Messages that are sent again after a cut cost bytes. What if a careless colleague saved those?",
        "A subclass of Member can change the outbox before it calls super().session(connection). safe_to(self, number) "
        "takes messages for acknowledged.",
        "class Sure(Member): in session, if self.cursor.offset safe_to(self, self.outbox.base + len(self.outbox) - 1), "
        "then await super().session(connection). Return Implementation(Ends, Sure).",
    ),
    words={
        "cheaper-passes": (
            "A control that passes shows that the check cannot fail, or that the control has no mistake."
        ),
        "cheaper-breaks-nothing-else": "A control has one mistake: without faults it works.",
        "cheaper-is-dearer": "It must save bytes: without faults it costs more than ours.",
    },
    limit_s=45.0,
)
def cheaper(t: Transcript, cheaper: Any, ours: Implementation) -> None:
    search_holds(t, ours, "cheaper")
    ours_fails(t)
    found = costs_less_than_socketio(t, ours)
    implementation = cheaper()
    works(t, implementation, "cheaper()", id="cheaper-breaks-nothing-else")
    ours_bytes, its_bytes = (one.ours[LOW_RATE.name].frame_bytes for one in (found, costs(implementation)))
    got, most = Words(f"{its_bytes:.1f} bytes"), f"{ours_bytes:.1f} at most"
    t.true("bytes in frames of an event", its_bytes <= ours_bytes, got=got, expected=most, id="cheaper-is-dearer")
    does_not_pass(t, implementation, "cheaper", "cheaper()", SEARCHES["cheaper"], id="cheaper-passes")

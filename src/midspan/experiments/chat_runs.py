"""The chat that opens the course: Ana sends messages, and her link may be cut while one of them is on its way."""

from __future__ import annotations

from dataclasses import replace

from midspan.errors import checked, need
from midspan.experiments.on_trial import named
from midspan.simulation.faults import Cut, Trigger
from midspan.simulation.history import Bounds
from midspan.simulation.run_report import RunReport, show_run
from midspan.simulation.schedule import Join, Say, Schedule

# Messages of a client before its first one: a token, or CONNECT. `raw` sends none, and connects only once.
GREETING = {"websockets": 1, "python-socketio": 1, "raw": 0}
SAYS = (Say(0.5, "ana", "one"), Say(0.6, "ana", "two"), Say(3.0, "ana", "three"))
JUDGED = ("no_loss", "no_duplicate", "order")
RECOVERY_S = 5.0  # both are connected again by then


@checked
def run_chat(name: str, messages: int = len(SAYS), cut: int = 0) -> RunReport:
    """Run the chat of one implementation on the simulated link; judge loss, duplicates and order.

    Ana sends "one" after 0.5 s, "two" after 0.6 s, "three" after 3 s. The server stores each, and sends it to Ana and
    Ben.

    Args:
        name: "websockets", "python-socketio" or "raw", a column of the guarantee matrix.
        messages: how many messages Ana sends.
        cut: the number of Ana's message that is on its way when her link is cut; 0 for no cut. The link works again
            at once.

    Raises:
        Refusal: another name, or a number of messages that Ana does not send.
    """
    need(name in GREETING, f"one of {', '.join(GREETING)}", name, "Correct the name")
    need(1 <= messages <= len(SAYS), f"1 to {len(SAYS)} messages", messages, "Change messages=")
    need(0 <= cut <= messages, f"the number of a message, 1 to {messages}, or 0", cut, "Change cut=")
    faults = (Cut(Trigger("ana", "up", GREETING[name] + cut, "during")),) if cut else ()
    schedule = Schedule(1, (Join(0.0, "ana"), Join(0.0, "ben")), SAYS[:messages], faults)
    implementation = replace(named(name).implementation, bounds=Bounds(recovery_s=RECOVERY_S))
    return show_run(implementation, schedule, *JUDGED)

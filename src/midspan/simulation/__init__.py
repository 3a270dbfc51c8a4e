"""Run an implementation under faults that can be replayed, and judge what happened.

An *implementation* (a server and its clients, under test) runs a *schedule* (what the clients send, and which faults
happen) in virtual time. The result is a *history*. *Predicates* judge it. Read the modules in this order:

1. `faults` and `schedule` (the input, as data), `implementation` (the code under test, and the context that it gets).
2. `run`: one run. It uses `loop` (virtual time), `process` (start, kill, restart), and `link` with `connection` and
   `end` (a simulated link). `forbidden_io` refuses real clocks and sockets.
3. `history` (what happened), `guarantees` (the predicates), `run_report` (a run as a ladder, with its verdicts).
4. `searching`, `shrinking`: many schedules, and the smallest one that violates a guarantee. `baseline`: a first draft.
5. `tls/` (the same run on real sockets), `nodes/` (three nodes and a broker), `reconnect_herd` (many clients that
   reconnect at once).
"""

from midspan.simulation.baseline import NAIVE, BaselineClient, BaselineServer, draft, negative_control, say
from midspan.simulation.end import Limits
from midspan.simulation.faults import (
    BalancerCut,
    BrokerCut,
    BrokerRestart,
    ClientRestart,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    NodeDrain,
    NodeKill,
    Refuse,
    Revoke,
    ServerRestart,
    Silence,
    Trigger,
)
from midspan.simulation.forbidden_io import Deadlock, OutOfTime, SimulationError, WallClock, WallClockGuard
from midspan.simulation.guarantees import PREDICATES, Predicate, Verdict, judge
from midspan.simulation.history import App, Bounds, History, HistoryRecord, Recorder
from midspan.simulation.implementation import (
    Client,
    ClientContext,
    Disk,
    Entry,
    Implementation,
    Server,
    ServerContext,
    Store,
)
from midspan.simulation.loop import VirtualLoop
from midspan.simulation.run import play, run_in_thread, run_in_virtual_time
from midspan.simulation.run_report import Ladder, Mark, Rung, RunReport, draw, show_run
from midspan.simulation.schedule import Join, Say, Schedule, Shape, exhaustive, generate, simple
from midspan.simulation.searching import Findings, crossings, search, search_all
from midspan.simulation.shrinking import Counterexample, counterexample, shrink

__all__ = [
    "NAIVE",
    "PREDICATES",
    "App",
    "BalancerCut",
    "BaselineClient",
    "BaselineServer",
    "Bounds",
    "BrokerCut",
    "BrokerRestart",
    "Client",
    "ClientContext",
    "ClientRestart",
    "Counterexample",
    "Cut",
    "Deadlock",
    "Delay",
    "Disk",
    "Entry",
    "Fault",
    "Findings",
    "HalfOpen",
    "History",
    "HistoryRecord",
    "Implementation",
    "Join",
    "Ladder",
    "Limits",
    "Mark",
    "NodeDrain",
    "NodeKill",
    "OutOfTime",
    "Predicate",
    "Recorder",
    "Refuse",
    "Revoke",
    "RunReport",
    "Rung",
    "Say",
    "Schedule",
    "Server",
    "ServerContext",
    "ServerRestart",
    "Shape",
    "Silence",
    "SimulationError",
    "Store",
    "Trigger",
    "Verdict",
    "VirtualLoop",
    "WallClock",
    "WallClockGuard",
    "counterexample",
    "crossings",
    "draft",
    "draw",
    "exhaustive",
    "generate",
    "judge",
    "negative_control",
    "play",
    "run_in_thread",
    "run_in_virtual_time",
    "say",
    "search",
    "search_all",
    "show_run",
    "shrink",
    "simple",
]

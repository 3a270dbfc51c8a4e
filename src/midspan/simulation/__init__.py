"""Faults that can be replayed, and judgement on what came of them.

An *implementation* (the server and the clients under test) runs a *schedule* (what clients say and what goes wrong) in
virtual time. The result is a *history*, and *predicates* judge it. A *search* runs many schedules and shrinks what it
finds to the smallest *counterexample*. Read `schedule` and `faults` first, then `run`, `history` and `guarantees`.
"""

from midspan.simulation.baseline import NAIVE, negative_control
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
from midspan.simulation.history import App, Bounds, History, Record, Recorder
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
    "Implementation",
    "Join",
    "Ladder",
    "Limits",
    "Mark",
    "NodeDrain",
    "NodeKill",
    "OutOfTime",
    "Predicate",
    "Record",
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
    "draw",
    "exhaustive",
    "generate",
    "judge",
    "negative_control",
    "play",
    "run_in_thread",
    "run_in_virtual_time",
    "search",
    "search_all",
    "show_run",
    "shrink",
    "simple",
]

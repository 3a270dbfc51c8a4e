"""Faults that can be replayed, and judgement on what came of them.

A *cast* (the server and the clients under test) plays a *schedule* (who says what, what goes wrong) in virtual time;
out comes a *history*; *predicates* judge it; a *search* plays many schedules and shrinks what it finds to the smallest
*counterexample*.
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
    Moment,
    NodeDrain,
    NodeKill,
    Refuse,
    Revoke,
    ServerRestart,
    Silence,
)
from midspan.simulation.forbidden_io import Deadlock, OutOfTime, SimulationError, WallClock, WallClockGuard
from midspan.simulation.guarantees import PREDICATES, Predicate, Verdict, judge
from midspan.simulation.history import App, Bounds, History, Record, Recorder
from midspan.simulation.implementation import Cast, Client, ClientSeat, Disk, Entry, Server, ServerSeat, Store
from midspan.simulation.loop import VirtualLoop
from midspan.simulation.run import beside, play, run
from midspan.simulation.run_report import Ladder, Mark, Played, Rung, draw, played
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
    "Cast",
    "Client",
    "ClientRestart",
    "ClientSeat",
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
    "Join",
    "Ladder",
    "Limits",
    "Mark",
    "Moment",
    "NodeDrain",
    "NodeKill",
    "OutOfTime",
    "Played",
    "Predicate",
    "Record",
    "Recorder",
    "Refuse",
    "Revoke",
    "Rung",
    "Say",
    "Schedule",
    "Server",
    "ServerRestart",
    "ServerSeat",
    "Shape",
    "Silence",
    "SimulationError",
    "Store",
    "Verdict",
    "VirtualLoop",
    "WallClock",
    "WallClockGuard",
    "beside",
    "counterexample",
    "crossings",
    "draw",
    "exhaustive",
    "generate",
    "judge",
    "negative_control",
    "play",
    "played",
    "run",
    "search",
    "search_all",
    "shrink",
    "simple",
]

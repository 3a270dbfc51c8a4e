"""Faults that can be replayed, and judgement on what came of them.

A *cast* (the server and the clients under test) plays a *schedule* (who says what, what goes wrong) in virtual time;
out comes a *history*; *predicates* judge it; a *search* plays many schedules and shrinks what it finds to the smallest
*counterexample*.
"""

from midspan.sim.beside import beside, run
from midspan.sim.cast import Cast, Client, ClientSeat, Server, ServerSeat
from midspan.sim.clock import VirtualLoop
from midspan.sim.control import NAIVE, negative_control
from midspan.sim.counterexample import Counterexample, counterexample
from midspan.sim.errors import Deadlock, OutOfTime, SimulationError, WallClock
from midspan.sim.faults import (
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
from midspan.sim.generate import Shape, exhaustive, generate
from midspan.sim.history import App, Bounds, History, Record, Recorder
from midspan.sim.ladder import Ladder, Mark, Rung, draw
from midspan.sim.limits import Limits
from midspan.sim.play import play
from midspan.sim.played import Played, played
from midspan.sim.predicates import PREDICATES, judge
from midspan.sim.schedule import Join, Say, Schedule, simple
from midspan.sim.search import Findings, crossings, search, search_all
from midspan.sim.shrink import shrink
from midspan.sim.store import Disk, Entry, Store
from midspan.sim.verdict import Predicate, Verdict
from midspan.sim.wallclock import WallClockGuard

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

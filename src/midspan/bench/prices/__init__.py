"""What it costs to acknowledge an event: servers on trial, each in a process of its own, compared in paired rounds.

    from midspan.bench.prices import contender, paired, AIOHTTP_SOCKETIO, Envelope
    run = await paired([contender("mine", app, Envelope), AIOHTTP_SOCKETIO])
    run.ratio("mine", "aiohttp + python-socketio", "cpu_us")        # 0.46x (0.44 to 0.49, 5 rounds): smaller

Each name is imported when it is first used: the processes that serve need few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midspan.bench.prices.contenders import AIOHTTP_ENVELOPE as AIOHTTP_ENVELOPE
    from midspan.bench.prices.contenders import AIOHTTP_SOCKETIO as AIOHTTP_SOCKETIO
    from midspan.bench.prices.contenders import PYTHON as PYTHON
    from midspan.bench.prices.contenders import TCP_ECHO as TCP_ECHO
    from midspan.bench.prices.contenders import UVICORN_SOCKETIO as UVICORN_SOCKETIO
    from midspan.bench.prices.contenders import WEBSOCKETS_CODEC as WEBSOCKETS_CODEC
    from midspan.bench.prices.contenders import WEBSOCKETS_ECHO as WEBSOCKETS_ECHO
    from midspan.bench.prices.contenders import WEBSOCKETS_ENVELOPE as WEBSOCKETS_ENVELOPE
    from midspan.bench.prices.contenders import WEBSOCKETS_SOCKETIO as WEBSOCKETS_SOCKETIO
    from midspan.bench.prices.contenders import extras as extras
    from midspan.bench.prices.contenders import node_contenders as node_contenders
    from midspan.bench.prices.dialects import Echo as Echo
    from midspan.bench.prices.dialects import Envelope as Envelope
    from midspan.bench.prices.dialects import SocketIo as SocketIo
    from midspan.bench.prices.dialects import TcpEcho as TcpEcho
    from midspan.bench.prices.growing import Growth as Growth
    from midspan.bench.prices.growing import growth as growth
    from midspan.bench.prices.outcome import Paired as Paired
    from midspan.bench.prices.probes import Events as Events
    from midspan.bench.prices.probes import FanOut as FanOut
    from midspan.bench.prices.probes import Idle as Idle
    from midspan.bench.prices.probes import InsideOf as InsideOf
    from midspan.bench.prices.probes import Steady as Steady
    from midspan.bench.prices.rounds import paired as paired
    from midspan.bench.prices.several import Several as Several
    from midspan.bench.prices.starting import Contender as Contender
    from midspan.bench.prices.starting import contender as contender
    from midspan.bench.prices.statistics import Interval as Interval
    from midspan.bench.prices.statistics import Ratio as Ratio
    from midspan.bench.prices.statistics import Reached as Reached
    from midspan.bench.prices.statistics import Verdict as Verdict
    from midspan.bench.prices.statistics import interval as interval
    from midspan.bench.prices.statistics import ratio as ratio

HOMES = {
    "Growth": "growing",
    "growth": "growing",
    "Contender": "starting",
    "contender": "starting",
    "AIOHTTP_ENVELOPE": "contenders",
    "AIOHTTP_SOCKETIO": "contenders",
    "PYTHON": "contenders",
    "TCP_ECHO": "contenders",
    "UVICORN_SOCKETIO": "contenders",
    "WEBSOCKETS_CODEC": "contenders",
    "WEBSOCKETS_ECHO": "contenders",
    "WEBSOCKETS_ENVELOPE": "contenders",
    "WEBSOCKETS_SOCKETIO": "contenders",
    "extras": "contenders",
    "node_contenders": "contenders",
    "Echo": "dialects",
    "Envelope": "dialects",
    "SocketIo": "dialects",
    "TcpEcho": "dialects",
    "Paired": "outcome",
    "Events": "probes",
    "FanOut": "probes",
    "Idle": "probes",
    "InsideOf": "probes",
    "Several": "several",
    "Steady": "probes",
    "Interval": "statistics",
    "Ratio": "statistics",
    "Reached": "statistics",
    "Verdict": "statistics",
    "interval": "statistics",
    "ratio": "statistics",
    "paired": "rounds",
}

__all__ = sorted(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"{__name__} has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = value
    return value

"""Measures the cost of an acknowledged event: compares servers, each in a process of its own, in paired rounds.

    from midspan.benchmark import contender, paired, AIOHTTP_SOCKETIO, Envelope
    run = await paired([contender("mine", app, Envelope), AIOHTTP_SOCKETIO])
    run.ratio("mine", "aiohttp + python-socketio", "cpu_us")        # 0.46x (0.44 to 0.49, 5 rounds): smaller

In this order: `contenders` (what is measured, and how it starts) with `servers` and `serving` (the process of a
server); `clients` and `load_process` (the process that sends events); `rounds` (probes and paired rounds);
`statistics` (ratios and intervals); `reporting` (the rows of `make bench`).

Each name is imported when it is first used, since the processes of the servers need few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan.errors import imported_when_used

if TYPE_CHECKING:
    from midspan.benchmark.clients import Echo as Echo
    from midspan.benchmark.clients import Envelope as Envelope
    from midspan.benchmark.clients import SocketIo as SocketIo
    from midspan.benchmark.clients import TcpEcho as TcpEcho
    from midspan.benchmark.contenders import AIOHTTP_ENVELOPE as AIOHTTP_ENVELOPE
    from midspan.benchmark.contenders import AIOHTTP_SOCKETIO as AIOHTTP_SOCKETIO
    from midspan.benchmark.contenders import PYTHON as PYTHON
    from midspan.benchmark.contenders import TCP_ECHO as TCP_ECHO
    from midspan.benchmark.contenders import UVICORN_SOCKETIO as UVICORN_SOCKETIO
    from midspan.benchmark.contenders import WEBSOCKETS_CODEC as WEBSOCKETS_CODEC
    from midspan.benchmark.contenders import WEBSOCKETS_ECHO as WEBSOCKETS_ECHO
    from midspan.benchmark.contenders import WEBSOCKETS_ENVELOPE as WEBSOCKETS_ENVELOPE
    from midspan.benchmark.contenders import WEBSOCKETS_SOCKETIO as WEBSOCKETS_SOCKETIO
    from midspan.benchmark.contenders import Contender as Contender
    from midspan.benchmark.contenders import contender as contender
    from midspan.benchmark.contenders import node_contenders as node_contenders
    from midspan.benchmark.reporting import Growth as Growth
    from midspan.benchmark.reporting import growth as growth
    from midspan.benchmark.rounds import Events as Events
    from midspan.benchmark.rounds import FanOut as FanOut
    from midspan.benchmark.rounds import Idle as Idle
    from midspan.benchmark.rounds import ServerWork as ServerWork
    from midspan.benchmark.rounds import Several as Several
    from midspan.benchmark.rounds import Steady as Steady
    from midspan.benchmark.rounds import paired as paired
    from midspan.benchmark.statistics import Comparison as Comparison
    from midspan.benchmark.statistics import Interval as Interval
    from midspan.benchmark.statistics import Paired as Paired
    from midspan.benchmark.statistics import Ratio as Ratio
    from midspan.benchmark.statistics import Reached as Reached
    from midspan.benchmark.statistics import interval as interval
    from midspan.benchmark.statistics import ratio as ratio

HOMES = {
    "Growth": "reporting",
    "growth": "reporting",
    "Contender": "contenders",
    "contender": "contenders",
    "AIOHTTP_ENVELOPE": "contenders",
    "AIOHTTP_SOCKETIO": "contenders",
    "PYTHON": "contenders",
    "TCP_ECHO": "contenders",
    "UVICORN_SOCKETIO": "contenders",
    "WEBSOCKETS_CODEC": "contenders",
    "WEBSOCKETS_ECHO": "contenders",
    "WEBSOCKETS_ENVELOPE": "contenders",
    "WEBSOCKETS_SOCKETIO": "contenders",
    "node_contenders": "contenders",
    "Echo": "clients",
    "Envelope": "clients",
    "SocketIo": "clients",
    "TcpEcho": "clients",
    "Paired": "statistics",
    "Events": "rounds",
    "FanOut": "rounds",
    "Idle": "rounds",
    "ServerWork": "rounds",
    "Several": "rounds",
    "Steady": "rounds",
    "Interval": "statistics",
    "Ratio": "statistics",
    "Reached": "statistics",
    "Comparison": "statistics",
    "interval": "statistics",
    "ratio": "statistics",
    "paired": "rounds",
}

__all__ = sorted(HOMES)
__getattr__ = imported_when_used(__name__, HOMES)

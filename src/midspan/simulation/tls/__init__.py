"""A run on real sockets: the same implementations and schedules as in `midspan.simulation`, over TLS.

Read in this order: `run` (one run, and a search), `loop` (real sockets, and a clock that jumps), `link` (a relay for
each client, in which the faults happen: `RelayEndpoint` counts messages, `RealLink.cut` resets connections).
"""

from midspan.simulation.tls.run import play_real, search_real

__all__ = ["play_real", "search_real"]

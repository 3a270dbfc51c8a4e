"""The same run on real sockets: an implementation and a schedule of `midspan.simulation`, over TLS, unchanged.

In this order: `run` (one run, and a search), `loop` (real sockets, and a clock that does not wait), `link` (a relay for
each client, in which the faults happen: `RelayEndpoint` counts messages, `RealLink.cut` ends a TCP connection).
"""

from midspan.simulation.tls.run import play_real, search_real

__all__ = ["play_real", "search_real"]

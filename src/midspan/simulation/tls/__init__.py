"""The stage with real sockets: what plays on the simulated link plays here over TLS, unchanged."""

from midspan.simulation.tls.run import draw_real, play_real, search_real

__all__ = ["draw_real", "play_real", "search_real"]

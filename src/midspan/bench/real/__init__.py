"""The stage with real sockets: what plays on the simulated link plays here over TLS, unchanged."""

from midspan.bench.real.play import play_real
from midspan.bench.real.search import draw_real, search_real

__all__ = ["draw_real", "play_real", "search_real"]

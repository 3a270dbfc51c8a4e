"""Runs on real sockets: the same implementations and schedules as on the simulated link, over TLS."""

from midspan.simulation.tls.run import play_real, search_real

__all__ = ["play_real", "search_real"]

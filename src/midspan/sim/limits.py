"""The options of a simulated connection."""

from __future__ import annotations

from dataclasses import dataclass

from midspan.arguments import Fitting


@dataclass(frozen=True, slots=True)
class Limits(Fitting):
    """The options of `websockets.connect` and `websockets.serve` that matter here, with their defaults.

    `ping_interval` is the exception: the library pings every 20 s unless told not to, and the simulated link does not,
    since a heartbeat is what lab 3 builds. Pass `ping_interval=None` on the real link for the same behaviour.
    """

    ping_interval: float | None = None  # s
    ping_timeout: float | None = 20.0  # s
    open_timeout: float | None = 10.0  # s
    close_timeout: float | None = 10.0  # s
    max_size: int | None = 2**20  # bytes of one message
    max_queue: int = 16  # messages that wait for recv() before reading pauses; it resumes at a quarter
    write_limit: int = 2**15  # bytes on their way before send() waits; it goes on at a quarter

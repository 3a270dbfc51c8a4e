"""Refuse: nobody is let in, those who are in may stay."""

from __future__ import annotations

from dataclasses import dataclass

from midspan.wires.faults.fault import Fault


@dataclass(eq=False)
class Refuse(Fault):
    """New connections are reset before their first byte; open ones go on.

    As real as a balancer with nothing behind it: TCP is accepted (the kernel does it before we are asked), then RST
    comes in place of TLS. A port on which nobody listens answers the SYN itself with RST; to an application both are
    an `OSError` from connecting.
    """

    def admit(self) -> None:
        raise ConnectionRefusedError("the link refuses new connections")

    def __str__(self) -> str:
        return "refuse"

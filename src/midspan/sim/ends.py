"""What a link knows of an end, and an end of its link: on the simulated link, and on a relay in front of a real one."""

from __future__ import annotations

from typing import Literal, Protocol

from websockets.protocol import State

from midspan.sim.moment import Way
from midspan.sim.pipe import Opcode, Pipe, Receiver, SimFrame
from midspan.sim.runloop import RunLoop


class LinkEnd(Receiver, Protocol):
    """What a link knows of an end: that of a simulated connection, or a relay's face to a real one."""

    @property
    def link(self) -> EndLink: ...

    @property
    def into(self) -> Pipe:
        """The pipe that it writes to."""

    @property
    def side(self) -> Literal["client", "server"]: ...

    @property
    def way(self) -> Way:
        """Where what it sends goes."""

    @property
    def peer(self) -> LinkEnd: ...

    @property
    def state(self) -> State: ...

    def lose(self, cause: BaseException | None, /) -> None:
        """The TCP connection is gone: reset by `cause`, or ended."""


class EndLink(Protocol):
    """What an end, and a fault that meets it, know of its link."""

    @property
    def name(self) -> str:
        """That of the client."""

    @property
    def loop(self) -> RunLoop: ...

    @property
    def ends(self) -> list[LinkEnd]:
        """Both ends of each connection, while they are not closed."""

    def transmit(self, end: LinkEnd, opcode: Opcode, data: bytes, raw: bytes = b"") -> None:
        """Put one message of this end on its way."""

    def arrived(self, end: LinkEnd, frame: SimFrame) -> None:
        """A message has reached this end."""

    def left(self, end: LinkEnd, code: str) -> None:
        """This end has let go of its connection, or learned that it is gone."""

    def cut(self, end: LinkEnd) -> None:
        """Reset the connection of this end."""

    def forget(self, ends: list[LinkEnd], until_s: float) -> None:
        """These ends carry nothing until then, and nobody tells them."""

    def go_silent(self, until_s: float) -> None:
        """Nothing passes until then, new connections included."""

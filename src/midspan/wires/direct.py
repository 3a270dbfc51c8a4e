"""A server's connection that may handle a message in the call that reads it.

`websockets` puts a message into a queue and wakes the task that waits in `recv`; the task runs when the loop comes
round. Mostly nothing else was waiting, and the way there costs as much as the message. So a connection of this class
offers a message to `at_once` first:

    async with serve(handler, HOST, 0, create_connection=Direct): ...      # in the handler: connection.at_once = ...

Nothing may overtake. A message is offered only while somebody waits in `recv`, and nothing is there before it; what
`at_once` leaves, and all behind it, is for `recv`, until `recv` waits again. The simulated link does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Opcode

BINARY, PING, PONG = Opcode.BINARY, Opcode.PING, Opcode.PONG  # looked up for each frame, an Enum's attribute is slow


class Direct(ServerConnection):
    """As `websockets.asyncio.server.ServerConnection`, with one thing more.

    Attributes:
        at_once: called with a binary message that came in one frame; whether it has handled it. It may not wait, and
            what it raises is raised where the task waits in `recv`. None: every message is for `recv`.
    """

    __slots__ = ("_error", "_is_next", "at_once")  # the dictionary of each connection stays as the library has it

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.at_once: Callable[[bytes], bool] | None = None
        self._is_next = False  # whether the next message would be the one for which somebody waits in `recv`
        self._error: Exception | None = None

    async def recv(self, decode: bool | None = None) -> Any:
        """The next message that was not handled at once."""
        self._is_next = True
        try:
            message = await super().recv(decode)
        finally:
            self._is_next = False
        if self._error is not None:
            raise self._error
        return message

    def process_event(self, event: Any) -> None:
        """What the library calls for each frame."""
        if self._is_next:  # somebody waits in `recv`: so the connection is open, and this is a frame
            kind = event.opcode
            if kind is BINARY and event.fin and self.at_once is not None:
                try:
                    if self.at_once(bytes(event.data)):
                        return
                except Exception as error:  # the task is told: nobody else waits for it
                    self._error = error
            if kind is not PING and kind is not PONG:  # these say nothing of order
                self._is_next = False
        super().process_event(event)

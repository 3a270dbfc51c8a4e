"""The walls of virtual time: what a loop without sockets and threads answers when it is asked for them."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from midspan.sim.errors import WallClock, outside


class WalledLoop(asyncio.BaseEventLoop):
    """A loop with nothing outside. `refused` is the first thing that it was asked for, or None."""

    refused: WallClock | None = None  # kept: the code under test may swallow what we raise

    def _process_events(self, event_list: list[Any]) -> None:
        """No selector, no events."""

    def _write_to_self(self) -> None:
        """No selector to wake."""

    def run_in_executor(self, *_args: Any, **_kwargs: Any) -> NoReturn:  # type: ignore[override]
        self._refuse("loop.run_in_executor or asyncio.to_thread", "do the work in the coroutine itself")

    async def create_connection(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        self._refuse("a real connection", "use the `connect` that was passed as an argument")

    async def create_server(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        self._refuse("a real server", "write the handler only: the link calls it for each connection")

    async def getaddrinfo(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        self._refuse("a name lookup", "use the `connect` that was passed as an argument")

    def _refuse(self, what: str, do: str) -> NoReturn:
        self.refused = self.refused or outside(what, do)
        raise self.refused

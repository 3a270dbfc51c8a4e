"""A node: one process of several that serve the same application. `python -m midspan.wires.node`

What it serves is told by its parent, as the source of a function, so that a notebook's cell can say it:

    def app(node):
        async def handler(connection):
            ...
        return node.raw(handler)            # or node.socketio(register)

The function may import, start work (`node.run`) and answer the parent's questions (`node.asked`). It sees nothing of
the notebook around it. A node speaks plain WebSocket and HTTP on a free loopback port: TLS ends at the balancer, as it
mostly does. It ends when its parent does; see `child`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import psutil
from websockets.asyncio.server import ServerConnection

from midspan.refusal import need
from midspan.wires.child import obey
from midspan.wires.servers import RawHandler, Register, Served, raw_server, socketio_server


async def listens(connection: ServerConnection) -> None:
    """A handler that takes whatever comes, until the client goes."""
    async for _ in connection:
        pass


class Node:
    """What an application is given.

    Attributes:
        name: the node's name, "a".
        broker: the broker's address, for `redis.asyncio.Redis.from_url` and `socketio.AsyncRedisManager`.
        prefix: what all names of channels and keys begin with in this run.
        asked: what the parent may ask for by name: functions, plain or async, whose result JSON can hold.
        here: the raw connections that are open on this node.
    """

    def __init__(self, name: str, broker: str, prefix: str) -> None:
        self.name, self.broker, self.prefix = name, broker, prefix
        self.asked: dict[str, Callable[..., Any]] = {}
        self.here: set[ServerConnection] = set()
        self.work: set[asyncio.Task[Any]] = set()

    def raw(
        self, handler: RawHandler = listens, *, send_buffer_bytes: int | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Served]:
        """Serve `handler` with `websockets`; return this from the application.

        Args:
            handler: `async def handler(connection)`; by default one that takes whatever comes.
            send_buffer_bytes: how much the system may hold back for each connection (SO_SNDBUF); None: its own choice.
            options: passed on to `websockets.serve`.
        """

        async def kept(connection: ServerConnection) -> None:
            if send_buffer_bytes is not None:
                sock = connection.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
            self.here.add(connection)
            try:
                await handler(connection)
            finally:
                self.here.discard(connection)

        return raw_server(kept, None, **options)

    def socketio(self, register: Register, **options: Any) -> AbstractAsyncContextManager[Served]:
        """Serve with python-socketio what `register(sio)` adds; return this from the application."""
        return socketio_server(register, None, **options)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` in the background, until the node stops serving."""
        task = asyncio.create_task(work)
        self.work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.work.discard(task)
        if not task.cancelled() and (error := task.exception()):
            print(f"background work ended: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


class Program:
    """What the parent may ask of the process."""

    def __init__(self) -> None:
        self._node: Node | None = None
        self._serving = AsyncExitStack()

    async def serve(self, source: str, function: str, node: dict[str, str], options: dict[str, Any]) -> int:
        """Stop what is served, serve this instead, and give its port."""
        await self.stop()
        names: dict[str, Any] = {}
        exec(compile(source, f"<{function}>", "exec"), names)
        self._node = Node(**node)
        served = names[function](self._node, **options)
        right = hasattr(served, "__aenter__")
        need(right, "node.raw(...) or node.socketio(...)", served, f"Return one of them from {function}(node)")
        return int((await self._serving.enter_async_context(served)).port)

    async def stop(self) -> None:
        """End the application: background work first."""
        if self._node is None:
            return
        work, self._node = list(self._node.work), None
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._serving.aclose()

    async def stats(self) -> dict[str, float]:
        """Resident memory in bytes, and the processor time used so far in seconds."""
        return {"rss_bytes": psutil.Process().memory_info().rss, "cpu_s": time.process_time()}

    async def ask(self, name: str, arguments: dict[str, Any]) -> Any:
        """What the application answers to `name`."""
        asked = self._node.asked if self._node else {}
        need(name in asked, f"one of {', '.join(asked) or 'nothing'}", name, "Add it to node.asked in the application")
        answer = asked[name](**arguments)
        return await answer if asyncio.iscoroutine(answer) else answer


async def main() -> None:
    """Serve until the parent has gone."""
    program = Program()
    await obey(program, "an application that runs", "Mend it, and serve again")
    await program.stop()


if __name__ == "__main__":
    asyncio.run(main())

"""The process of a contender: `python -m midspan.benchmark.serving`."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import socket
import subprocess
import sys
from asyncio import sslproto
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from midspan.benchmark.contenders import Made, load_code
from midspan.errors import Refusal, need
from midspan.net.child_process import run_commands
from midspan.net.servers import HOST, Authority

# Numbers that only the server's own process can count: tasks, calls, allocations.


class ServerCounters:
    """Counters that are switched on, read, and switched off, since a server is slow while they are on.

    tasks: how many asyncio tasks were made.
    calls: how many functions were called, of Python and of C: a measure of the work that does not depend on the
       machine.
    blocks: how many blocks of memory were allocated, summed between two calls. A block that is allocated and freed
       within one call of C is not seen, so this is a lower bound.
    """

    def __init__(self) -> None:
        self._tasks = self._calls = self._blocks = self._before = 0

    async def watch_tasks(self) -> None:
        """Count tasks from now on."""
        self._tasks = 0
        asyncio.get_running_loop().set_task_factory(self._task)

    async def tasks(self) -> int:
        """Stop counting; return how many tasks were made."""
        asyncio.get_running_loop().set_task_factory(None)
        return self._tasks

    async def watch_calls(self) -> None:
        """Count calls and blocks from now on."""
        self._calls = self._blocks = 0
        self._before = sys.getallocatedblocks()
        sys.setprofile(self._call)

    async def calls(self) -> tuple[int, int]:
        """Stop counting; return how many calls there were, and how many blocks were allocated."""
        sys.setprofile(None)
        return self._calls, self._blocks

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
        self._tasks += 1
        return asyncio.Task(work, loop=loop, **options)

    def _call(self, _frame: Any, event: str, _argument: Any) -> None:
        self._calls += event in ("call", "c_call")
        now = sys.getallocatedblocks()
        if now > self._before:
            self._blocks += now - self._before
        self._before = sys.getallocatedblocks()


# A Python server is a function, loaded by its name or from its source (see `contenders.Code`):
#
#     async def app(tls):                # an ssl.SSLContext, or None
#         async with serve(handler, "127.0.0.1", 0, ssl=tls) as server:
#             yield server.sockets[0].getsockname()[1]        # its port
#
# Any other server is a command line. This process starts it and ends it, so that it ends with the parent too. A free
# port replaces `{port}` in it. Its stdin begins with one line of JSON: port, key and certificate (PEM, "" without
# TLS). Its stdin stays open as long as the server must run.


SMALL_READ_BYTES = 16384  # the size of one TLS record (RFC 8446, section 5.1); asyncio takes 256 KiB
LISTENS_S, TRY_S = 20.0, 0.05
HOW = "Write `async def app(tls): ... yield port`"


class Serving:
    """The requests that the parent can make."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._authority = Authority()
        self._inside = ServerCounters()

    async def serve(self, code: Made, tls: bool, small_reads: bool = False) -> dict[str, Any]:
        """Serve a function; return its port, its process, and the certificate to trust."""
        if small_reads:
            sslproto.SSLProtocol.max_size = SMALL_READ_BYTES
        app = _server_context(load_code(code), self._authority.server if tls else None, code["options"])
        port = await self._stack.enter_async_context(app)
        need(isinstance(port, int), "a port", port, HOW)
        return self._served(port, os.getpid(), tls)

    async def start(self, command: list[str], tls: bool) -> dict[str, Any]:
        """Run a command that serves; return the same."""
        with socket.socket() as sock:
            sock.bind((HOST, 0))
            port = int(sock.getsockname()[1])
        words = [word.replace("{port}", str(port)) for word in command]
        process = await self._stack.enter_async_context(_running(words, self._facts(port, tls)))
        await _listens(port, process)
        return self._served(port, process.pid, tls)

    async def counted(self, what: str) -> Any:
        """Count something inside the server; see `ServerCounters`."""
        return await getattr(self._inside, what)()

    async def stop(self) -> None:
        """End the server."""
        await self._stack.aclose()

    def _served(self, port: int, pid: int, tls: bool) -> dict[str, Any]:
        return {"port": port, "pid": pid, "trust_pem": self._authority.pem.decode() if tls else ""}

    def _facts(self, port: int, tls: bool) -> dict[str, Any]:
        key, certificate = self._authority.identity_pem if tls else ("", "")
        return {"port": port, "key": key, "cert": certificate}


def _server_context(function: Any, tls: Any, options: dict[str, Any]) -> Any:
    """Return the server as an async context manager; a generator function is wrapped."""
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)(tls, **options)
    expected, name = "an async generator that yields its port", getattr(function, "__name__", "")
    need(not inspect.iscoroutinefunction(function), expected, name, HOW)
    app = function(tls, **options)
    need(hasattr(app, "__aenter__"), expected, name, HOW)
    return app


@asynccontextmanager
async def _running(command: list[str], facts: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise Refusal("a command that can be run", command, f"The system says: {error.strerror}") from None
    assert process.stdin is not None
    process.stdin.write(json.dumps(facts).encode() + b"\n")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until the command accepts connections."""
    async with asyncio.timeout(LISTENS_S):
        while True:
            if process.returncode is not None:
                do = "Run it by hand, and see what it says"
                raise Refusal("a command that serves at {port}", f"one that ended with {process.returncode}", do)
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(TRY_S)
                continue
            writer.close()
            return


async def main() -> None:
    """Answer the parent's requests until the parent ends."""
    program = Serving()
    await run_commands(program, "a server that runs", "Mend it, and measure again")
    await program.stop()


if __name__ == "__main__":
    asyncio.run(main())

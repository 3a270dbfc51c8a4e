"""A program in a process of its own, and a node: one process of several that serve the same application."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import psutil
from websockets.asyncio.server import ServerConnection

from midspan.errors import Refusal, need
from midspan.net.servers import RawHandler, Register, Served, raw_server, socketio_server

# A process of ours that ends when we end, however we end.
#
# The child reads its standard input, and the writing end of that pipe is ours alone. When we close it the child goes;
# when we die, by SIGKILL too, the system closes it for us. That needs no signal and no parent-death call, so it is
# the same on every system. The child stands in a process group of its own: Jupyter's Stop and Ctrl-C go to the
# kernel's whole group, and they mean the cell, not the broker.
#
# What is said passes as lines of JSON: the child's first line says that it is ready, then each request gets one
# answer. What the child writes on its standard error is kept in `log`.


READY_S = 60.0  # imports included, on a machine where ten learners begin at once
ANSWER_S = 90.0  # a bound: the child may have a learner's whole notebook to run, beside nine others
END_S = 5.0  # a child that has not gone by then is killed
LINE_BYTES = 16 * 2**20  # the longest answer
FILES = 8192  # that a child may have open
KEPT_LINES = 200  # of the child's standard error
COLOUR = {"FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PYTHON_COLORS"}  # ipykernel sets the first three


class ChildGone(ConnectionError):
    """The child has ended, or has been killed, and cannot answer."""


class Child:
    """A running child process. Opened by `child()`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._reading = asyncio.create_task(self._read_log())
        self.log: deque[str] = deque(maxlen=KEPT_LINES)
        self.ready: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet, as far as this loop has heard."""
        return self._process.returncode is None

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Have the child do something, and return its answer. May be called from any loop.

        Raises:
            Refusal: the child says that it cannot; its words.
            ChildGone: the child ended before it answered.
        """
        asking = self._ask(do, arguments)
        if asyncio.get_running_loop() is self._loop:
            return await asking
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asking, self._loop))

    async def _ask(self, do: str, arguments: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        async with self._turn:
            with suppress(ConnectionError):  # reading says what became of it
                self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
                await self._process.stdin.drain()
            return (await self.said(ANSWER_S)).get("answer")

    async def said(self, within_s: float) -> dict[str, Any]:
        """The next line of the child."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            line = await self._process.stdout.readline()
        if not line:
            raise ChildGone(f"process {self.pid} has ended. {' '.join(list(self.log)[-3:])}".strip())
        words: dict[str, Any] = json.loads(line)
        if "refused" in words:
            raise Refusal(*words["refused"])
        return words

    def kill(self) -> None:
        """SIGKILL: it ends as in a crash, without a word to anybody."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Ask it to go by closing its input; after `END_S` kill it. Safe to call twice."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self._reading

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log.append(line.decode(errors="replace").rstrip())


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """Run `python -m module arguments`, and end it with the block.

    Raises:
        Refusal: the child says that it cannot start; its words.
        ChildGone: it ended before it was ready.
    """
    running = Child(await _start([sys.executable, "-m", module, *arguments]))
    try:
        running.ready = await running.said(READY_S)
        yield running
    finally:
        await running.end()


async def _start(command: list[str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES, env=plain_environment(), **_own_group()
    )


def plain_environment() -> dict[str, str]:
    """The environment of a child whose output is read by a program: no colours, also where a notebook asks for them.

    From 3.13 on Python's tracebacks have colours where FORCE_COLOR is set, and a kernel sets it. Node's always had.
    """
    return {name: value for name, value in os.environ.items() if name not in COLOUR} | {"NO_COLOR": "1"}


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


# What the child itself says


def tell_parent(**words: Any) -> None:
    """In a child: one line to the parent. It may have died meanwhile; then its end of input is next."""
    with suppress(OSError):
        print(json.dumps(words), flush=True)


def refuse(refusal: Refusal) -> None:
    """In a child: tell the parent that it cannot be done, in a refusal's three parts."""
    tell_parent(refused=[refusal.expected, refusal.came, refusal.do])


async def obey(program: object, expected: str, do: str) -> None:
    """In a child: be ready, then do what the parent asks, each a method of `program`, until the input ends.

    What a method raises goes to the parent as a refusal: `expected`, the error, and `do`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Stop means a cell
    _allow_files()
    loop = asyncio.get_running_loop()
    tell_parent(ready=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):  # a pipe that a loop can watch is not portable
        words = json.loads(line)
        try:
            tell_parent(answer=await getattr(program, words.pop("do"))(**words))
        except Refusal as refusal:
            refuse(refusal)
        except Exception as error:  # told in the notebook, to whoever asked
            refuse(Refusal(expected, f"{type(error).__name__}: {error}", do))


def _allow_files() -> None:
    """A thousand connections are a thousand files: take more than a shell's usual 1,024, where the system lets us."""
    if sys.platform == "win32":
        return
    import resource  # Unix only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


# A node: one process of several that serve the same application. `python -m midspan.net.child_process`
#
# What it serves is told by its parent, as the source of a function, so that a notebook's cell can say it:
#
#     def app(node):
#         async def handler(connection):
#             ...
#         return node.raw(handler)            # or node.socketio(register)
#
# The function may import, start work (`node.run`) and answer the parent's questions (`node.asked`). It sees nothing
# of the notebook around it. A node speaks plain WebSocket and HTTP on a free loopback port: TLS ends at the balancer,
# as it mostly does. It ends when its parent does; see `child`.


async def listens(connection: ServerConnection) -> None:
    """A handler that takes whatever comes, until the client goes."""
    async for _ in connection:
        pass


class ServedNode:
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
        self._node: ServedNode | None = None
        self._serving = AsyncExitStack()

    async def serve(self, source: str, function: str, node: dict[str, str], options: dict[str, Any]) -> int:
        """Stop what is served, serve this instead, and give its port."""
        await self.stop()
        names: dict[str, Any] = {}
        exec(compile(source, f"<{function}>", "exec"), names)
        self._node = ServedNode(**node)
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

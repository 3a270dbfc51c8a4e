"""A child process that answers commands, and a node: one of several processes that serve the same application."""

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

# A child process that always ends when its parent ends.
#
# The child reads its standard input. Only the parent has the writing end of that pipe. When the parent closes it, the
# child ends; when the parent is killed, the system closes it. This works on every system, without signals. The child
# has a process group of its own, because Jupyter's Stop and Ctrl-C go to the kernel's whole group, and they must not
# end the broker.
#
# Both write lines of JSON. The first line of the child tells that it is ready; then each command gets one answer. `log`
# keeps the standard error of the child.


READY_S = 60.0  # with imports, on a machine where ten learners start at once
ANSWER_S = 90.0  # the child may have to run a whole notebook, at the same time as nine others
END_S = 5.0  # then the child is killed
LINE_BYTES = 16 * 2**20  # the longest answer
FILES = 8192  # the most open files of a child
KEPT_LINES = 200  # of the child's standard error
COLOUR = {"FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PYTHON_COLORS"}  # ipykernel sets the first three


class ChildGone(ConnectionError):
    """The child has ended or was killed, so it cannot answer."""


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
        """Whether it still runs, as far as this loop knows."""
        return self._process.returncode is None

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Send a command to the child, and return its answer. Works from any loop.

        Raises:
            Refusal: the child refuses; the text is its own.
            ChildGone: the child ended before it answered.
        """
        asking = self._ask(do, arguments)
        if asyncio.get_running_loop() is self._loop:
            return await asking
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asking, self._loop))

    async def _ask(self, do: str, arguments: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        async with self._turn:
            with suppress(ConnectionError):  # the read below raises ChildGone
                self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
                await self._process.stdin.drain()
            return (await self.read_line(ANSWER_S)).get("answer")

    async def read_line(self, within_s: float) -> dict[str, Any]:
        """Read the next line of the child."""
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
        """Kill it with SIGKILL, as in a crash."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Close its input, so that it ends. Kill it after `END_S`. It may be called twice."""
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
    """Run `python -m module arguments` as a child, which ends with the block.

    Raises:
        Refusal: the child cannot start; the text is its own.
        ChildGone: it ended before it was ready.
    """
    running = Child(await _start([sys.executable, "-m", module, *arguments]))
    try:
        running.ready = await running.read_line(READY_S)
        yield running
    finally:
        await running.end()


async def _start(command: list[str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES, env=plain_environment(), **_own_group()
    )


def plain_environment() -> dict[str, str]:
    """The environment for a child whose output a program reads: without colours.

    If FORCE_COLOR is set, as in a kernel, tracebacks of Python have colours since 3.13, and those of Node too.
    """
    return {name: value for name, value in os.environ.items() if name not in COLOUR} | {"NO_COLOR": "1"}


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


# Functions for the child itself


def send_to_parent(**words: Any) -> None:
    """In a child: write one line to the parent. If the parent has ended, the input of the child ends next."""
    with suppress(OSError):
        print(json.dumps(words), flush=True)


def refuse(refusal: Refusal) -> None:
    """In a child: send the three parts of a refusal to the parent."""
    send_to_parent(refused=[refusal.expected, refusal.came, refusal.do])


async def run_commands(program: object, expected: str, do: str) -> None:
    """In a child: run the commands of the parent until the input ends. A command is a method of `program`.

    An exception of a method goes to the parent as a refusal, with `expected`, the error, and `do`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Stop must end the cell only
    _allow_files()
    loop = asyncio.get_running_loop()
    send_to_parent(ready=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):  # a loop cannot watch this pipe on every system
        words = json.loads(line)
        try:
            send_to_parent(answer=await getattr(program, words.pop("do"))(**words))
        except Refusal as refusal:
            refuse(refusal)
        except Exception as error:  # the notebook shows it to the caller
            refuse(Refusal(expected, f"{type(error).__name__}: {error}", do))


def _allow_files() -> None:
    """Raise the limit of open files, if the system allows: a connection is a file, and often 1,024 are the limit."""
    if sys.platform == "win32":
        return
    import resource  # Unix only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


# A node: one of several processes that serve the same application. `python -m midspan.net.child_process`
#
# The parent sends the application as the source of a function, so that it can be written in a notebook's cell:
#
#     def app(node):
#         async def handler(connection):
#             ...
#         return node.raw(handler)            # or node.socketio(register)
#
# The function may import modules, start background work (`node.run`) and define commands for the parent
# (`node.commands`). It cannot use names of the notebook. A node serves plain WebSocket and HTTP on a free loopback
# port, because the balancer ends TLS. As every child here, it ends when its parent ends.


async def listens(connection: ServerConnection) -> None:
    """A handler that receives and ignores all messages, until the connection ends."""
    async for _ in connection:
        pass


class ServedNode:
    """The node, as its application gets it.

    Attributes:
        name: the node's name, such as "a".
        broker: the broker's address, for `redis.asyncio.Redis.from_url` and `socketio.AsyncRedisManager`.
        prefix: the names of all channels and keys of this run begin with it.
        commands: by name, functions for the parent to call, plain or async. JSON must be able to hold their results.
        connections: the open raw connections of this node.
        work: the tasks of `run`.
    """

    def __init__(self, name: str, broker: str, prefix: str) -> None:
        self.name, self.broker, self.prefix = name, broker, prefix
        self.commands: dict[str, Callable[..., Any]] = {}
        self.connections: set[ServerConnection] = set()
        self.work: set[asyncio.Task[Any]] = set()

    def raw(
        self, handler: RawHandler = listens, *, send_buffer_bytes: int | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Served]:
        """Serve `handler` with `websockets`; return this from the application.

        Args:
            handler: `async def handler(connection)`; by default one that ignores all messages.
            send_buffer_bytes: the send buffer of the system for each connection (SO_SNDBUF); None: the default.
            options: passed on to `websockets.serve`.
        """

        async def kept(connection: ServerConnection) -> None:
            if send_buffer_bytes is not None:
                sock = connection.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
            self.connections.add(connection)
            try:
                await handler(connection)
            finally:
                self.connections.discard(connection)

        return raw_server(kept, None, **options)

    def socketio(self, register: Register, **options: Any) -> AbstractAsyncContextManager[Served]:
        """Serve the handlers that `register(sio)` adds with python-socketio; return this from the application."""
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
    """The commands of a node's process."""

    def __init__(self) -> None:
        self._node: ServedNode | None = None
        self._serving = AsyncExitStack()

    async def serve(self, source: str, function: str, node: dict[str, str], options: dict[str, Any]) -> int:
        """Stop the current application, and serve this one. Returns its port."""
        await self.stop()
        names: dict[str, Any] = {}
        exec(compile(source, f"<{function}>", "exec"), names)
        self._node = ServedNode(**node)
        served = names[function](self._node, **options)
        right = hasattr(served, "__aenter__")
        need(right, "node.raw(...) or node.socketio(...)", served, f"Return one of them from {function}(node)")
        return int((await self._serving.enter_async_context(served)).port)

    async def stop(self) -> None:
        """Stop the application, its background work first."""
        if self._node is None:
            return
        work, self._node = list(self._node.work), None
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._serving.aclose()

    async def stats(self) -> dict[str, float]:
        """Resident memory in bytes, and CPU time so far in seconds."""
        return {"rss_bytes": psutil.Process().memory_info().rss, "cpu_s": time.process_time()}

    async def ask(self, name: str, arguments: dict[str, Any]) -> Any:
        """Call the application's function `name`, and return its result."""
        asked = self._node.commands if self._node else {}
        need(
            name in asked, f"one of {', '.join(asked) or 'nothing'}", name, "Add it to node.commands in the application"
        )
        answer = asked[name](**arguments)
        return await answer if asyncio.iscoroutine(answer) else answer


async def main() -> None:
    """Run until the parent has ended."""
    program = Program()
    await run_commands(program, "an application that runs", "Mend it, and serve again")
    await program.stop()


if __name__ == "__main__":
    asyncio.run(main())

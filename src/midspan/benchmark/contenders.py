"""The servers that are measured, and how each starts in a process of its own."""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
import ssl
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from midspan.benchmark import servers
from midspan.benchmark.clients import Echo, Envelope, SocketIo, TcpEcho
from midspan.errors import Fitting, Refusal, checked, need
from midspan.net.child_process import Child, child
from midspan.net.servers import HOST

# On which core a process runs, and what it has used. No other module of this folder asks the system for that.


TASKS = Path("/proc")  # Linux: /proc/PID/task/TID/schedstat begins with the nanoseconds that a thread has run


def cores() -> tuple[int, int] | None:
    """Return a core for the server and another for the load; None if we cannot choose, or if there is only one core."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[-1], allowed[-2]) if len(allowed) > 1 else None


def pin(pid: int, core: int) -> None:
    """Pin a process, with all its threads, to one core."""
    for thread in psutil.Process(pid).threads():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(thread.id, {core})


@contextmanager
def pinned_beside(pid: int) -> Iterator[None]:
    """Within the block, pin the load to the server's core; do nothing where the system does not let us choose."""
    ours = cores()
    if ours is not None:
        pin(pid, ours[0])
    try:
        yield
    finally:
        if ours is not None:
            pin(pid, ours[1])


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far: user and system, all threads; in nanosecond steps on Linux."""
    told = []
    for path in (TASKS / str(pid) / "task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended meanwhile
            told.append(path.read_text())
    if told:
        return sum(int(line.split()[0]) for line in told) / 1e9
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(psutil.Process(pid).memory_info().rss)


def listener(port: int) -> int | None:
    """Return the id of the process that listens on a loopback port; None if the system does not tell."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    listening = {one.laddr.port: one.pid for one in connections if one.laddr and one.status == psutil.CONN_LISTEN}
    return listening.get(port)


# Code that another process must load: a server of this package, or one from a notebook's cell.
#
# A function or class of a module is sent by its name, and the process imports its module. One that was defined in a
# notebook is sent as its source text. It sees nothing else of the notebook, so it must import what it needs.


Made = dict[str, Any]  # as JSON carries it to the other process


@dataclass(frozen=True)
class Code(Fitting):
    """A function or class, as another process can load it.

    Attributes:
        name: its name in the module or in `source`.
        module: the module to import it from; "" when there is a `source`.
        source: the text that defines it.
        options: more arguments for its call, by name.
    """

    name: str
    module: str = ""
    source: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.module or 'source'}:{self.name}"

    def to_json(self) -> Made:
        """Return it as a dictionary for JSON."""
        return asdict(self)


def code_of(thing: Any, options: dict[str, Any] | None = None) -> Code:
    """Describe a function or class for another process.

    Args:
        thing: the function or class, or a `Code`.
        options: arguments by name, of JSON's types.

    Raises:
        Refusal: it is not a function or class, or its source cannot be read.
    """
    if isinstance(thing, Code):
        return thing if options is None else Code(thing.name, thing.module, thing.source, options)
    do = "Write `def app(tls): ...` in a cell, and pass `app`"
    named = callable(thing) and hasattr(thing, "__qualname__") and "<" not in thing.__qualname__
    if not named:
        raise Refusal("a function or a class with a name of its own", thing, do)
    name, module = thing.__qualname__, thing.__module__
    if module != "__main__" and inspect.getmodule(thing) is not None:
        return Code(name, module, options=options or {})
    try:
        source = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        raise Refusal("a function whose source can be read", thing, do) from None
    return Code(name, source=source, options=options or {})


def load_code(code: Made) -> Any:
    """In the other process: load the function or class."""
    if code["source"]:
        names: dict[str, Any] = {"__name__": "measured"}
        exec(compile(code["source"], f"<{code['name']}>", "exec"), names)
        need(code["name"] in names, f"source that defines {code['name']}", code["source"], "Pass all of its source")
        return names[code["name"]]
    thing: Any = import_module(code["module"])
    for part in code["name"].split("."):
        thing = getattr(thing, part)
    return thing


# Examples of a contender:
#
#     contender("mine", app, Envelope)                            a function, in a module or in a notebook's cell
#     contender("theirs", "node server.mjs {port}", SocketIo)     a command line
#     contender("running", "ws://127.0.0.1:8765", Echo)           a server that runs already


PROGRAM = "midspan.benchmark.serving"
SCHEMES = ("ws", "wss", "http", "https")
LOOPBACK = (HOST, "localhost", "::1")


@dataclass(frozen=True)
class Contender(Fitting):
    """A server to measure, and the dialect of its clients.

    Attributes:
        name: its name in tables.
        server: a function, as another process can load it; None if it is a command or an address.
        dialect: the class that defines what a client sends; see `benchmark.clients`.
        command: a command line as words; its port replaces `{port}`.
        url: the address of a server that already runs.
        trust_pem: the certificate that the load trusts at `url`.
        note: one line about it.
        small_tls_reads: a Python server's TLS buffer has 16 KiB a connection, in place of asyncio's 256 KiB.
    """

    name: str
    server: Code | None
    dialect: Code
    command: tuple[str, ...] = ()
    url: str = ""
    trust_pem: str = field(default="", repr=False)
    note: str = ""
    small_tls_reads: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Started:
    """A contender that runs.

    Attributes:
        url: its address.
        pid: the id of its process; None if we did not start it and the system does not tell.
        trust_pem: the certificate that its clients trust; "" without TLS.
        process: the process in which we started it; None if we did not start it.
    """

    contender: Contender
    url: str
    pid: int | None
    trust_pem: str = field(repr=False)
    process: Child | None

    @property
    def address(self) -> dict[str, Any]:
        """Its address, dialect and certificate, as the load needs them."""
        return {"url": self.url, "dialect": self.contender.dialect.to_json(), "trust_pem": self.trust_pem}


@checked
def contender(
    name: str,
    server: Callable[..., Any] | Code | str,
    dialect: Callable[..., Any] | Code,
    *,
    trust_pem: str = "",
    note: str = "",
    **options: Any,
) -> Contender:
    """Describe a server to measure.

    Args:
        name: its name in tables.
        server: `async def app(tls): ... yield port`, or a command line with `{port}` in it, or the address of a server
            on this machine that runs already.
        dialect: a class as in `benchmark.clients`, from a module or a cell.
        trust_pem: for a `wss` address: the certificate to trust.
        note: one line about it.
        options: passed to `server` by name; of JSON's types.

    Raises:
        Refusal: `server` is none of these.
    """
    speaks = code_of(dialect)
    if not isinstance(server, str):
        return Contender(name, code_of(server, options or None), speaks, note=note)
    do = "Write a command line with {port} in it, or ws://127.0.0.1:PORT"
    parts = urlsplit(server)
    if parts.scheme in SCHEMES:
        need(parts.hostname in LOOPBACK and parts.port is not None, "a server on this machine", server, do)
        return Contender(name, None, speaks, url=server, trust_pem=trust_pem, note=note)
    need("{port}" in server, "a command line that is told its port, or an address", server, do)
    return Contender(name, None, speaks, tuple(shlex.split(server)), note=note)


@asynccontextmanager
async def started(one: Contender, *, tls: bool) -> AsyncIterator[Started]:
    """Start a contender in a process of its own, on a core of its own if possible; it ends with the block.

    Raises:
        Refusal: it cannot be started, or it uses TLS and `tls` is false, or the reverse.
    """
    if one.url:
        yield _served_already(one, tls)
        return
    async with child(PROGRAM) as process:
        try:
            told = await _asked(process, one, tls)
            if (ours := cores()) is not None:
                pin(told["pid"], ours[0])
            url = f"{'wss' if tls else 'ws'}://{HOST}:{told['port']}"
            yield Started(one, url, told["pid"], told["trust_pem"], process)
        finally:
            if one.command and process.is_alive:
                await process.ask("stop")  # that process ends the command
            process.kill()  # a server keeps no data, and a clean end would wait for clients


async def _asked(process: Child, one: Contender, tls: bool) -> dict[str, Any]:
    if one.server is None:
        told = await process.ask("start", command=list(one.command), tls=tls)
    else:
        told = await process.ask("serve", code=one.server.to_json(), tls=tls, small_reads=one.small_tls_reads)
    return dict(told)


def _served_already(one: Contender, tls: bool) -> Started:
    parts = urlsplit(one.url)
    is_tls = parts.scheme in ("wss", "https")
    do = f"Measure it with tls={is_tls}"
    need(is_tls == tls, f"a server {'with' if tls else 'without'} TLS", one.url, do)
    if is_tls:
        _need_trust(one)
    return Started(one, one.url, listener(int(parts.port or 0)), one.trust_pem, None)


def _need_trust(one: Contender) -> None:
    try:
        ssl.create_default_context(cadata=one.trust_pem or "none")
    except ssl.SSLError:
        do = "Pass trust_pem=Path(...).read_text() of the file that it trusts"
        raise Refusal(f"the certificate to trust at {one.url}", one.trust_pem, do) from None


# The contenders of chapter 5.
#
# Four of them separate protocol from implementation: {`websockets`, aiohttp} times {envelope, Socket.IO}. Two servers
# in Node add a third row, where Node is installed.


SCRIPT = Path(__file__).with_name("servers.mjs")

TCP_ECHO = contender("TCP echo", servers.tcp_echo, TcpEcho, note="asyncio streams: the limit")
WEBSOCKETS_ECHO = contender("websockets echo", servers.websockets_echo, Echo, note="the library with nothing on top")
WEBSOCKETS_ENVELOPE = contender("websockets + envelope", servers.websockets_envelope, Envelope)
WEBSOCKETS_CODEC = contender(
    "websockets + Socket.IO packets", servers.websockets_codec, SocketIo, note="the protocol without the framework"
)
WEBSOCKETS_SOCKETIO = contender("websockets + python-socketio", servers.websockets_socketio, SocketIo)
AIOHTTP_ENVELOPE = contender("aiohttp + envelope", servers.aiohttp_envelope, Envelope)
AIOHTTP_SOCKETIO = contender("aiohttp + python-socketio", servers.aiohttp_socketio, SocketIo)
UVICORN_SOCKETIO = contender("uvicorn + python-socketio", servers.uvicorn_socketio, SocketIo, note="ASGI")

PYTHON = (
    TCP_ECHO,
    WEBSOCKETS_ECHO,
    WEBSOCKETS_ENVELOPE,
    WEBSOCKETS_CODEC,
    WEBSOCKETS_SOCKETIO,
    AIOHTTP_ENVELOPE,
    AIOHTTP_SOCKETIO,
    UVICORN_SOCKETIO,
)


def node_contenders() -> tuple[Contender, ...]:
    """Return `ws` with an envelope, and socket.io; nothing where Node or its packages are missing (`make node`)."""
    program = shutil.which("node") or shutil.which("nodejs")  # Debian's older name
    packages = [folder / "node_modules" / "socket.io" for folder in SCRIPT.parents]
    if program is None or not any(map(Path.is_dir, packages)):
        return ()
    command = f"{shlex.quote(program)} {shlex.quote(str(SCRIPT))}"
    return (
        contender("Node ws + envelope", f"{command} ws {{port}}", Envelope),
        contender("Node socket.io", f"{command} socketio {{port}}", SocketIo),
    )

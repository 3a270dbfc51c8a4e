"""Who is measured, and how it is started.

contender("mine", app, Envelope)                              a function, in a module or in a notebook's cell
contender("theirs", "node server.mjs {port}", SocketIo)       a command line
contender("running", "ws://127.0.0.1:8765", Echo)             whatever serves there already
"""

from __future__ import annotations

import shlex
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from midspan.arguments import Fitting, checked
from midspan.bench.prices import place
from midspan.bench.prices.code import Code, code_of
from midspan.refusal import Refusal, need
from midspan.wires.certs import HOST
from midspan.wires.child import Child, child

PROGRAM = "midspan.bench.prices.serving"
SCHEMES = ("ws", "wss", "http", "https")
LOOPBACK = (HOST, "localhost", "::1")


@dataclass(frozen=True)
class Contender(Fitting):
    """A server on trial, and how one speaks to it.

    Attributes:
        name: what it is called in tables.
        server: a function, as another process finds it; None if it is a command or an address.
        dialect: what the load says; see `dialects`.
        command: a command line in words; `{port}` stands for its port.
        url: where it is served already.
        trust_pem: whose certificate the load trusts at `url`.
        note: one line about it.
        small_tls_reads: a Python server's TLS reads into 16 KiB a connection, not into asyncio's 256.
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
    """A contender that serves.

    Attributes:
        url: its address.
        pid: its process; None if it is not ours and the system does not tell.
        trust_pem: whose certificate its clients trust; "" without TLS.
        process: the process in which we started it; None if it is not ours.
    """

    contender: Contender
    url: str
    pid: int | None
    trust_pem: str = field(repr=False)
    process: Child | None

    @property
    def address(self) -> dict[str, Any]:
        """Where it is and how one speaks to it, as the load is told."""
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
    """Put a server on trial.

    Args:
        name: what it is called in tables.
        server: `async def app(tls): ... yield port`, or a command line with `{port}` in it, or the address of a server
            on this machine that runs already.
        dialect: a class as in `dialects`, from a module or a cell.
        trust_pem: for a `wss` address: the certificate to trust.
        note: one line about it.
        options: passed on to `server`, by name; of JSON's types.

    Raises:
        Refusal: it is none of these.
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
    """Start a contender in a process of its own, on its own core where the system lets us; it ends with the block.

    Raises:
        Refusal: it cannot be started, or serves with TLS where none is asked for, or the other way round.
    """
    if one.url:
        yield _served_already(one, tls)
        return
    async with child(PROGRAM) as process:
        try:
            told = await _asked(process, one, tls)
            if (ours := place.cores()) is not None:
                place.pin(told["pid"], ours[0])
            url = f"{'wss' if tls else 'ws'}://{HOST}:{told['port']}"
            yield Started(one, url, told["pid"], told["trust_pem"], process)
        finally:
            if one.command and process.is_alive:
                await process.ask("stop")  # it is the process that ends the command
            process.kill()  # a server has nothing to keep, and a polite end waits for clients


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
    return Started(one, one.url, place.listener(int(parts.port or 0)), one.trust_pem, None)


def _need_trust(one: Contender) -> None:
    try:
        ssl.create_default_context(cadata=one.trust_pem or "none")
    except ssl.SSLError:
        do = "Pass trust_pem=Path(...).read_text() of the file that it trusts"
        raise Refusal(f"the certificate to trust at {one.url}", one.trust_pem, do) from None

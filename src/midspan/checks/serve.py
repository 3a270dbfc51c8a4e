"""Serve what a finished lab has built: `python -m midspan serve lab1 --from solutions --port 8765`. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midspan.checks import catalogue, notebooks, places, sheet
from midspan.checks.cells import Answers
from midspan.checks.steps import Lab
from midspan.refusal import Refusal, need
from midspan.wires.certs import Authority

GOODBYE_S = 1.0  # for connections to end when the server does


async def serve(name: str, source: str, host: str, port: int, with_tls: bool) -> None:
    """Serve until SIGINT or SIGTERM; prints the URL when clients can connect.

    Args:
        name: a lab, or the start of its name.
        source: "solutions", "labs", or the path of a notebook.
        host: a loopback address. port: 0 for a free one.
        with_tls: wss with a throw-away authority, whose certificate is written to a temporary file; else plain ws.
    """
    lab = catalogue.find(name)
    need(bool(lab.serves), "a lab that builds a server", lab.name, "Choose another lab")
    need(_is_loopback(host), "a loopback address, as 127.0.0.1", host, "Leave --host out")
    answers = Answers()
    with _stopping() as stop, _tls(with_tls) as (context, trust):
        await answers.run(cells_of(lab, source))
        server = await _started(answers, lab, host, port, context)
        try:
            bound = server.sockets[0].getsockname()[1]
            print(f"{lab.name} from {source} serves {'wss' if context else 'ws'}://{host}:{bound}{trust}", flush=True)
            await stop.wait()
        finally:
            await _close(server)


def cells_of(lab: Lab, source: str) -> list[sheet.Cell]:
    """Setup and answers of the whole lab, from the solution, the learner's lab or a file."""
    path = {"solutions": places.solution(lab.name), "labs": places.lab(lab.name)}.get(source, Path(source))
    solved, _ = sheet.read_reference(places.solution(lab.name, path), lab.name)
    return [cell for part in sheet.own(notebooks.read(path), solved).values() for cell in part.cells]


async def _started(answers: Answers, lab: Lab, host: str, port: int, tls: ssl.SSLContext | None) -> Any:
    try:
        return await getattr(answers, lab.serves)(host, port, tls)
    except (AttributeError, NotImplementedError):
        do = "Finish the lab first, or serve --from solutions"
        raise Refusal(f"an answer {lab.serves}(host, port, tls)", "one that is not written yet", do) from None
    except OSError as error:
        raise Refusal("a free port", f"{host}:{port} ({error.strerror})", "Choose another port, or 0 for any") from None


async def _close(server: Any) -> None:
    """Stop listening, end the handlers, wait a moment for the connections."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await server.wait_closed()


@contextlib.contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """An event set by SIGINT or SIGTERM. Where a loop takes no signal handlers (Windows), Ctrl-C cancels us instead."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        for number in signals:
            loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            for number in signals:
                loop.remove_signal_handler(number)


@contextlib.contextmanager
def _tls(wanted: bool) -> Iterator[tuple[ssl.SSLContext | None, str]]:
    """A server's context and where its authority's certificate stands as long as we serve."""
    if not wanted:
        yield None, ""
        return
    authority = Authority()
    with tempfile.TemporaryDirectory(prefix="midspan-") as folder:
        pem = Path(folder) / "ca.pem"
        pem.write_bytes(authority.pem)
        yield authority.server, f" (clients trust {pem})"


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"

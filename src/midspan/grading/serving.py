"""Serve the server of a finished lab: `python -m midspan serve lab1 --from solutions --port 8765`."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ipaddress
import os
import re
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midspan.errors import Refusal, Words, need
from midspan.grading import notebooks, steps
from midspan.grading.finished_labs import parts_of
from midspan.grading.judge_process import CELLS_LIMIT_S, run_cells
from midspan.grading.notebooks import Answers
from midspan.grading.steps import Lab, verdict_of
from midspan.grading.transcript import error_in_words
from midspan.net import brokers
from midspan.net.background_loop import end_others
from midspan.net.servers import Authority

# What a server needs to listen on an address other than loopback.
#
# The labs serve on loopback only. The exception is a node of a cluster, and it needs a broker, TLS with a certificate
# of your own, and the list of origins whose pages may open a connection (RFC 6455, section 10.2).


PAGE = "docs/several_hosts.md says how"


@dataclass(frozen=True)
class Files:
    """The PEM files of a server's certificate (with its chain) and of its key."""

    certificate: Path | None = None
    key: Path | None = None

    def __bool__(self) -> bool:
        return self.certificate is not None or self.key is not None

    def context(self) -> ssl.SSLContext:
        """Return a server's context for TLS 1.2 or newer, with this certificate.

        Raises:
            Refusal: a file is missing or cannot be read, or the key does not belong to the certificate.
        """
        both = self.certificate is not None and self.key is not None
        given = Words("only one of them")
        need(both, "a certificate and its key", given, "Pass --certificate FILE and --key FILE, both PEM")
        assert self.certificate is not None
        assert self.key is not None
        for path in (self.certificate, self.key):
            need(path.is_file(), "a PEM file", str(path), "Correct --certificate or --key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (ssl.SSLError, OSError, Refusal) as error:
            pair = Words(f"{self.certificate} and {self.key} ({getattr(error, 'reason', None) or error})")
            do = "Pass --certificate with the certificate and its chain, --key with its key, without a password"
            raise Refusal("a certificate and its key as PEM", pair, do) from None
        return context


def need_a_safe_place(host: str, tls: bool, files: Files, broker: bool, origins: list[str]) -> None:
    """Refuse an address that other machines can reach, unless TLS, certificate, broker and origins make it safe.

    Args:
        host: the address to listen on.
        tls: whether the server uses TLS.
        files: your own certificate and key.
        broker: whether the server uses a broker.
        origins: the origins whose pages may connect.
    """
    for origin in origins:
        parts = urlsplit(origin)
        right = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and origin == f"{parts.scheme}://{parts.netloc}"
        )
        need(right, "an origin: scheme, host and port, as a browser sends it", origin, "Write https://chat.example")
    if is_loopback(host):
        return
    need(broker, "a loopback address, as 127.0.0.1", host, "Leave --host out; only a node (--broker) may be there")
    need(_is_address(host), "an address of this machine, as 10.0.0.1", host, "Pass its number, not a name")
    need(tls, "TLS on an address that others can reach", Words("--no-tls"), f"Leave --no-tls out; {PAGE}")
    files_missing = Words("neither --certificate nor --key")
    need(bool(files), "a certificate that names this host, and its key", files_missing, f"Pass both; {PAGE}")
    need(bool(origins), "the origins of pages that may connect", Words("no --origin"), f"Pass --origin URL; {PAGE}")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def _no_password() -> str:
    raise Refusal("a key without a password", Words("one with a password"), "Take the password off, or use another key")


# The server listens on loopback, except for a node of a cluster (see `need_a_safe_place`), with a name and a broker.


GOODBYE_S = 1.0  # for connections to end when the server ends
DRAIN_S = 6.0  # for a node to leave without loss
NO_OPTIONS: Mapping[str, Any] = {}
NO_FILES = Files()


async def serve(
    name: str,
    source: str,
    host: str,
    port: int,
    with_tls: bool,
    options: Mapping[str, Any] = NO_OPTIONS,
    files: Files = NO_FILES,
) -> None:
    """Serve until SIGINT or SIGTERM; print the URL when clients can connect.

    Args:
        name: a lab, or the start of its name.
        source: "solutions", "labs", or the path of a notebook.
        host: a loopback address, or another address that `need_a_safe_place` accepts.
        port: 0 for a free one.
        with_tls: wss, with a temporary authority whose certificate is written to a temporary file; else plain ws.
        options: passed to the lab's server if it takes them (times in seconds).
        files: your own certificate, in place of the temporary authority's.
    """
    lab = steps.find(name)
    need(bool(lab.serves), "a lab that builds a server", lab.name, "Choose another lab")
    has_broker = "broker" in options or "REDIS_URL" in os.environ
    need_a_safe_place(host, with_tls, files, has_broker, options.get("origins", []))
    answers = Answers()
    with _stopping() as stop, _tls(with_tls, files) as (context, trust):
        define(answers, lab, cells_of(lab, source), source)
        fitting = _fitting(lab, getattr(answers, lab.serves), options)
        async with _name_registered(fitting):
            server = await _started(answers, lab, source, host, port, context, fitting)
            try:
                print(f"{lab.name} from {source} serves {_url(server, host, context)}{trust}", flush=True)
                await stop.wait()
            finally:
                left = await _end(server)
    if left:
        _end_the_process(left)


def cells_of(lab: Lab, source: str) -> list[notebooks.Cell]:
    """Return the cells up to the answer that serves, from the solution, the learner's lab or a file.

    Refuse when one of these answers is to do. Later answers may be missing or wrong: the server does not need them.
    """
    own, reference = parts_of(lab.name, source)
    steps = list(own)[: _serving(lab, reference) + 1]
    to_do = [step for step in steps if own[step].to_do]
    more = f" and {len(to_do) - 3} more" if len(to_do) > 3 else ""
    still = Words(f"steps still to do: {', '.join(to_do[:3])}{more}")
    need(not to_do, "a lab that is written up to its server", still, _finish(lab, source))
    return [cell for step in steps for cell in own[step].cells]


def _serving(lab: Lab, reference: dict[str, notebooks.Part]) -> int:
    """Return the index of the step that defines the lab's server; of the last step if no cell seems to define it."""
    define = re.compile(rf"^(async )?def {lab.serves}\b|^{lab.serves} *=", re.MULTILINE)
    places = [at for at, part in enumerate(reference.values()) if any(define.search(c.source) for c in part.cells)]
    return places[0] if places else len(reference) - 1


def define(answers: Answers, lab: Lab, cells: list[notebooks.Cell], source: str) -> None:
    """Run the cells in a new thread with a time limit; turn an error into a `Refusal`."""
    ran = run_cells(answers, cells)
    print(ran.printed, end="\n" if ran.printed else "", flush=True)
    if ran.expired or ran.error is not None:
        _, words, error = verdict_of(ran, CELLS_LIMIT_S)
        raise Refusal(f"cells of {lab.name} from {source} that run", Words(words), _how_to_fix(lab, source, error))
    if not callable(getattr(answers, lab.serves, None)):
        raise Refusal(f"an answer {lab.serves}(host, port, tls)", Words("no such function"), _finish(lab, source))


def _fitting(lab: Lab, start: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for the lab's server; refuse when a required one is missing, or when it does not take one."""
    takes = inspect.signature(start).parameters
    given = dict(options)
    if "broker" in takes and "REDIS_URL" in os.environ:
        given.setdefault("broker", os.environ["REDIS_URL"])
    if all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in takes.values()):
        known = ", ".join(name for name in takes if takes[name].kind is inspect.Parameter.KEYWORD_ONLY)
        strangers = Words(", ".join(name for name in given if name not in takes))
        only = f"no options: the server of {lab.name} takes none" if not known else f"options of {lab.name}: {known}"
        need(not strangers, only, strangers, "Leave them out")
    if "broker" in takes:
        need("broker" in given, "a broker: --broker URL, or REDIS_URL", Words("neither"), brokers.START)
        need("node" in given, "a name for this node", Words("no --node"), "Write --node n1, another for each node")
    if "origins" in given:
        given["origins"] = [None, *given["origins"]]  # only a browser sends an origin
    return given


@contextlib.asynccontextmanager
async def _name_registered(options: Mapping[str, Any]) -> AsyncIterator[None]:
    """For a node: keep its name registered at the broker while it serves. Other servers need nothing."""
    if "broker" not in options:
        yield
        return
    node = options["node"]
    async with brokers.node_lease(options["broker"], node, lambda news: print(f"{node}: {news}", flush=True)):
        yield


async def _started(
    answers: Answers,
    lab: Lab,
    source: str,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    options: Mapping[str, Any],
) -> Any:
    wanted = f"an answer {lab.serves}(host, port, tls) that starts a server"
    start = getattr(answers, lab.serves)
    try:
        server = await start(host, port, tls, **options)
    except OSError as error:
        do = "Choose another port, or 0 for any, at an address of this machine"
        raise Refusal("a free port", f"{host}:{port} ({error.strerror})", do) from None
    except Exception as error:
        raise Refusal(wanted, Words(error_in_words(error)), _how_to_fix(lab, source, error)) from None
    need(bool(getattr(server, "sockets", None)), wanted, server, _finish(lab, source))
    return server


def _finish(lab: Lab, source: str) -> str:
    path = source if source not in ("labs", "solutions") else f"{source}/{lab.name}.ipynb"
    return f"Finish it first (`python -m midspan judge {path}` says what is missing), or serve --from solutions"


def _how_to_fix(lab: Lab, source: str, error: BaseException | None) -> str:
    lines = notebooks.where(error) if error else ()
    return f"{_finish(lab, source)}. See {'; '.join(lines)}" if lines else _finish(lab, source)


def _url(server: Any, host: str, tls: ssl.SSLContext | None) -> str:
    """Return the server's URL. An IPv6 address needs brackets (RFC 3986, section 3.2.2)."""
    place = f"[{host}]" if ":" in host else host
    return f"{'wss' if tls else 'ws'}://{place}:{server.sockets[0].getsockname()[1]}"


async def _end(server: Any) -> list[str]:
    """Close the server within its time limit, then cancel the other tasks; return the names of those that do not end.

    A task of its own closes the server, and is not awaited: to cancel it would mean to wait for what it awaits.
    """
    goodbye = asyncio.create_task(_close_server(server))
    await asyncio.wait({goodbye}, timeout=DRAIN_S if _drains(server) else GOODBYE_S)
    failed = goodbye.exception() if goodbye.done() and not goodbye.cancelled() else None
    left = await end_others()
    if failed is not None:
        raise failed
    return left


async def _close_server(server: Any) -> None:
    """Stop listening and end the connections. A node that can leave without loss does that."""
    if _drains(server):
        server.close(close_connections=False)
        await server.drain()
    else:
        server.close()
    await server.wait_closed()


def _drains(server: Any) -> bool:
    return hasattr(server, "drain")


def _end_the_process(left: list[str]) -> None:
    """Exit if tasks ignore their cancellation (a loop with a bare `except:`): asyncio.run would wait for them."""
    print(f"Ended all the same, though it goes on when it is cancelled: {', '.join(left)}", file=sys.stderr, flush=True)
    os._exit(1)


@contextlib.contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """Give an event that SIGINT or SIGTERM sets. Where a loop takes no signal handlers (Windows), Ctrl-C cancels us."""
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
def _tls(wanted: bool, files: Files) -> Iterator[tuple[ssl.SSLContext | None, str]]:
    """Give a server's context, and the path of the temporary authority's certificate, which exists while we serve."""
    if not wanted or files:
        yield files.context() if wanted else None, ""
        return
    authority = Authority()
    with tempfile.TemporaryDirectory(prefix="midspan-") as folder:
        pem = Path(folder) / "ca.pem"
        pem.write_bytes(authority.pem)
        yield authority.server, f" (clients trust {pem})"

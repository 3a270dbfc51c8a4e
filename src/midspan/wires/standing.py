"""A node's standing at the broker: the broker answers, the node's name is its own, and the link to it is watched.

    async with standing("rediss://node:secret@broker:6380?ssl_ca_certs=ca.pem", "n1", tell=print):
        ...                                                  # serve

The name is borne by a connection (CLIENT SETNAME) which says something each `BEAT_S`. Whoever comes with the same name
sees it in the broker's CLIENT LIST, and how long it has been idle by the broker's own clock: no clocks are compared,
nothing expires, and a name goes free with the process that bore it. One whose host fell silent is free after `IDLE_S`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from midspan.refusal import Refusal, Words, need
from midspan.wires.broker import ANSWER_S, SCHEMES

BEAT_S = 1.0  # between two signs of life
IDLE_S = 5  # a bearer that was silent for so long has lost its name; CLIENT LIST tells whole seconds
CLOSE_S = 0.5  # for the connection to the broker to close
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # CLIENT SETNAME takes no spaces
BEARER = "midspan-node-"

ADDRESS = "redis://host:port, rediss://host:port (TLS) or unix:///path"
START = "Start one: `python -m midspan.wires.keeper --durable` prints its address, for this machine; Ctrl-C ends it"


@asynccontextmanager
async def standing(url: str, node: str, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold a node's name at the broker, as long as the block lasts.

    Args:
        url: of the broker.
        node: its name: letters, digits, `_`, `.` and `-`.
        tell: is told when the link to the broker breaks, and when it is back.

    Raises:
        Refusal: the broker does not answer, or not to us; another node bears the name.
    """
    letters = "letters, digits, _, . and -, at most 64"
    need(bool(NAME.fullmatch(node)), f"a node's name of {letters}", node, "Write --node n1, another for each node")
    async with _letting_go(_client(url, node)) as client:
        await _greet(client, url)
        await _need_own_name(client, node)
        over = asyncio.Event()
        watching = asyncio.create_task(_watch(client, tell, over))
        try:
            yield
        finally:
            over.set()  # beside the cancellation: the client sometimes takes one for an error of the connection
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


@asynccontextmanager
async def _letting_go(client: redis.asyncio.Redis) -> AsyncIterator[redis.asyncio.Redis]:
    """Close the client with the block. A broker whose host is gone answers no goodbye of TLS: it is not waited for."""
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


async def _greet(client: redis.asyncio.Redis, url: str) -> None:
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise _refusal(url, error) from None


def _refusal(url: str, error: Exception) -> Refusal:
    """What a broker that does not take us says, and what to do."""
    came, said = Words(shown_url(url)), str(error).rstrip(".")
    if isinstance(error, AuthenticationError) or said.startswith(("NOAUTH", "Authentication required")):
        do = "Write them in its address, redis://user:password@host:port, or redis://:password@host:port"
        return Refusal("a user and a password that the broker takes", Words(f"{came}: {said}"), do)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        do = "Name its authority: rediss://host:port?ssl_ca_certs=FILE. The host must be the one in its certificate"
        return Refusal("a broker whose certificate we can trust", Words(f"{came}: {said}"), do)
    return Refusal("a broker that answers", Words(f"{came}: {said or type(error).__name__}"), START)


async def _need_own_name(client: redis.asyncio.Redis, node: str) -> None:
    """Two that come at the same time see each other, and neither stays."""
    try:
        mine, clients = await client.client_id(), await client.client_list()
    except (NoPermissionError, ResponseError):
        return  # a broker that does not tell who is connected
    others = [one for one in clients if one["name"] == BEARER + node and int(one["id"]) != mine]
    alive = [one["addr"] for one in others if int(one["idle"]) < IDLE_S]
    do = f"Choose another name. If that node's host is gone, its name is free {IDLE_S} s later"
    need(not alive, "a name that no other node bears", Words(f"{node}, which a node at {', '.join(alive)} bears"), do)


async def _watch(client: redis.asyncio.Redis, tell: Callable[[str], None], over: asyncio.Event) -> None:
    """Give signs of life; say when the link breaks and when it is back. The client connects again by itself."""
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
    """Why it did not answer, or None."""
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return error
    return None

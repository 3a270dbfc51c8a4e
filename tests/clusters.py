"""A cluster for the tests of a module, in a thread of its own, as a bench has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import pytest

from midspan.experiments.clusters import Cluster, cluster
from midspan.net.background_loop import LoopThread
from midspan.net.servers import Authority


@contextmanager
def running_cluster(*names: str, authority: Authority) -> Iterator[Cluster]:
    """Nodes with these names and a broker of their own; all of it has ended after the block."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("REDIS_URL", raising=False)
        thread = LoopThread("cluster")
        opening = cluster(*names, authority=authority)
        yield thread.run(_opened(opening))
        thread.run(_closed(opening))
        thread.close()


async def _opened(opening: AbstractAsyncContextManager[Cluster]) -> Cluster:
    return await opening.__aenter__()


async def _closed(opening: AbstractAsyncContextManager[Cluster]) -> None:
    await opening.__aexit__(None, None, None)

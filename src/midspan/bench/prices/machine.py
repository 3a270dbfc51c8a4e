"""On what a measurement ran, and when: what a reader needs to judge it. No names of hosts or people."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("websockets", "aiohttp", "python-socketio", "uvicorn")
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """When and where. `str()` is one sentence."""

    date: str
    cpu: str
    cores: int
    system: str
    versions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.date}, {self.cores} cores of {self.cpu}, {self.system}; {', '.join(self.versions)}."


def _utc_now() -> datetime:
    return datetime.now(UTC)


def machine(now: Callable[[], datetime] = _utc_now) -> Machine:
    """This machine, now."""
    versions = (f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES))
    system = f"{platform.system()} {platform.machine()}"
    return Machine(now().date().isoformat(), _cpu(), psutil.cpu_count() or 1, system, versions)


def _cpu() -> str:
    """The model of the processor; where Linux does not tell, what Python knows of it."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()

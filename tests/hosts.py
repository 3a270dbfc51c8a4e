"""Hosts for one test: network namespaces on a bridge, each with an address of its own. Linux, as root.

    with hosts("n1", "n2") as net:
        net.start("n1", ["python", ...])         # a process on that host
        net.cut("n1")                            # its cable is out: nobody is told anything

Names begin with `ms` and the number of the process that made them, so what a killed run left is found and removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

NET = "198.18"  # for tests between networks (RFC 2544), so it is nobody's
GONE_S = 5.0


def ip(*words: str) -> str:
    """Run `ip`; its output.

    Raises:
        OSError: it says no; its words.
    """
    ran = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)
    if ran.returncode:
        raise OSError(f"ip {' '.join(words)}: {ran.stderr.strip()}")
    return ran.stdout


def why_not() -> str:
    """Why there can be no hosts here; "" if there can."""
    if shutil.which("ip") is None:
        return "no `ip` here (Debian: apt-get install iproute2)"
    if os.geteuid() != 0:
        return "namespaces need root"
    probe = f"ms{os.getpid()}-probe"
    try:
        ip("netns", "add", probe)
        ip("link", "add", f"ms{os.getpid()}p", "type", "veth", "peer", "name", "eth0", "netns", probe)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces here: {error}"
    finally:
        with suppress(OSError):
            ip("netns", "del", probe)
    return ""


@dataclass
class Hosts:
    """Hosts on a bridge; we are at its end, at `here`."""

    names: tuple[str, ...]
    subnet: int
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def here(self) -> str:
        """Our address on the bridge."""
        return f"{NET}.{self.subnet}.1"

    @property
    def bridge(self) -> str:
        return f"ms{os.getpid()}"

    def address(self, name: str) -> str:
        """A host's address."""
        return f"{NET}.{self.subnet}.{11 + self.names.index(name)}"

    def start(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[str]:
        """Start a process on a host; what it says comes to us."""
        there = ["ip", "netns", "exec", self._space(name), *command]
        pipe = subprocess.PIPE
        made = subprocess.Popen(there, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **environment})
        self.running.append(made)
        return made

    def cut(self, name: str) -> None:
        """Pull a host's cable: what is sent is lost, and nobody is told."""
        ip("link", "set", self._cable(name), "down")

    def join(self, name: str) -> None:
        """Put it in again."""
        ip("link", "set", self._cable(name), "up")

    def _space(self, name: str) -> str:
        return f"{self.bridge}-{name}"

    def _cable(self, name: str) -> str:
        return f"{self.bridge}v{self.names.index(name)}"

    def build(self) -> None:
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.here}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for name in self.names:
            space, cable = self._space(name), self._cable(name)
            ip("netns", "add", space)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", cable, "master", self.bridge, "up")
            for words in (["address", "add", f"{self.address(name)}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
                ip("-n", space, *words)
            ip("-n", space, "link", "set", "lo", "up")

    def end(self) -> None:
        """Kill what still runs, and take everything down."""
        for process in self.running:
            process.kill()
            process.communicate()
        for name in self.names:  # at once: with its namespace a cable goes a little later, and its name is taken
            with suppress(OSError):
                ip("link", "del", self._cable(name))
        remove(self.bridge)


@contextmanager
def hosts(*names: str) -> Iterator[Hosts]:
    """Hosts for one test, gone at the end of the block, whatever happens in it."""
    remove_the_dead()
    net = Hosts(names, os.getpid() % 250 + 1)
    try:
        net.build()
        yield net
    finally:
        net.end()


def spaces() -> list[str]:
    """Namespaces of ours, this run's and those that killed runs left."""
    return [line.split()[0] for line in ip("netns", "list").splitlines() if line.startswith("ms")]


def remove_the_dead() -> None:
    """Remove what runs left that were killed."""
    for owner in {space.partition("-")[0] for space in spaces()}:
        if not psutil.pid_exists(int(owner.removeprefix("ms"))):
            remove(owner)


def remove(owner: str) -> None:
    """The processes, the namespaces and the bridge of one run."""
    for space in spaces():
        if space.startswith(f"{owner}-"):
            left = [psutil.Process(int(pid)) for pid in ip("netns", "pids", space).split()]
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=GONE_S)
            ip("netns", "del", space)
    with suppress(OSError):
        ip("link", "del", owner)

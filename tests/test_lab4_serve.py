"""`python -m midspan serve lab4`: a node as a command. What is missing or wrong is a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from midspan.__main__ import main
from midspan.errors import Refusal
from midspan.grading.serving import Files, need_a_safe_place
from midspan.net import brokers as module
from midspan.net.brokers import broker, node_lease
from midspan.net.servers import HOST, Authority
from tests.course import ROOT
from tests.ending import ENDS_WITHIN_S
from tests.loops import in_a_loop
from tests.tls_broker import tls_in_front

AUTHORITY = Authority()
NOWHERE = "redis://127.0.0.1:1"
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _no_broker_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@asynccontextmanager
async def stands(url: str, node: str = "n1") -> AsyncIterator[asyncio.Queue[str]]:
    """A node's standing, and what it has told."""
    told: asyncio.Queue[str] = asyncio.Queue()
    async with node_lease(url, node, told.put_nowait):
        yield told


async def refused(url: str, node: str = "n1") -> str:
    with pytest.raises(Refusal) as refusal:
        async with stands(url, node):
            pass
    return str(refusal.value)


# A node at the broker


@in_a_loop
async def test_a_name_is_borne_once_and_free_afterwards() -> None:
    async with broker() as bus:
        async with stands(bus.url), stands(bus.url, "n2"):
            assert "a name that no other node bears, but got n1, which a node at" in await refused(bus.url)
        async with stands(bus.url):
            pass


@in_a_loop
async def test_two_that_come_at_once_do_not_both_stay() -> None:
    async with broker() as bus:
        came = await asyncio.gather(*(_for_a_moment(bus.url) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in came].count(Refusal) >= 4


async def _for_a_moment(url: str) -> None:
    async with stands(url):
        await asyncio.sleep(0)


@in_a_loop
async def test_a_bearer_that_fell_silent_loses_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose host is gone: the broker still has its connection, and hears nothing on it."""
    monkeypatch.setattr(module, "IDLE_S", 0)
    async with broker() as bus, stands(bus.url), stands(bus.url):
        pass


@in_a_loop
async def test_the_link_is_watched_and_the_name_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    async with broker(durable=True) as bus, stands(bus.url) as told:
        async with bus.down():
            assert (await told.get()).startswith("the link to the broker is broken: ")
        assert (await told.get()).startswith("the link to the broker is back, after ")
        assert "which a node at" in await refused(bus.url)


@in_a_loop
async def test_a_broker_that_does_not_answer_and_an_address_that_is_none() -> None:
    silent = await refused(NOWHERE)
    assert "Expected a broker that answers, but got redis://127.0.0.1:1: " in silent
    assert "midspan.net.brokers" in silent
    for url in ("http://host", "redis://host:abc", "host:6379"):
        assert f"redis://host:port, rediss://host:port (TLS) or unix:///path, but got {url}" in await refused(url)
    for name in ("", "a b", "n" * 65, "é"):
        assert "a node's name of letters, digits" in await refused(NOWHERE, name)


@in_a_loop
async def test_a_password_is_wanted_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    async with broker() as bus, bus.client() as client, tls_in_front(bus, AUTHORITY.server) as port:
        await client.config_set("requirepass", "secret")
        plain = f"{HOST}:{port}"
        for given in ("", ":wrong@", "me:wrong@"):
            said = await refused(f"rediss://{given}{plain}?ssl_ca_certs={tmp_path / 'ca.pem'}")
            assert "a user and a password that the broker takes" in said
            assert "wrong@" not in said
        async with stands(f"rediss://:secret@{plain}?ssl_ca_certs={tmp_path / 'ca.pem'}"):
            await client.config_set("requirepass", "")


@in_a_loop
async def test_tls_to_the_broker_is_verified() -> None:
    async with broker() as bus, tls_in_front(bus, AUTHORITY.server) as port:
        at = f"rediss://{HOST}:{port}"
        assert "a broker whose certificate we can trust" in await refused(at)
        assert "TLS that is verified" in await refused(f"{at}?ssl_cert_reqs=none")
        assert "the broker's authority, but got '/not/there'" in await refused(f"{at}?ssl_ca_certs=/not/there")
        assert "a broker that answers" in await refused(f"redis://{HOST}:{port}")


# Another address than loopback


SAFE: dict[str, Any] = {
    "tls": True,
    "files": Files(Path("a"), Path("b")),
    "broker": True,
    "origins": ["https://a.example"],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"broker": False}, "a loopback address, as 127.0.0.1"),
        ({"tls": False}, "TLS on an address that others can reach"),
        ({"files": Files()}, "a certificate that names this host, and its key"),
        ({"origins": []}, "the origins of pages that may connect"),
        ({"origins": ["https://a.example/"]}, "an origin: scheme, host and port"),
        ({"origins": ["a.example"]}, "an origin: scheme, host and port"),
        ({"origins": ["*"]}, "an origin: scheme, host and port"),
    ],
)
def test_another_address_needs_all_that_makes_it_safe(change: dict[str, Any], words: str) -> None:
    need_a_safe_place("10.0.0.1", **SAFE)
    with pytest.raises(Refusal, match=words):
        need_a_safe_place("10.0.0.1", **SAFE | change)


def test_a_name_is_no_address_to_listen_at() -> None:
    with pytest.raises(Refusal, match="an address of this machine"):
        need_a_safe_place("chat.example", **SAFE)


def test_the_files_are_a_certificate_and_its_key(tmp_path: Path) -> None:
    certificate, key = written(tmp_path / "one", "one.example")
    other, _ = written(tmp_path / "other", "other.example")
    assert isinstance(Files(certificate, key).context(), ssl.SSLContext)
    for wrong, words in (
        (Files(certificate), "a certificate and its key"),
        (Files(certificate, tmp_path / "none"), "a PEM file"),
        (Files(other, key), "KEY_VALUES_MISMATCH"),
        (Files(key, certificate), "a certificate and its key as PEM"),
    ):
        with pytest.raises(Refusal, match=words):
            wrong.context()


def written(folder: Path, *names: str, ca: trustme.CA | None = None) -> tuple[Path, Path]:
    """A certificate for these names, and its key, as two files."""
    folder.mkdir()
    issued = (ca or trustme.CA()).issue_cert(*names)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(folder / "certificate.pem", append=True)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return folder / "certificate.pem", folder / "key.pem"


# Labs that are no nodes


def test_a_lab_that_is_no_node_stays_on_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "lab1", "--from", "solutions", "--host", "10.0.0.1"]) == 2
    assert "a loopback address, as 127.0.0.1, but got '10.0.0.1'" in capsys.readouterr().err
    assert main(["serve", "lab1", "--from", "solutions", "--broker", NOWHERE]) == 2
    assert "the server of lab1_framing takes none, but got broker" in capsys.readouterr().err


# The command


NODE = ["serve", "lab4", "--from", "solutions"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "a broker: --broker URL, or REDIS_URL, but got neither. Start one: `python -m midspan.net.brokers"),
        (["--broker", NOWHERE], "a name for this node, but got no --node. Write --node n1"),
        (["--broker", NOWHERE, "--node", "n1"], "a broker that answers, but got redis://127.0.0.1:1"),
    ],
)
def test_what_a_node_needs_is_a_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NODE, *arguments]) == 2
    assert words in capsys.readouterr().err


@in_a_loop
async def test_a_node_serves_on_the_broker_that_readme_names_and_drains() -> None:
    """The README's two commands; a second node of one name is refused; SIGTERM says goodbye with 1012."""
    lines = [line.split() for line in README.splitlines() if "brokers --durable" in line or "serve lab4" in line]
    (_, *keeper), (_, *words) = lines
    async with running(*keeper) as bus:
        address = (await line_of(bus)).strip()
        command = ["solutions" if word == "labs" else address if word == "ADDRESS" else word for word in words]
        async with running(*command) as node:
            line = await line_of(node)
            async with running(*command) as twin:
                assert "a name that no other node bears, but got n1" in await line_of(twin)
                assert await twin.wait() == 2
            url, pem = line.split(" serves ")[1].split()[0], line.split("clients trust ")[1].rstrip(")\n")
            async with connect(url, ssl=ssl.create_default_context(cafile=pem)) as client:
                await client.send('["hello","a","token","",0,1,"red"]')
                assert json.loads(await client.recv())[0] == "welcome"
                await client.send('["say",1,"hello"]')
                assert {json.loads(await client.recv())[0] for _ in range(2)} == {"ack", "entry"}
                node.send_signal(signal.SIGTERM)
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            assert await node.wait() == 0
            assert [await pipe.read() for pipe in pipes(node)] == [b"", b""]


@asynccontextmanager
async def running(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of Python's, from the course's folder; killed at the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    options = {"stdin": pipe, "stdout": pipe, "stderr": pipe}
    process = await asyncio.create_subprocess_exec(sys.executable, *words, **options, cwd=ROOT)  # type: ignore[arg-type]
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def pipes(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamReader, asyncio.StreamReader]:
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout, process.stderr


async def line_of(process: asyncio.subprocess.Process) -> str:
    """What it says first, or why it says nothing."""
    out, errors = pipes(process)
    return (await out.readline() or await errors.read()).decode()

"""`python -m midspan serve lab2`: the lab's server as a command, with Socket.IO's options in milliseconds."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent

import pytest
from websockets.asyncio.client import connect

from midspan.__main__ import main
from midspan.errors import Refusal
from midspan.grading.serving import serve
from tests.course import ROOT
from tests.ending import ENDS_WITHIN_S
from tests.lab2 import QUERY, heard, until_closed
from tests.loops import in_a_loop

PAPERS = (ROOT / "README.md", ROOT / "labs" / "lab2_events.ipynb")


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the line that it prints; ended by SIGTERM, without a complaint."""
    command = [sys.executable, "-m", "midspan", "serve", "lab2", "--from", "solutions", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            out, errors = process.communicate(timeout=ENDS_WITHIN_S)
            assert (out, errors, process.returncode) == ("", "", 0)
        finally:
            process.kill()


@in_a_loop
async def test_the_options_are_advertised_and_kept() -> None:
    options = ["--pingInterval", "1000", "--pingTimeout", "500", "--maxPayload", "5000", "--connectTimeout", "60000"]
    with serving("--no-tls", *options) as (_, line):
        url = line.split(" serves ")[1].strip() + QUERY
        async with connect(url) as client:
            said = json.loads(str(await client.recv())[1:])
            assert [said[name] for name in ("pingInterval", "pingTimeout", "maxPayload")] == [1000, 500, 5000]
            await client.send('40{"token":"x"}')
            assert await heard(client, 2) == ['40{"sid":SID}', '42["auth",{"token":"x"}]']
            assert set(await until_closed(client)) <= {"2"}  # no pong of ours, so it ends


@in_a_loop
async def test_over_tls_with_the_certificate_that_it_names() -> None:
    with serving() as (_, line):
        url = line.split(" serves ")[1].split()[0] + QUERY
        trust = ssl.create_default_context(cafile=line.split("clients trust ")[1].rstrip(")\n"))
        async with connect(url, ssl=trust) as client:
            assert json.loads(str(await client.recv())[1:])["pingInterval"] == 25000
            await client.send("40/custom,")
            assert await heard(client, 2) == ['40/custom,{"sid":SID}', '42/custom,["auth",{}]']


@pytest.mark.parametrize("words", ["0", "-1", "x", "1.5", "\u0663"])
def test_an_option_that_is_no_number_is_a_sentence(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "lab2", f"--pingInterval={words}"])
    assert f"expected a whole number of milliseconds from 1 on, not {words!r}" in capsys.readouterr().err


@in_a_loop
async def test_a_lab_whose_server_takes_no_options_says_so() -> None:
    with pytest.raises(Refusal, match="the server of lab1_framing takes none, but got ping_interval_s"):
        await serve("lab1", "solutions", "127.0.0.1", 0, with_tls=False, options={"ping_interval_s": 1.0})


def test_the_clients_that_readme_names_speak_to_it() -> None:
    """The command that connects, with `40` typed into it, and the lines for python-socketio."""
    readme = (ROOT / "README.md").read_text("utf-8").partition("Lab 2 gives a Socket.IO server.")[2]
    url = re.findall(r'-m websockets "(ws://127.0.0.1:8765/[^"]+)"', readme)[0]
    lines = dedent(re.findall(r"    import socketio\n(?:    .*\n)+", readme)[0])
    with serving("--no-tls", "--port", "0") as (_, line):
        port = line.rstrip().rpartition(":")[2]
        command = [sys.executable, "-m", "websockets", url.replace("8765", port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write("40\n")
            client.stdin.flush()
            said = ""
            while '42["auth",{}]' not in said and (more := client.stdout.readline()):
                said += more
            assert '42["auth",{}]' in said
            client.kill()
        ran = subprocess.run([sys.executable, "-c", lines.replace("8765", port)], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("hello\n", "")


@in_a_loop
async def test_an_unfinished_lab_is_refused_with_the_command_as_readme_writes_it() -> None:
    with pytest.raises(Refusal) as refused:
        await serve("lab2", "labs", "127.0.0.1", 0, with_tls=False)
    (command,) = re.findall("`python (-m midspan judge .*)` says what is missing", str(refused.value))
    assert f".venv/bin/python {command}" in "\n".join(path.read_text("utf-8") for path in PAPERS)

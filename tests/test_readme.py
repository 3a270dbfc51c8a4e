"""The README's commands, as they stand there: what is not tried beside the thing itself is tried here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

from tests.course import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def commands(*words: str) -> list[list[str]]:
    """README's command lines that hold all of these words, run by this Python."""
    lines = [line.strip() for line in README.splitlines() if line.startswith("    ") and all(w in line for w in words)]
    return [[sys.executable, *line.split()[1:]] for line in lines]


def read_until(stream: IO[str], pattern: str) -> str:
    """What the pattern finds, in the first line that has it."""
    for line in stream:
        if found := re.search(pattern, line):
            return found[0]
    raise AssertionError(f"it ended without {pattern}")


def test_the_finished_lab_1_is_greeted_by_any_client() -> None:
    """The two commands under "The finished lab is a WebSocket server": what is typed comes back."""
    [serve], [greet] = commands("serve lab1"), commands("-m websockets ws://127.0.0.1:8765")
    serve = [{"labs": "solutions", "8765": "0"}.get(word, word) for word in serve]
    server = subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server, server.stdout:
        try:
            url = read_until(server.stdout, r"ws://127\.0\.0\.1:\d+")
            client = subprocess.Popen(
                [*greet[:-1], url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            assert client.stdin is not None
            assert client.stdout is not None
            with client:
                client.stdin.write("hello\n")
                assert read_until(client.stdout, "< hello")
                client.stdin.close()
        finally:
            server.terminate()


def test_progress_lies_where_midspan_home_says(tmp_path: Path) -> None:
    """A class may keep each learner's progress apart from a course that all share."""
    script = "from midspan.grading import progress; print(progress.path())"
    environment = os.environ | {"MIDSPAN_HOME": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert Path(said.stdout.strip()).is_relative_to(tmp_path)

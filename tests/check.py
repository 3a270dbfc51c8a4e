"""`make check`: whether an edit is right, in at most a minute and a half.

Style, types and contracts run beside the tests that the changed files reach, nearest first, until the time is over.

    make check               # what differs from the last commit
    make check BASE=main     # and what was committed since main
    make check SECONDS=120   # more time for the tests
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.budget import SAYS, some
from tests.choice import Chosen, affordable, choose
from tests.course import ROOT
from tests.import_map import ImportMap

BIN = Path(sys.executable).parent
SECONDS = 60.0
SHOWN = 10  # chosen files
MANY = 3.0  # so many times the budget is chosen: the workers share it, and what we know of a file's time is a guess

LINT = {
    "style": [sys.executable, "-m", "ruff", "check", "--quiet", "."],
    "contracts": [str(BIN / "lint-imports"), "--no-cache", "--no-logo"],
    "types": [sys.executable, "-m", "mypy"],
}
PYTEST = ["-p", "tests.budget", "-q", "--tb=short", "--no-header", "--nbval", "--dist=loadfile"]
PYTEST += ["--max-worker-restart=0", "--maxfail=5"]  # a module that is broken says so soon


# What changed


def git(root: Path, *words: str) -> list[str]:
    """The files that a git command lists.

    Raises:
        SystemExit: git failed; its own words say why.
    """
    ran = subprocess.run(["git", *words, "-z"], cwd=root, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"git {' '.join(words)} failed: {ran.stderr.strip()}")
    return [name for name in ran.stdout.split("\0") if name]


def changed_files(root: Path, base: str = "") -> list[str]:
    """What differs from the last commit, what git does not know yet, and what was committed since `base`."""
    found = git(root, "diff", "--name-only", "--no-renames", "--relative", "HEAD")
    found += git(root, "ls-files", "--others", "--exclude-standard")
    if base:
        found += git(root, "diff", "--name-only", "--no-renames", "--relative", f"{base}...HEAD")
    return sorted(set(found))


# What runs


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    name: str
    code: int
    output: str
    seconds: float

    @property
    def is_good(self) -> bool:
        return self.code == 0

    def __str__(self) -> str:
        """One line when all is well, else what the tool printed."""
        told = [line.removeprefix(SAYS) for line in self.output.splitlines() if line.startswith(SAYS)]
        words = told[-1] if told else "good" if self.is_good else "BAD"
        line = f"   {self.name:10}{self.seconds:5.1f} s  {words}"
        return line if self.is_good else f"{line}\n{self.output.strip()}"


def run(name: str, command: Sequence[str], root: Path = ROOT) -> Ran:
    """Run a command and print what came of it."""
    began = time.monotonic()
    ran = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    came = Ran(name, ran.returncode, ran.stdout, time.monotonic() - began)
    print(came, flush=True)
    return came


def pytest_command(chosen: Sequence[Chosen], seconds: float, workers: str) -> list[str]:
    """The tests of these files in this order; none begins after so many seconds from now."""
    parts = [f"--only={it.path}={it.only}" for it in chosen if it.only]
    timing = [f"--until={time.time() + seconds}", "-n", workers, "-m", "not alone"]
    return [sys.executable, "-m", "pytest", *PYTEST, *timing, *parts, *(it.path for it in chosen)]


def lint(root: Path) -> list[Ran]:
    """One after the other: the tests need the second core."""
    return [run(name, command, root) for name, command in LINT.items()]


def check(chosen: Sequence[Chosen], options: argparse.Namespace, root: Path = ROOT) -> int:
    """Run all stages, the tests beside the others; 1 when one failed."""
    with ThreadPoolExecutor(1) as beside:
        linted: Future[list[Ran]] = beside.submit(lint, root)
        tested = run("tests", pytest_command(chosen, options.seconds, options.workers), root) if chosen else None
        stages = [*linted.result(), *([tested] if tested else [])]
    bad = [stage.name for stage in stages if not stage.is_good]
    say(f"Not right: {', '.join(bad)}" if bad else "Right, as far as this went; `make test` runs every test")
    return 1 if bad else 0


# What is said


def say(words: str) -> None:
    print(f"== {words}", flush=True)


def introduce(changed: Sequence[str], found: Sequence[Chosen], chosen: Sequence[Chosen]) -> None:
    """Which files changed, which tests were chosen for them, and why."""
    if not changed:
        say("Nothing has changed since the last commit: style, types and contracts only")
        return
    say(f"Changed: {some(changed)}. {reach(len(found))}")
    print(*(f"   {it}" for it in chosen[:SHOWN]), *more(len(chosen) - SHOWN), sep="\n", end="\n" if chosen else "")
    left = [it.path for it in found if it not in chosen]
    if left:
        say(f"Left to `make test`, as long or far: {some(left)}")


def reach(count: int) -> str:
    """How many files of tests are reached, as a sentence."""
    if not count:
        return "No test is reached: style, types and contracts only"
    return f"{count} files of tests are reached, nearest first:" if count > 1 else "One file of tests is reached:"


def more(count: int) -> list[str]:
    return [f"   and {count} more"] if count > 0 else []


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Choose, run, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default="", help="count what was committed since this commit too")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no test begins later than this")
    parser.add_argument("--workers", default="3")
    options = parser.parse_args(arguments)
    changed = changed_files(root, options.base)
    found = choose(ImportMap(root, gone=changed), changed) if changed else []
    chosen = affordable(found, MANY * options.seconds)
    introduce(changed, found, chosen)
    return check(chosen, options, root)


if __name__ == "__main__":
    sys.exit(main())

"""The course on the other Pythons of this machine: its notebooks by nbval, its solutions judged, its labs' tests.

    make test-pythons                                     # pyenv's and Debian's, but the one of `make test`
    make test-pythons PYTHONS="python3.13 /opt/bin/python"   # these

Each gets an environment in .venvs/VERSION, by the rule that fills .venv. What its stages print goes to files there.
This runs in any Python 3.11 before there is an environment, so it needs the standard library alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
ASK_VENV = "import venv, ensurepip"
DEBIAN = Path("/usr/bin")
DEBIANS = re.compile(r"python3\.\d+")
STAGES = ("notebooks", "judge", "labs")
LAST_LINES = 40  # of a stage that failed

# Of the labs' tests, those that speak of texts, of Node or of time, or that judge once more: one Python is enough.
SAME_EVERYWHERE = ("_notebook", "_notebooks", "_words", "_javascript", "_throughput", "_judge")

Version = tuple[int, ...]


class Unusable(Exception):
    """A Python on which nothing can be tried; the sentence that says why."""


@dataclass
class Tried:
    """What became of one Python: a stage's outcome in a few words, and how long all took."""

    version: str
    failed: bool = False
    words: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


# Which Pythons


def candidates(home: Path, debian: Path = DEBIAN) -> list[Path]:
    """The interpreters of pyenv (its folder is `home`), then the distribution's own."""
    theirs = [path for path in debian.glob("python3.*") if DEBIANS.fullmatch(path.name)]
    return [*sorted(home.glob("versions/*/bin/python")), *sorted(theirs)]


def named(words: str) -> list[Path]:
    """The interpreters that PYTHONS names, as paths or as commands.

    Raises:
        SystemExit: one of them is not here.
    """
    found = {word: shutil.which(word) for word in words.split()}
    missing = [word for word, path in found.items() if path is None]
    if missing:
        raise SystemExit(f"PYTHONS names {', '.join(missing)}, which this machine does not have.")
    return [Path(path) for path in found.values() if path]


def version_of(python: Path) -> str:
    """Such as "3.12.1"; "" for a program that does not run, or does not say."""
    try:
        said = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said if re.fullmatch(r"\d+\.\d+\.\d+", said) else ""


def number(version: str) -> Version:
    """ "3.12.1" as a tuple, which compares."""
    return tuple(map(int, version.split(".")))


def oldest() -> Version:
    """The oldest Python that pyproject.toml allows."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    return number(asked.removeprefix(">="))


def chosen(pythons: Iterable[Path], tested: str = "") -> tuple[dict[str, Path], list[str]]:
    """One interpreter of each version that the course allows, but the version `tested`.

    Returns:
        Version -> interpreter, oldest version first; and a sentence for each interpreter that is left out.
    """
    found: dict[str, Path] = {}
    left_out = []
    for python in pythons:
        version = version_of(python)
        reason = _reason_against(version, tested, found)
        if reason:
            left_out.append(f"{python} is left out: {reason}.")
        else:
            found[version] = python
    return dict(sorted(found.items(), key=lambda each: number(each[0]))), left_out


def _reason_against(version: str, tested: str, found: Container[str]) -> str:
    if not version:
        return "it does not run"
    if number(version) < oldest():
        return f"{version} is older than pyproject.toml allows"
    if version in found:
        return f"there is another {version}"
    return f"`make test` uses {version}" if version == tested else ""


# An environment for each


def fill(python: Path, environment: Path) -> bool:
    """Make the environment, or bring it up to date, by the Makefile's rule: whether that went well.

    Raises:
        Unusable: this Python can make none.
    """
    if not _has_venv(python) and not (_may_install(python) and _install_venv() and _has_venv(python)):
        raise Unusable(f"{python} came without venv or ensurepip. On Debian and Ubuntu: apt-get install python3-venv")
    ready = environment / ".ready"
    make = ["make", "--no-print-directory", f"PYTHON={python}", f"VENV={environment}", str(ready)]
    return subprocess.run(make, cwd=ROOT).returncode == 0


def _has_venv(python: Path) -> bool:
    return subprocess.run([python, "-c", ASK_VENV], capture_output=True).returncode == 0


def _may_install(python: Path) -> bool:
    """Root may, on Debian, for Debian's own Python."""
    release = Path("/etc/os-release")
    is_debian = release.exists() and "ID=debian" in release.read_text("utf-8").splitlines()
    return is_debian and os.getuid() == 0 and python.parent == DEBIAN


def _install_venv() -> bool:
    say("No venv for Debian's Python here: installing python3-venv")
    install = "apt-get -qq update && apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null"
    return subprocess.run(["sh", "-c", install], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}).returncode == 0


# What is tried


def commands(stage: str, python: Path, workers: str) -> list[list[str]]:
    """The commands of a stage, in the environment's interpreter."""
    pytest = [str(python), "-m", "pytest", "-q", "-n", workers, "--dist", "loadfile"]
    if stage == "notebooks":
        return [[*pytest, "--nbval", "notebooks", "solutions"]]
    if stage == "labs":
        return [[*pytest, *lab_tests()]]
    return [
        [str(python), "-m", "midspan", "judge", str(lab)] for lab in sorted((ROOT / "solutions").glob("lab*.ipynb"))
    ]


def lab_tests() -> list[str]:
    """The tests of the labs and of their banks that depend on the Python."""
    found = sorted(path for path in (ROOT / "tests").glob("test_lab*_*.py") if not path.stem.endswith(SAME_EVERYWHERE))
    return ["tests/test_bank.py", *(f"tests/{path.name}" for path in found)]


def run(stage: str, environment: Path, workers: str) -> tuple[bool, str]:
    """Run a stage: whether it passed, and its outcome in a few words. Prints the end of its output if it failed."""
    log = environment / f"{stage}.log"
    with log.open("wb") as file:
        asked = commands(stage, environment / "bin" / "python", workers)
        codes = [subprocess.run(it, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT).returncode for it in asked]
    lines = log.read_text("utf-8", errors="replace").splitlines()
    if any(codes):
        print("\n".join([*lines[-LAST_LINES:], f"(all of it: {log})"]), flush=True)
    return not any(codes), outcome(stage, codes, lines)


def outcome(stage: str, codes: Sequence[int], lines: Sequence[str]) -> str:
    """pytest's counts, or how many labs passed."""
    if stage == "judge":
        return f"{codes.count(0)} of {len(codes)} labs"
    counts = re.findall(r"\d+ (?:passed|failed|errors?)", lines[-1] if lines else "")
    return ", ".join(counts) or "did not run"


def attempt(version: str, python: Path, workers: str) -> Tried:
    """All stages on one Python; a line for each with the seconds that it took."""
    began, environment = time.monotonic(), VENVS / version
    try:
        filled = fill(python, environment)
    except Unusable as why:
        say(f"{version} is skipped: {why}")
        return Tried(version, words=dict.fromkeys(STAGES, "skipped"))
    if not filled:
        say(f"{version}: its environment could not be filled; the lines above say why")
        return Tried(version, failed=True, words=dict.fromkeys(STAGES, "did not run"))
    tried = Tried(version)
    for stage in STAGES:
        since = time.monotonic()
        passed, tried.words[stage] = run(stage, environment, workers)
        tried.failed |= not passed
        say(f"{version} {stage}: {tried.words[stage]} ({time.monotonic() - since:.0f} s)")
    tried.seconds = time.monotonic() - began
    return tried


def table(all_tried: Sequence[Tried]) -> str:
    """A row for each Python."""
    rows: list[tuple[str, ...]] = [("Python", *STAGES, "seconds")]
    rows += [(it.version, *(it.words.get(stage, "") for stage in STAGES), f"{it.seconds:.0f}") for it in all_tried]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def say(words: str) -> None:
    print(f"== {words}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every Python that is asked for; 1 when one failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tested", type=Path, help="the interpreter that `make test` uses: its version is left out")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--pythons", default="", help="interpreters, with spaces between; else those that are found")
    options = parser.parse_args(arguments)
    pythons, left_out = pick(options.pythons, options.tested)
    for sentence in left_out:
        say(sentence)
    say(f"Trying {', '.join(pythons)}" if pythons else "No other Python here: nothing to try")
    all_tried = [attempt(version, python, options.workers) for version, python in pythons.items()]
    if all_tried:
        print(table(all_tried))
    return int(any(it.failed for it in all_tried))


def pick(words: str, tested: Path | None) -> tuple[dict[str, Path], list[str]]:
    """Those that `words` names; else those of the machine, but the version of `tested`. What `chosen` returns."""
    if words:
        return chosen(named(words))
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return chosen(candidates(home), version_of(tested) if tested else "")


if __name__ == "__main__":
    sys.exit(main())

"""The doors: one set of versions, commands that exist, sentences instead of stack traces."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.course import ROOT, found

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
PAPERS = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}


def pins() -> dict[str, set[str]]:
    """The lock's versions; a name has two where two Pythons need different ones."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def pythons() -> list[str]:
    """The Pythons that the package names, oldest first."""
    said = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in PROJECT["classifiers"])
    return [match[1] for match in said if match]


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


# Versions stand once


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_the_lock_keeps_to_pyproject(extra: str) -> None:
    """Each dependency is pinned, and every pin lies within the range that pyproject.toml states."""
    asked = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    pinned = pins()
    for requirement in map(Requirement, asked):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in requirements.lock: run make lock"
        assert all(version in requirement.specifier for version in versions), f"{requirement}, locked {versions}"


def test_the_lock_pins_hashes_and_no_address() -> None:
    """pip takes the lock whole, in its hash-checking mode, from wherever the machine gets its packages."""
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^\s*-(?!-hash=sha256:[0-9a-f]{64}( \\)?$)", lock, re.MULTILINE), "an option, or no sha256"
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert all(re.match(r"[\w.-]+==\S+ ", entry) and "--hash=sha256:" in entry for entry in entries)


def test_what_builds_the_package_is_locked() -> None:
    """The editable install runs without build isolation, so that nothing unhashed is fetched on the way."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {Requirement(line).name for line in build} <= set(pins())


def test_the_conda_door_adds_no_version() -> None:
    """environment.yml names a Python of ours and pip; every other version comes from the lock."""
    *packages, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert pip == {"pip": ["--require-hashes", "-r requirements.lock"]}
    assert [package.partition("=")[0] for package in packages] == ["python", "pip"]
    assert packages[0].partition("=")[2] in pythons()
    assert packages[1] == "pip"


def test_the_pythons_are_the_ones_we_say() -> None:
    """We name what we have tried: README's versions, all within requires-python, and the one that runs this."""
    said = re.search(r"We have run it on Linux with ([\d., and]+)\.", README)
    assert said, "README does not say which Pythons were tried"
    assert pythons() == sorted({version.rpartition(".")[0] for version in re.findall(r"3\.\d+\.\d+", said[1])})
    assert all(f"{python}.0" in SpecifierSet(PROJECT["requires-python"]) for python in pythons())
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in pythons()


def test_the_second_step_of_the_conda_door() -> None:
    """repo2docker runs postBuild: it can be run, and it installs the package without touching versions."""
    post_build = ROOT / "postBuild"
    assert os.access(post_build, os.X_OK)
    assert "pip install --no-deps --no-build-isolation --editable ." in post_build.read_text()


# The doors


def test_ci_goes_through_the_doors_of_everybody() -> None:
    """.ci/run can be run, stops at the first failure, and calls nothing but make test and make test-pythons."""
    assert os.access(ROOT / ".ci/run", os.X_OK)
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test", "exec make test-pythons"]


@pytest.mark.parametrize("paper", PAPERS)
def test_each_make_command_that_we_name_exists(paper: str) -> None:
    """A door that README or CONTRIBUTING names is one that `make help` lists."""
    doors = set(re.findall(r"^make ([\w-]+)", make("help").stdout, re.MULTILINE))
    named = set(re.findall(r"(?:`|^ *)make ([\w-]+)", PAPERS[paper], re.MULTILINE))
    assert named, "it names no door"
    assert named <= doors


@pytest.mark.parametrize("paper", PAPERS)
def test_each_command_of_the_package_that_we_name_exists(paper: str) -> None:
    """`python -m midspan WORD` answers to --help for each WORD that we tell people to type."""
    named = set(re.findall(r"-m midspan (\w+)", PAPERS[paper]))
    assert named
    for word in named:
        asked = subprocess.run([sys.executable, "-m", "midspan", word, "--help"], capture_output=True, text=True)
        assert asked.returncode == 0, f"python -m midspan {word}: {asked.stderr}"


@pytest.mark.parametrize("paper", PAPERS)
def test_each_file_that_we_point_at_exists(paper: str) -> None:
    """Links and pictures with a relative target lead somewhere."""
    targets = re.findall(r"\]\(([^)#]+)", PAPERS[paper])
    assert targets
    missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
    assert missing == []


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A file newer than the lock: what stands for it is there, and make has nothing to do for it."""
    (tmp_path / "made").touch()
    return tmp_path / "made"


@pytest.mark.skipif(os.name == "nt", reason="a user id is a thing of POSIX")
def test_root_is_allowed_only_where_it_is_root(made: Path) -> None:
    """JupyterLab refuses to start as root unless told; nobody else is told."""
    said = make("--dry-run", "study", f"READY={made}", f"PY={made}").stdout
    assert ("--allow-root" in said) == (os.getuid() == 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
@pytest.mark.parametrize(("display", "flag"), [("", True), (":0", False)])
def test_no_browser_is_opened_without_a_screen(display: str, flag: bool, made: Path) -> None:
    """Without a display the address is printed and no browser is looked for."""
    said = make("--dry-run", "study", f"READY={made}", f"PY={made}", DISPLAY=display, WAYLAND_DISPLAY="").stdout
    assert ("--no-browser" in said) is flag


@pytest.mark.skipif(os.name == "nt", reason="a stand-in for python3 is a shell script")
@pytest.mark.parametrize(
    ("stand_in", "sentence"),
    [
        ('echo "Python 3.8.1"; case "$1" in --version) ;; *) exit 1;; esac', "needs Python 3.11 or newer, but"),
        ('echo "Python 3.12.1"; case "$2" in *ensurepip*) exit 1;; esac', "came without venv or ensurepip"),
    ],
    ids=["too old", "no ensurepip"],
)
def test_a_python_that_will_not_do_gets_a_sentence(stand_in: str, sentence: str, tmp_path: Path) -> None:
    """What was expected, what came, what to do: and nothing is left half made."""
    fake = tmp_path / "python3"
    fake.write_text(f"#!/bin/sh\n{stand_in}\n")
    fake.chmod(0o755)
    done = make("study", f"PYTHON={fake}", f"VENV={tmp_path / 'env'}")
    assert done.returncode != 0
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "env").exists()


def test_a_python_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    """A name that leads nowhere is told like a Python that is too old."""
    done = make("study", f"PYTHON={tmp_path / 'nowhere'}", f"VENV={tmp_path / 'env'}")
    assert "needs Python 3.11 or newer" in done.stdout


def test_the_second_make_does_nothing(tmp_path: Path) -> None:
    """A stamp newer than the lock means: the environment is as it should be."""
    stamp = tmp_path / ".ready"
    stamp.touch()
    done = make(f"READY={stamp}", f"PY={sys.executable}", str(stamp))
    assert "up to date" in done.stdout


# README


def test_the_reading_order_is_the_notebooks_own() -> None:
    """Each notebook and lab stands in README's table with the minutes that its metadata states, in order."""
    rows = re.findall(r"^\| \[`[^`]+`\]\(([^)]+)\) \|.*\| (\d+) \|$", README, re.MULTILINE)
    minutes = {f"{it.folder}/{it.path.name}": it.about["minutes"] for it in found("notebooks", "labs")}
    assert {path: int(said) for path, said in rows} == minutes
    for folder in ("notebooks/", "labs/"):
        names = [path for path, _ in rows if path.startswith(folder)]
        assert names == sorted(names)

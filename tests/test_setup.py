"""The doors: one set of versions, commands that exist, sentences instead of stack traces."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
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

needs_a_shell = pytest.mark.skipif(os.name == "nt", reason="a stand-in for a Python is a shell script")


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
    """.ci/run can be run, stops at the first failure, and calls nothing but make test and make test-pythons.

    Its last line is that of the first of them, which is pytest's.
    """
    assert os.access(ROOT / ".ci/run", os.X_OK)
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-3:] == ['make test 2>&1 | tee "$log"', "make test-pythons", 'tail -n 1 "$log"']
    assert sum("make " in line for line in lines) == 2


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


@needs_a_shell
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


# Filling the environment: install.py, with a stand-in for pip


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an environment that has pip already, and whose Python is a shell script."""

    def made(script: str) -> Path:
        (tmp_path / "env/bin").mkdir(parents=True)
        (tmp_path / "env/lib/python3/site-packages/pip-1.dist-info").mkdir(parents=True)
        (tmp_path / "env/bin/python").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "env/bin/python").chmod(0o755)
        return tmp_path / "env"

    return made


def fill(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "install.py", folder], cwd=ROOT, capture_output=True, text=True)


@needs_a_shell
def test_each_stage_is_a_line_and_what_pip_says_goes_to_the_log(environment: Callable[[str], Path]) -> None:
    """Three stages with their seconds; how many packages and megabytes; not a word of pip's on the screen."""
    folder = environment('echo "pip was asked: $*"')
    done = fill(folder)
    assert done.returncode == 0
    stages = re.findall(r"^   (\d)/3 .*, \d+ s$", done.stdout, re.MULTILINE)
    assert stages == ["1", "2", "3"]
    assert f"{len(pins())} packages, about 900 MB" in done.stdout
    assert "pip was asked" not in done.stdout + done.stderr
    log = (folder / "install.log").read_text()
    assert "--require-hashes" in log
    assert "--editable" in log


@needs_a_shell
@pytest.mark.parametrize(
    ("said", "do"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "free 2 GB"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "mirror of PyPI"),
        ("WARNING: Retrying: NewConnectionError(...)\nERROR: No matching distribution found for h11", "HTTPS_PROXY"),
        ("ERROR: No matching distribution found for numpy==99", "with another Python"),
        ("Segmentation fault", "make clean"),
    ],
    ids=["disk", "hashes", "network", "no wheel", "other"],
)
def test_a_failure_of_pip_says_what_to_do_and_names_the_log(
    said: str, do: str, environment: Callable[[str], Path]
) -> None:
    """One line on the screen: what pip said last, what to do, where all of it is."""
    folder = environment(f"printf '%s\n' 'Collecting h11' '{said}'; exit 1")
    done = fill(folder)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert said.splitlines()[-1].removeprefix("ERROR: ") in last
    assert do in last
    assert str(folder / "install.log") in last
    assert "Traceback" not in done.stdout + done.stderr
    assert "is ready" not in done.stdout


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = fill(tmp_path / "file/env")
    assert done.returncode == 1
    assert "cannot be written" in done.stdout
    assert "make study VENV=" in done.stdout
    assert done.stderr == ""


@needs_a_shell
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_pip_too(which: signal.Signals, environment: Callable[[str], Path], tmp_path: Path) -> None:
    """A pip that waits for the network is ended with the script, and the learner reads how to go on."""
    os.mkfifo(tmp_path / "network")
    folder = environment(f"exec cat {tmp_path / 'network'}")
    command = [sys.executable, "install.py", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as filling:
        assert filling.stdout is not None
        with (tmp_path / "network").open("w"):  # opens when pip has begun to read, and no byte ever comes
            filling.send_signal(which)
            said = filling.stdout.read()
    assert "The same command goes on from here" in said
    assert "Traceback" not in said
    assert filling.returncode == 130


# The package, where it lies


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an editable install of the course puts into an environment; the course lies in a folder with an umlaut."""
    course = tmp_path_factory.mktemp("course") / "Übung mit Lücken"
    for name in ("src", "jupyter"):
        shutil.copytree(ROOT / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, course)
    program = "from hatchling.build import build_editable; print(build_editable('.'))"
    built = subprocess.run([sys.executable, "-c", program], cwd=course, capture_output=True, text=True, check=True)
    wheel = course / built.stdout.split()[-1]
    with zipfile.ZipFile(wheel) as files:
        files.extractall(course / "environment")
    return course / "environment"


def test_a_path_with_spaces_and_umlauts_is_found_in_the_c_locale(editable: Path) -> None:
    """`LC_ALL=C`: Python reads a .pth file in that locale's encoding, and the course is found all the same."""
    program = "import site, sys; site.addsitedir(sys.argv[1]); import midspan; print(ascii(midspan.__file__))"
    # without the environment's own packages, in which midspan is ROOT's
    clean = "import sys; sys.meta_path[:] = [it for it in sys.meta_path if 'Redirecting' not in str(it)]; "
    clean += "sys.modules.pop('editables.redirector', None); sys.modules.pop('_editable_impl_midspan', None); "
    found = subprocess.run(
        [sys.executable, "-c", clean + program, editable],
        cwd=editable,
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == ascii(str(editable.parent / "src/midspan/__init__.py"))


def test_an_editable_install_brings_the_settings_of_jupyterlab(editable: Path) -> None:
    """They lie where Jupyter looks for an environment's settings, so that they hold at each door."""
    [data] = editable.glob("*.data/data/etc/jupyter")
    names = {str(path.relative_to(data)) for path in data.rglob("*.json")}
    assert names == {str(path.relative_to(ROOT / "jupyter")) for path in (ROOT / "jupyter").rglob("*.json")}
    assert "labconfig/page_config.d/midspan.json" in names


# README


def test_the_reading_order_is_the_notebooks_own() -> None:
    """Each notebook and lab stands in README's table with the minutes that its metadata states, in order."""
    rows = re.findall(r"^\| \[`[^`]+`\]\(([^)]+)\) \|.*\| (\d+) \| (\d+|-) \|$", README, re.MULTILINE)
    stated = {f"{it.folder}/{it.path.name}": it.about for it in found("notebooks", "labs")}
    minutes = {path: (str(about["minutes"]), str(about.get("deeper_minutes", "-"))) for path, about in stated.items()}
    assert {path: (core, more) for path, core, more in rows} == minutes
    for folder in ("notebooks/", "labs/lab"):
        names = [path for path, *_ in rows if path.startswith(folder)]
        assert names == sorted(names)

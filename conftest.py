"""What holds for the tests and for the notebooks alike (nbval collects those from outside tests/)."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.shares import Shares, seconds
from tests.turns import is_alone, turn
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Figures, and what the machine says on the side. Every table and picture of ours has a text twin, which is compared.
NOT_COMPARED = ("stderr", "text/html", "image/svg+xml", "image/png")

FOLDER = "MIDSPAN_TESTS_FOLDER"  # of a whole run; where several processes test, they inherit it

_folder = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_made = pytest.StashKey[set[str]]()  # what a test has been alone for, in this process


def pytest_configure(config: pytest.Config) -> None:
    """Kernels inherit folders of their own: a test run leaves the learner's progress and history alone.

    A shell in the background (`nohup make test &`) starts us with Ctrl-C ignored, and what we start inherits that. Some
    tests are about Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    worker = getattr(config, "workerinput", {})
    if not worker:
        config.stash[_folder] = tempfile.TemporaryDirectory(prefix="midspan-home-")
        os.environ[FOLDER] = config.stash[_folder].name
    own = Path(os.environ[FOLDER], worker.get("workerid", ""))
    own.mkdir(exist_ok=True)
    for name in ("MIDSPAN_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        os.environ[name] = str(own / name.lower())


def pytest_unconfigure(config: pytest.Config) -> None:
    if _folder in config.stash:
        config.stash[_folder].cleanup()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of pytest-timeout: to wait for one's turn is no hanging test
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Where several processes test (`-n 3`), a test that is marked `alone` runs when no other does."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    mark, made = item.get_closest_marker("alone"), item.config.stash.setdefault(_made, set())
    with turn(Path(os.environ[FOLDER]), alone=is_alone(mark.args if mark else None, made)):
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first; the order within a file stays. With a time budget (tests/budget.py): as they were named."""
    if config.getoption("until", None) is None:
        items.sort(key=lambda item: -seconds(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Our shares in place of xdist's files, in the order of the collection."""
    if config.option.dist != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Shares(config, log)


def pytest_collectstart(collector: pytest.Collector) -> None:
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED

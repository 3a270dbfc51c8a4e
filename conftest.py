"""What holds for the tests and for the notebooks alike (nbval collects those from outside tests/)."""

from __future__ import annotations

import os
import tempfile

import pytest

# Figures, and what the machine says on the side. Every table and picture of ours has a text twin, which is compared.
NOT_COMPARED = ("stderr", "text/html", "image/svg+xml", "image/png")

_home = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels inherit folders of their own: a test run leaves the learner's progress and history alone."""
    config.stash[_home] = tempfile.TemporaryDirectory(prefix="midspan-home-")
    for name in ("MIDSPAN_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        os.environ[name] = os.path.join(config.stash[_home].name, name.lower())


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_home].cleanup()


def pytest_collectstart(collector: pytest.Collector) -> None:
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED

"""The arrows between the layers point down, and a wrong arrow is seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What must be caught: the module it is written into, the line, and the contract that must name it.
WRONG_ARROWS = {
    "up": ("protocols/capture.py", "import midspan.experiments", "Arrows between the layers point down"),
    "over": ("net/servers.py", "import midspan.grading", "Arrows between the layers point down"),
    "clock": ("protocols/capture.py", "import time", "Protocols know no clock, no socket, no loop"),
    "loop": ("errors.py", "import asyncio", "Protocols know no clock, no socket, no loop"),
    "picture": ("grading/__init__.py", "import matplotlib.pyplot", "Only pictures know pandas, matplotlib and IPython"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of pyproject.toml, over the package that lies in `folder`/src."""
    program = f"import sys; sys.path.insert(0, {str(folder / 'src')!r}); from importlinter.cli import lint_imports; "
    program += "sys.exit(lint_imports(no_cache=True, no_logo=True))"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)


def test_the_arrows_point_down() -> None:
    """Every contract holds in the package as it stands."""
    seen = lint(ROOT)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert " 0 broken" in seen.stdout


@pytest.mark.parametrize("name", WRONG_ARROWS)
def test_a_wrong_arrow_is_seen(name: str, tmp_path: Path) -> None:
    """A copy of the package with one wrong import breaks the contract meant for it, and says where."""
    module, line, contract = WRONG_ARROWS[name]
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "src/midspan" / module).open("a") as file:
        file.write(f"\n{line}\n")
    seen = lint(tmp_path)
    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert f"{contract} BROKEN" in seen.stdout
    assert module.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".") in seen.stdout

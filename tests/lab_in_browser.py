"""JupyterLab, started by `make study`, and a headless Chromium that drives it through its own commands and models.

Clicking at places would break with each release of JupyterLab. Its commands, and the notebook's model as JSON, last.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from tests.course import ROOT, Cell
from tests.left_behind import children

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Without a sandbox (CI runs as root), without a GPU, and without Chromium's own traffic.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
ANSWER_MS = 60_000
HELPERS_END_S = 20.0

OPEN = """async path => {
    await window.jupyterapp.restored;
    const panel = await window.jupyterapp.commands.execute('docmanager:open', {path});
    await panel.context.ready;
    await panel.sessionContext.ready;
    window.panel = panel;
}"""
# The notebook that the address names opens by itself: until its kernel is there, it could open in the middle of a test.
STARTED = """async path => {
    const app = window.jupyterapp;
    await app.restored;
    const opened = () => [...app.shell.widgets('main')].find(widget => widget.context?.path === path);
    while (!opened()) await new Promise(turn => requestAnimationFrame(turn));
    await opened().sessionContext.ready;
}"""
CELLS = "() => window.panel.content.model.toJSON().cells"
RUN_ALL = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
WRITE = "([number, text]) => window.panel.content.model.cells.get(number).sharedModel.setSource(text)"
RUN_ONE = """async number => {
    window.panel.content.deselectAll();
    window.panel.content.activeCellIndex = number;
    await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
SHOW = """async number => {
    window.jupyterapp.shell.activateById(window.panel.id);  // the start page's notebook may have opened after ours
    const cell = window.panel.content.widgets[number];
    await window.panel.content.scrollToItem(number, 'start');
    await cell.ready;
    cell.node.setAttribute('data-shown', number);
}"""

SAVE = """async () => {
    await window.panel.sessionContext.session.kernel.info;
    const saved = new Promise(done => window.panel.context.saveState.connect(
        (_, state) => state.startsWith('completed') && done(state)));
    await window.jupyterapp.commands.execute('docmanager:save');
    return await saved;
}"""
TRUSTED = (
    """() => [...window.panel.content.model.cells].filter(cell => cell.type === 'code').map(cell => cell.trusted)"""
)

HIDDEN = "() => window.panel.content.widgets.map(cell => Boolean(cell.outputHidden))"
FOLDED = "() => window.panel.content.widgets.map(cell => Boolean(cell.headingCollapsed))"

CLOSE = """async () => {
    await window.panel.sessionContext.shutdown();
    window.panel.context.model.dirty = false;
    window.panel.close();
}"""


@dataclass
class Lab:
    """One JupyterLab page."""

    page: Page

    def open(self, path: str) -> None:
        """Open a notebook and wait until its kernel is there."""
        self.page.evaluate(OPEN, path)

    def run_all(self) -> list[Cell]:
        """Run > Run All Cells; it ends at the first cell that raises, as it does for a learner."""
        self.page.evaluate(RUN_ALL)
        return self.cells()

    def run(self, number: int) -> Cell:
        self.page.evaluate(RUN_ONE, number)
        return self.cells()[number]

    def write(self, number: int, source: str) -> None:
        """What pasting into a cell does."""
        self.page.evaluate(WRITE, [number, source])

    def cells(self) -> list[Cell]:
        return [Cell(raw) for raw in self.page.evaluate(CELLS)]

    def save(self) -> None:
        """Save the notebook when its kernel has said what it is, as JupyterLab does by itself after a while."""
        assert self.page.evaluate(SAVE) == "completed"

    def trusted(self) -> list[bool]:
        """Whether JupyterLab shows the stored output of each code cell as it stands."""
        return list(self.page.evaluate(TRUSTED))

    def hidden(self) -> frozenset[int]:
        """The places of the cells whose outputs are hidden, counted from 0."""
        return frozenset(number for number, hidden in enumerate(self.page.evaluate(HIDDEN)) if hidden)

    def folded(self) -> frozenset[int]:
        """The places of the headings that are folded."""
        return frozenset(number for number, folded in enumerate(self.page.evaluate(FOLDED)) if folded)

    def commands(self) -> list[str]:
        """What the command palette and the menus can call."""
        return list(self.page.evaluate("() => window.jupyterapp.commands.listCommands()"))

    def has(self, plugin: str) -> bool:
        return bool(self.page.evaluate("name => window.jupyterapp.hasPlugin(name)", plugin))

    def picture(self, number: int, path: Path) -> bytes:
        """A screenshot of one cell's output, kept at `path`."""
        self.page.evaluate(SHOW, number)
        return kept(self.page.locator(f"[data-shown='{number}'] .jp-Cell-outputArea").screenshot(), path)

    def top(self) -> None:
        """Scroll to where the notebook begins."""
        self.page.evaluate(SHOW, 0)

    def close(self) -> None:
        """Close the notebook without saving it, and end its kernel."""
        self.page.evaluate(CLOSE)


def kept(png: bytes, path: Path) -> bytes:
    """The picture, and a file of it to look at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
    return png


def told(cell: Cell) -> str:
    """What a cell's outputs say, in text."""
    parts = [it.get("text") or it.get("evalue") or it.get("data", {}).get("text/plain", "") for it in cell.outputs]
    return "\n".join("".join(part) for part in parts)


@contextlib.contextmanager
def study(folder: Path, home: Path, start: str) -> Iterator[str]:
    """`make study` in a copy of the course, in the environment that runs the tests; gives the address it prints."""
    ready = home / "ready"
    ready.touch()  # newer than the lock: the environment is the tests' own
    options = f"--port={_free_port()} --LabApp.expose_app_in_browser=True"
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA")}
    process = subprocess.Popen(
        ["make", "study", f"PY={sys.executable}", f"READY={ready}", f"ARGS={options}", f"START={start}"],
        cwd=folder,
        env=os.environ | own | {"DISPLAY": "", "WAYLAND_DISPLAY": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process, process.stdout as lines:
        said: list[str] = []
        try:
            yield _address(lines, said)
        finally:
            drain = threading.Thread(target=said.extend, args=(lines,))
            drain.start()
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
            drain.join(30)
        assert not [line for line in said if re.search(r"App\]|Skipped|nbgrader", line)], "Jupyter's log on the screen"


def _address(lines: Any, said: list[str]) -> str:
    for line in lines:
        said.append(line)
        if found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/lab\S*token=\w+", line):
            return found[0]
    raise AssertionError("make study printed no address:\n" + "".join(said))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def course_copy(folder: Path) -> Path:
    """What a learner has after cloning, without what a run has left in it."""
    for name in ("notebooks", "labs", "solutions", "docs"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".*"))
    for name in ("Makefile", "pyproject.toml", "requirements.lock", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    return folder


def git(folder: Path, *words: str) -> str:
    """What git says in a folder, without the settings of this machine."""
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=learner", "-c", "user.email=learner@localhost", *words]
    done = subprocess.run(command, cwd=folder, env=os.environ | alone, capture_output=True, text=True, check=True)
    return done.stdout


def clone(folder: Path) -> Path:
    """A fresh clone of the course as it lies here, with what is not committed yet."""
    course_copy(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "the course")
    return folder


@contextlib.contextmanager
def lab(url: str) -> Iterator[Lab]:
    """A Chromium on JupyterLab's page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(ANSWER_MS)
        page.goto(url)
        page.wait_for_function("() => window.jupyterapp !== undefined")
        page.evaluate(STARTED, re.findall(r"/lab/tree/([^?]+)", url)[0])
        yield Lab(page)
        browser.close()
        wait_for_helpers()


def wait_for_helpers() -> None:
    """Chromium's own processes end by themselves, a little after the browser."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.wait_procs([child for child in children() if child.name().startswith("chrom")], timeout=HELPERS_END_S)

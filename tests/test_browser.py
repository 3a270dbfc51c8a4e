"""What a learner sees: JupyterLab from `make study`, in a headless Chromium.

Screenshots are kept in results/browser/, to be looked at.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from midspan.grading.sections import answering, deeper
from tests.course import ROOT, Cell, Notebook
from tests.lab_in_browser import CHROMIUM, Lab, course_copy, kept, lab, study, told
from tests.node import PACKAGES, needs_node

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `make test` installs one as root on Debian"),
]
PICTURES = ROOT / "results/browser"


def tiny() -> dict[str, Any]:
    """A notebook that proves the machinery: a cell to edit, a check that raises, a picture; then chapter 02's page."""
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" height="20"><rect fill="red" width="9" height="9"/></svg>'
    sources = ["answer = 'to do'", "assert answer == 'passed', answer\nprint(answer)"]
    sources += ["from IPython.display import SVG", f"SVG({drawing!r})"]
    sources += ["from midspan import Bench, live_page\nbench = await Bench()"]
    sources += ["await bench.enter(live_page(bench))", "await bench.close()"]
    blank: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [blank | {"id": f"c{number}", "source": source} for number, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


@pytest.fixture(scope="module")
def copied_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return course_copy(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory, copied_course: Path) -> Iterator[Lab]:
    course = copied_course
    (course / "tiny.ipynb").write_text(json.dumps(tiny()))
    if PACKAGES.exists():
        (course / PACKAGES.name).symlink_to(PACKAGES)
    with study(course, tmp_path_factory.mktemp("home"), "tiny.ipynb") as url, lab(url) as opened:
        yield opened


@pytest.fixture
def page(jupyter: Lab) -> Iterator[Lab]:
    yield jupyter
    jupyter.close()


def colours(png: bytes) -> int:
    """How many colours a picture has: a blank one has one or two."""
    pixels = numpy.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return len(numpy.unique(pixels.reshape(-1, 3), axis=0))


def errors(cells: list[Cell]) -> list[str]:
    """What went wrong in cells where nothing should."""
    expected = {"raises-exception"}
    kinds = [(cell, output) for cell in cells for output in cell.outputs if not expected & set(cell.tags)]
    return [f"{cell.source[:60]}: {output['evalue']}" for cell, output in kinds if output["output_type"] == "error"]


def test_the_machinery(page: Lab) -> None:
    """Open, run, edit, run again, look: on a notebook whose every output is known."""
    page.open("tiny.ipynb")
    assert "to do" in errors(page.run_all())[0]
    page.write(0, "answer = 'passed'")
    cells = page.run_all()
    assert errors(cells) == []
    assert told(cells[1]).strip() == "passed"
    assert colours(page.picture(3, PICTURES / "tiny.png")) > 1
    kept(page.page.screenshot(), PICTURES / "page.png")


@pytest.mark.parametrize("trusted", [True, False], ids=["by make study", "by nobody"])
def test_a_first_opening_shows_the_pictures(page: Lab, copied_course: Path, trusted: bool) -> None:
    """Before anything has run, each stored picture is an image with its colours, but for what is hidden or folded."""
    chapter = "notebooks/00_two_layers.ipynb"
    raw = json.loads((ROOT / chapter).read_text())
    if not trusted:  # a copy that came after `make study` had trusted the course's own
        raw["metadata"]["copied"] = True
        chapter = "notebooks/copied.ipynb"
        (copied_course / chapter).write_text(json.dumps(raw))
    page.open(chapter)
    left_out = answering(raw) | deeper(raw)
    drawn = [n for n, cell in enumerate(page.cells()) if _holds_a_picture(cell) and n not in left_out]
    assert len(drawn) > 2
    assert drawn[0] == 1, "the first picture stands on the first screen"
    for number in drawn:
        png = page.picture(number, PICTURES / f"opened_{'trusted' if trusted else 'untrusted'}_{number:02}.png")
        assert colours(png) > 8
    page.top()
    kept(page.page.screenshot(), PICTURES / f"opened_{'trusted' if trusted else 'untrusted'}.png")


def _holds_a_picture(cell: Cell) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


@needs_node("socket.io-client")
def test_the_live_page_comes_through_the_proxy(page: Lab) -> None:
    """The frame in the output finds its way by the Jupyter server's address; both protocols pass, polling too."""
    page.open("tiny.ipynb")
    assert errors([page.run(4), page.run(5)]) == []
    frame = page.page.frame_locator('iframe[title="the live page"]')
    frame.get_by_text("connected, over websocket").wait_for()
    frame.get_by_role("button").click()
    frame.locator("#socketio").get_by_text("hears the answer").wait_for()
    frame.locator("#raw .page").get_by_text("hears").wait_for()
    assert any("/proxy/" in it.url for it in page.page.frames)
    page.picture(5, PICTURES / "live_page_in_lab.png")
    assert "Still open: nothing" in told(page.run(6))


@pytest.mark.parametrize("chapter", ["01_framing", "02_event_wrapping"])
def test_run_all_ends_without_error_and_the_layers_are_seen(page: Lab, chapter: str) -> None:
    """A chapter from a fresh kernel: each cell ran, none failed, and the layered picture has its colours."""
    page.open(f"notebooks/{chapter}.ipynb")
    cells = page.run_all()
    assert errors(cells) == []
    assert all(cell.raw["execution_count"] for cell in cells if cell.is_code)
    layered = [number for number, cell in enumerate(cells) if _is_layered(cell)]
    assert layered, "no output shows a TLS record and a frame header in a picture"
    assert colours(page.picture(layered[0], PICTURES / f"layers_{chapter[:2]}.png")) > 8


def _is_layered(cell: Cell) -> bool:
    pictures = {"text/html", "image/svg+xml", "image/png"}
    drawn = any(pictures & set(output.get("data", {})) for output in cell.outputs)
    return drawn and "TLS record" in told(cell) and "frame header" in told(cell)


def test_a_check_says_to_do_then_passed(page: Lab) -> None:
    """The lab as it comes stops at its first check; with the solution's cell pasted in, that check passes."""
    page.open("labs/lab1_framing.ipynb")
    cells = page.run_all()
    exercise = next(number for number, cell in enumerate(cells) if cell.is_exercise)
    check = next(number for number, cell in enumerate(cells) if cell.is_check)
    assert "to do" in told(cells[check])
    page.write(exercise, _solved(cells[exercise].graded["grade_id"]))
    assert errors([page.run(exercise)]) == []
    passed = page.run(check)
    assert errors([passed]) == []
    assert "passed" in told(passed)
    page.picture(check, PICTURES / "check.png")


def _solved(grade_id: str) -> str:
    cells = Notebook(Path(ROOT / "solutions/lab1_framing.ipynb")).code
    return next(cell.source for cell in cells if cell.graded.get("grade_id") == grade_id)

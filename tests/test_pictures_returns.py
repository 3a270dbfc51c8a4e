"""The picture of a restart: a bar for each moment at which customers came back, on one scale for all restarts."""

from __future__ import annotations

import re

import pytest

from midspan.errors import Refusal
from midspan.experiments.cluster_clients import OrderReport
from midspan.pictures.scenes import RETURNS_BARS_PX, returns_picture
from midspan.pictures.svg import WEBSOCKET

KILL, DRAIN = OrderReport(50, 3, (0.51, 0.52, 0.53, 2.01)), OrderReport(60, 0, (0.5, 0.7, 0.9, 1.1))


def heights(svg: str) -> list[float]:
    found = re.findall(rf'height="([\d.]+)" style="fill:{WEBSOCKET.colour}', svg)
    return [float(height) for height in found]


def test_each_moment_has_its_bar_on_one_scale() -> None:
    picture = returns_picture({"kill": KILL, "drain": DRAIN}, title="At once, or one by one")
    thirds = [height / (RETURNS_BARS_PX / 3) for height in heights(picture.svg)]
    assert thirds == pytest.approx([3, 1, 2, 1, 1], abs=0.01)
    assert "At once, or one by one" in picture.svg
    assert "at most 3 within 0.25 s, 3 orders in doubt" in picture.svg


def test_its_text_twin_says_the_same() -> None:
    picture = returns_picture({"kill": KILL, "drain": DRAIN})
    assert str(picture).splitlines() == [f"kill: {KILL}", f"drain: {DRAIN}"]


def test_nobody_came_back() -> None:
    assert heights(returns_picture({"calm": OrderReport(9, 0, ())}).svg) == []


@pytest.mark.parametrize("reports", [{}, {"kill": "a report"}, [KILL]])
def test_what_is_no_report_is_refused(reports: object) -> None:
    with pytest.raises(Refusal):
        returns_picture(reports)  # type: ignore[arg-type]  # what a learner may write

"""What `make bench` writes: a row for each bar, a verdict in each, the same in the README as in the code."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest

from midspan.__main__ import main
from midspan.benchmark import contenders
from midspan.benchmark.contenders import Contender
from midspan.benchmark.reporting import BARS, HEAD, TWO_BY_TWO, BenchmarkReport, Growth, machine
from midspan.benchmark.statistics import UNITS, WIDE, Paired, Table
from midspan.errors import Refusal
from midspan.pictures.costs import BEGIN, END, price_bars, with_tables, write
from tests.course import ROOT

SESSION, FRAMEWORK = "lab 5", contenders.AIOHTTP_SOCKETIO.name
COSTS = {SESSION: 10.0, contenders.TCP_ECHO.name: 8.0, contenders.WEBSOCKETS_ECHO.name: 10.0}


def made_up(*names: str, rounds: int = 5, session: float = 10.0) -> Paired:
    """Everybody costs 40 of everything, but for those who cost less."""
    rng, costs = Random(1), {**COSTS, SESSION: session}
    return Paired(
        {
            name: tuple(dict.fromkeys(UNITS, costs.get(name, 40.0) * rng.uniform(0.99, 1.01)) for _ in range(rounds))
            for name in names
        }
    )


def report(session: float = 10.0) -> BenchmarkReport:
    two = made_up(SESSION, FRAMEWORK, contenders.UVICORN_SOCKETIO.name, session=session)
    everybody = made_up(SESSION, *(one.name for one in contenders.PYTHON), *TWO_BY_TWO[-1][1:], session=session)
    barred = made_up(*two.names, contenders.WEBSOCKETS_ECHO.name, session=session)
    when = machine(lambda: datetime(2026, 11, 25, tzinfo=UTC))
    growth = Growth({10: two, 1000: two})
    return BenchmarkReport(when, SESSION, everybody, barred, two, two, two, two, two, growth)


def test_each_bar_has_a_row_and_a_verdict() -> None:
    found = report().bars
    assert found.names == [bar.words for bar in BARS]
    assert [row[-1] for row in found.rows] == ["smaller" if bar.at_most is None else "reached" for bar in BARS]
    assert all(len(row) == len(HEAD) for row in found.rows)
    assert found.rows[0][2] in (FRAMEWORK, contenders.UVICORN_SOCKETIO.name)
    assert found.rows[0][4] == "0.25"


def test_a_bar_that_is_missed_is_said_to_be_missed() -> None:
    """A session that costs as much as python-socketio reaches nothing."""
    rows = report(session=40.0).bars.rows
    assert {row[-1] for row, bar in zip(rows, BARS, strict=True) if bar.at_most is not None} == {"missed"}


def test_the_two_by_two_has_node_where_node_was() -> None:
    assert report().two_by_two.names == [row[0] for row in TWO_BY_TWO]
    without = report()
    alone = made_up(SESSION, *(one.name for one in contenders.PYTHON))
    object.__setattr__(without, "alone", alone)
    assert without.two_by_two.names == [row[0] for row in TWO_BY_TWO[:-1]]


def test_a_run_is_printed_within_the_width_of_a_page() -> None:
    """Of everybody, with what `Events` measures: the head goes over several lines, its words in their order."""
    measured = ("cpu_us", "p50_us", "floor_us", "frame_bytes", "payload_bytes", "wire_bytes")
    run = Paired({name: (dict.fromkeys(measured, 123.4),) for name in report().alone.names})
    title, *lines = str(run).splitlines()
    head, rows = lines[: -len(run.names)], lines[-len(run.names) :]
    assert title == "1 rounds, medians"
    assert 80 < max(map(len, lines)) <= WIDE
    assert len(head) > 1
    assert [row.split()[-6:] for row in rows] == [["123"] * 6] * len(rows)
    ends = [match.end() for match in re.finditer(r"123", rows[0])]
    columns = [[line[start:end].strip() for line in head] for start, end in pairwise([len(run.names[0]), *ends])]
    assert [" ".join(filter(None, column)) for column in columns] == [UNITS[what] for what in measured]
    assert all(column[-1] for column in columns)


def test_a_head_that_is_not_to_blame_stays_in_one_line() -> None:
    """A narrow table's, and that of a table whose cells alone are too wide."""
    for cell in ("1", "x" * WIDE):
        assert str(Table("a title", ("", "a name of several words"), (("row", cell),))).splitlines()[1:] == [
            f"     {'a name of several words':>{max(len(cell), 23)}}",
            f"row  {cell:>23}",
        ]


def test_results_are_written_and_readable(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    written = write(report(), tmp_path, readme=True)
    assert [path.name for path in written] == ["bench.md", "bench.csv", "bench.svg", "README.md"]
    text = written[-1].read_text()
    assert text.startswith("before\n\n")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "old" not in text
    rows = list(csv.reader(written[1].read_text().splitlines()))
    assert [row[1] for row in rows if row and row[0].startswith(SESSION)] == [HEAD[0], *(bar.words for bar in BARS)]
    ElementTree.fromstring(written[2].read_text())
    again = with_tables(text, report())
    assert again == text


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(Refusal, match="two marks"):
        with_tables("no marks", report())


def test_the_readme_has_the_rows_that_the_code_makes() -> None:
    """And says when and on what; no host's name."""
    text = (ROOT / "README.md").read_text()
    block = text.split(BEGIN)[1].split(END)[0]
    tables = [table.splitlines() for table in re.findall(r"(?:^\|.*\n?)+", block, re.MULTILINE)]
    rows = [[[cell.strip() for cell in line.strip("| ").split("|")] for line in table] for table in tables]
    mine = report()
    bars, two_by_two = rows
    assert bars[0] == list(mine.bars.head)
    assert [row[0] for row in bars[2:]] == mine.bars.names
    assert two_by_two[0] == list(mine.two_by_two.head)
    assert [row[0] for row in two_by_two[2:]] in (mine.two_by_two.names, mine.two_by_two.names[:-1])  # without Node
    assert re.search(r"Measured on 20\d\d-\d\d-\d\d, \d+ cores of .+; Python 3\.\d+\.\d+, websockets ", block)


def test_the_picture_says_who_needs_least() -> None:
    run = made_up(SESSION, FRAMEWORK, contenders.TCP_ECHO.name)
    drawn = price_bars(run)
    assert str(drawn).splitlines()[0] == f"server CPU, µs: {FRAMEWORK} needs 5.0 times what TCP echo does"
    assert [line.split("  ")[0].strip() for line in str(drawn).splitlines()[1:]] == run.names
    assert price_bars(run, title="a finding").svg.count("a finding") >= 2
    with pytest.raises(Refusal, match="one of"):
        price_bars(run, "nothing")


def test_the_line_from_which_on_it_is_felt() -> None:
    run = Paired({"a": ({"cpu_us": 100.0},), "b": ({"cpu_us": 300.0},)})
    grown = Growth({10: run, 100: run})
    assert grown.line_per_s("a", "b") == 50  # 200 µs an event, 50 times a second, are a hundredth of a core
    assert grown.full_per_s("a") == 10_000
    assert grown.table().rows == (("a", "100", "100"), ("b", "300", "300"))


def test_a_machine_is_described_in_a_sentence() -> None:
    words = str(machine(lambda: datetime(2026, 1, 2, tzinfo=UTC)))
    assert re.fullmatch(r"2026-01-02, \d+ cores of .+, \w+ \w+; Python [\d.]+(, [\w-]+ [\d.]+){4}\.", words)


def test_the_command_measures_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    async def made(session: Contender, *others: Contender, idle: Contender, rounds: int) -> BenchmarkReport:
        asked.update(names=[session.name, *(one.name for one in others)], idle=idle, rounds=rounds)
        return report()

    monkeypatch.setattr("midspan.benchmark.reporting.report", made)
    monkeypatch.setattr("midspan.grading.progress.course", lambda: tmp_path)
    assert main(["bench", "--rounds", "7"]) == 0
    assert asked["names"][:2] == ["lab 5", "lab 3"]
    assert (asked["idle"].name, asked["rounds"]) == ("lab 5", 7)
    printed = capsys.readouterr().out
    assert all(bar.words in printed for bar in BARS)
    assert printed.endswith("written: results/bench.md\nwritten: results/bench.csv\nwritten: results/bench.svg\n")

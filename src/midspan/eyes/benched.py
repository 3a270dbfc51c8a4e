"""Where the results of `make bench` go: a folder that git ignores, and a table in the README."""

from __future__ import annotations

from pathlib import Path

from midspan.bench.prices.reporting import Report
from midspan.eyes.prices import price_bars
from midspan.refusal import need

FOLDER, README = Path("results"), Path("README.md")
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def write(report: Report, course: Path, *, readme: bool) -> list[Path]:
    """Write tables and picture into the course's folder, and say where they are.

    Args:
        report: what was measured.
        course: the course's folder.
        readme: put the tables of the bars and of the two by two into the README too.
    """
    folder = course / FOLDER
    folder.mkdir(exist_ok=True)
    texts = {
        "bench.md": _markdown(report),
        "bench.csv": "\n".join(table.csv() for table in report.tables),
        "bench.svg": price_bars(report.alone).svg,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    written = [folder / name for name in texts]
    if readme:
        path = course / README
        path.write_text(with_tables(path.read_text("utf-8"), report), "utf-8")
        written.append(path)
    return written


def with_tables(text: str, report: Report) -> str:
    """`text` with the tables of this report between its two marks."""
    marked = text.count(BEGIN) == text.count(END) == 1
    need(marked, "a README with the two marks of make bench", text, f"Put the lines {BEGIN} and {END} where it goes")
    before, rest = text.split(BEGIN)
    block = [f"Measured on {report.machine}", report.bars.markdown(), report.two_by_two.markdown()]
    return "\n\n".join([before + BEGIN, *block, END + rest.split(END)[1]])


def _markdown(report: Report) -> str:
    parts = [f"## {table.title}\n\n{table.markdown()}" for table in report.tables]
    return "\n\n".join(["# make bench", str(report.machine), *parts, "![server CPU](bench.svg)"]) + "\n"

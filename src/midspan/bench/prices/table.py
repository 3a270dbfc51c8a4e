"""A table of text: for a terminal, as Markdown, and as rows for a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap

from midspan.arguments import Fitting

WIDE = 100  # characters: JupyterLab breaks a longer line, and then nothing stands in a column
HEAD_CHARS = 9  # in a line of a name that goes over several, where the cells below it are no longer


@dataclass(frozen=True)
class Table(Fitting):
    """Rows of text under a head.

    Attributes:
        title: what it shows, in a few words.
        head: the columns' names; that of the first is what the rows are.
        rows: each as long as the head.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        """The first cell of each row."""
        return [row[0] for row in self.rows]

    def markdown(self) -> str:
        """As GitHub reads it; the first column to the left, the others to the right."""
        rule = ("---", *("---:" for _ in self.head[1:]))
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.head, rule, *self.rows))

    def csv(self) -> str:
        """A row for each row, with the table's title in front."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows((self.title, *row) for row in (self.head, *self.rows))
        return out.getvalue()

    def __str__(self) -> str:
        """The head goes over several lines where it is what makes the table wider than `WIDE`."""
        bare, whole = (self._lines([head]) for head in ([""] * len(self.head), self.head))
        lines = self._lines(self._head_in_lines()) if _width(bare) <= WIDE < _width(whole) else whole
        return "\n".join([self.title, *lines])

    __repr__ = __str__

    def _lines(self, head: Iterable[Iterable[str]]) -> list[str]:
        """Head and rows as text; the first column to the left, the others to the right."""
        cells = [list(row) for row in (*head, *self.rows)]
        first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
        lines = [[row[0].ljust(first), *map(str.rjust, row[1:], others)] for row in cells]
        return ["  ".join(line).rstrip() for line in lines]

    def _head_in_lines(self) -> list[tuple[str, ...]]:
        """The columns' names, each over as many lines as it needs; all end in the last one."""
        columns = zip(self.head, *self.rows, strict=True)
        names = [wrap(name, max([HEAD_CHARS, *map(len, cells)]), break_long_words=False) for name, *cells in columns]
        height = max(map(len, names))
        return list(zip(*([""] * (height - len(lines)) + lines for lines in names), strict=True))


def _width(lines: list[str]) -> int:
    return max(map(len, lines))

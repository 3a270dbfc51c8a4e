"""A table of text: for a terminal, as Markdown, and as rows for a CSV file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from midspan.arguments import Fitting


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
        first, *others = (max(map(len, column)) for column in zip(self.head, *self.rows, strict=True))
        lines = [[row[0].ljust(first), *map(str.rjust, row[1:], others)] for row in (self.head, *self.rows)]
        return "\n".join([self.title, *("  ".join(line).rstrip() for line in lines)])

    __repr__ = __str__

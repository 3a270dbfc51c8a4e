"""`python -m tests.bank [LAB ...]`: judge the bank of each lab, write its table, say what is not as it should be."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.bank import banks, entries, judged, load, table


def main(names: list[str]) -> int:
    """Write the tables; returns 1 when an entry does not do what it says."""
    complaints = []
    for name in names or banks():
        lab = load(name)
        wrong, right = entries(lab.name)
        rows = list(judged(lab, [*wrong, *right]))
        path = Path(__file__).parent / f"{lab.name}.md"
        path.write_text(table(lab, rows), "utf-8")
        complaints += [complaint for row in rows if (complaint := row.complaint())]
        print(f"{path.name}: {len(wrong)} wrong, {len(right)} right")
    print(*complaints, sep="\n\n", end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["MIDSPAN_HOME"] = home
        sys.exit(main(sys.argv[1:]))

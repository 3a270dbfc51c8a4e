"""Which of the processes that test (`-n 2`) gets what: the longest first, so that all are busy to the end.

xdist hands out *shares*: a process that has nearly done its own gets the next. A share is a file, whose tests may
have something in common that is made once. Where tests are long and have nothing in common, but those of the same
parameter, each parameter is a share of its own.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

# Shares of more than five seconds of a machine that does nothing else, and how many. Others come after them.
SECONDS: dict[str, float] = {
    "tests/test_notebooks.py": 200,  # first, since most of its tests need the machine to themselves
    "tests/test_lab4_throughput.py": 199,  # and these
}

# Files that are long, and whose parameters have nothing in common.
SPLIT = {"tests/test_lab3_bank.py", "tests/test_lab4_bank.py", "tests/test_lab5_bank.py"}


def share(nodeid: str) -> str:
    """The share of a test: its file, or its file and parameter."""
    file, _, test = nodeid.partition("::")
    return f"{file}[{test.partition('[')[2]}" if file in SPLIT and "[" in test else file


def seconds(nodeid: str) -> float:
    """About how long the share of this test takes."""
    return SECONDS.get(share(nodeid), 0.0)


class Shares(LoadFileScheduling):
    """xdist's scheduler, with our shares."""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)

"""Which of the processes that test (`-n 3`) gets what: the longest first, so that all are busy to the end.

xdist hands out *shares*: a process that has nearly done its own gets the next. A share is a file, whose tests may
have something in common that is made once. Where tests are long and have nothing in common, but those of the same
parameter, each parameter is a share of its own.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

CHAPTERS = ["00_two_layers", "01_framing", "02_event_wrapping", "03_failure_handling", "04_scaling", "05_overhead"]
LABS = ["lab1_framing", "lab2_events", "lab3_failure", "lab4_scaling", "lab5_overhead"]

# About how many seconds a share takes, where it takes five or more; the others come after them. Only the order counts.
SECONDS: dict[str, float] = {
    "tests/test_notebooks.py": 200,  # first, since it begins with what needs the machine to itself
    "tests/test_lab4_throughput.py": 199,  # this too
    "tests/test_bank.py": 60,
    "tests/test_lab4_hosts.py": 50,
    "tests/test_labs.py": 45,
    "tests/test_benchmark_rounds.py": 35,
    "tests/test_browser.py": 30,
    "tests/test_browser_cookies.py": 25,
    "tests/test_kernels.py": 80,
    "tests/test_judge.py": 20,
    "tests/test_net_broker.py": 18,
    "tests/test_lab4_checks.py": 18,
    "solutions/express.ipynb": 60,
    **{f"notebooks/{name}.ipynb": 30 for name in CHAPTERS},
    **{f".cores/{name}.ipynb": 20 for name in CHAPTERS},
    **{f"solutions/{name}.ipynb": 15 for name in LABS},
    "tests/test_experiments_javascript.py": 14,
    "tests/test_experiments_matrix.py": 14,
    "tests/test_experiments_cluster.py": 12,
    "tests/test_simulation_nodes_search.py": 12,
    "tests/test_simulation_tls.py": 12,
    "tests/test_lab1_notebook.py": 12,
    "tests/test_lab3_checks.py": 11,
    "tests/test_bad_input.py": 10,
    "tests/test_budget.py": 10,
    "tests/test_lab3_session.py": 9,
    "tests/test_guarantees.py": 8,
    "tests/test_lab1_conformance.py": 8,
    "tests/test_lab5_checks.py": 8,
    "tests/test_benchmark_sessions.py": 8,
    "tests/test_lab3_judge.py": 7,
    "tests/test_bench.py": 5,
    "tests/test_simulation_nodes.py": 5,
    "tests/test_lab4_serve.py": 5,
    "tests/test_benchmark_statistics.py": 5,
    "tests/test_protocols_readers.py": 5,
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

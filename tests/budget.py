"""A pytest plugin for `make check`: tests run in the order of the command line until the time is over.

    pytest -p tests.budget --until=SECONDS --only FILE=WORDS ...

When the time is over, no other test begins; those that run get a while to end, and are then interrupted. In each case
what a test has opened is closed. What did not run is told in a sentence, and is no failure.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable

import pytest

GRACE_S = 8.0  # for the tests that run when the time is over
SAYS = "check: "  # what begins the line that tests/check.py shows
NAMED = 5  # files in a sentence; the others are counted

now: Callable[[], float] = time.time
_timer = pytest.StashKey[threading.Timer]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("budget", "a time budget")
    group.addoption("--until", type=float, help="no test begins later than this, in seconds since 1970")
    group.addoption("--only", action="append", default=[], metavar="FILE=WORDS", help="of a file, these tests alone")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Controller(config), "budget-controller")


def pytest_collection_finish(session: pytest.Session) -> None:
    """In each process that runs tests: it is interrupted when its tests do not end in time."""
    until = session.config.getoption("until")
    if until is not None:
        timer = session.config.stash[_timer] = threading.Timer(max(0.0, until + GRACE_S - now()), interrupt)
        timer.daemon = True
        timer.start()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The tests have ended: what is closed now is closed in peace."""
    if _timer in session.config.stash:
        session.config.stash[_timer].cancel()


def interrupt() -> None:
    """As Ctrl-C does: the test ends where it waits, and what it has opened is closed."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests that `--only` does not mean."""
    words = dict(it.partition("=")[::2] for it in config.getoption("only"))
    unwanted = [item for item in items if words.get(file_of(item.nodeid), "") not in item.nodeid]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if item not in unwanted]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """A test whose turn comes too late ends at once, without a report."""
    return True if is_over(item.config) else None


def is_over(config: pytest.Config) -> bool:
    until = config.getoption("until")
    return until is not None and now() >= until


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class Controller:
    """In the process that hands out the tests: it tells what did not run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.tests: list[str] | None = None  # until they are collected
        self.reported: set[str] = set()
        self.is_interrupted = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.tests = [item.nodeid for item in session.items]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.tests = list(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        """A worker that was interrupted calls itself down; one that crashed before its time is another thing."""
        self.is_interrupted |= error == "keyboard-interrupt" and is_over(self.config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """A test that we interrupted did not fail: it did not run to its end."""
        if self.is_interrupted:
            report.outcome = "skipped"
            report.longrepr = (file_of(crashitem), 0, "Skipped: the time was over")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.reported.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        session.exitstatus = self.judged(exitstatus)

    def judged(self, code: int) -> int:
        """Time that is over is no failure, unless no test had its turn; neither is a choice that leaves no test."""
        if code == pytest.ExitCode.NO_TESTS_COLLECTED and self.tests == []:
            return pytest.ExitCode.OK
        if code == pytest.ExitCode.INTERRUPTED and is_over(self.config) and not self._count("failed", "error"):
            code = pytest.ExitCode.OK
        is_empty = code == pytest.ExitCode.OK and self.tests and not self.reported
        return pytest.ExitCode.NO_TESTS_COLLECTED if is_empty else code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The line that tests/check.py shows."""
        counts = f"{self._count('passed')} passed, {self._count('failed', 'error')} failed, nearest first"
        if self.tests and not self.reported:
            counts = "no test had its turn"
        end = "the time was over" if is_over(self.config) else "it stopped"
        unfinished = f"; {end} before the end of {some(self.left())}" if self.left() else ""
        terminalreporter.write_line(f"\n{SAYS}{counts}{unfinished}")

    def left(self) -> list[str]:
        """The files of which a test did not run, in their order."""
        return list(dict.fromkeys(file_of(it) for it in self.tests or [] if it not in self.reported))

    def _count(self, *kinds: str) -> int:
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        return sum(len(reporter.stats.get(kind, ())) for kind in kinds) if reporter else 0


def some(names: Iterable[str], most: int = NAMED) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")

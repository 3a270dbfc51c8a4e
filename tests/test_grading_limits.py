"""An answer runs under a limit, and leaves no task, no output and, where that can be, no thread behind."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from midspan.grading import limits
from midspan.grading.limits import MOST_CHARACTERS, CallOutcome, kept_waiting_s, patience, run
from tests.loops import in_a_loop

SHORT_S = 0.2


def spin() -> None:
    while True:
        pass


def stubborn() -> None:
    """Survives two exceptions."""
    for _ in range(2):
        try:
            spin()
        except BaseException:
            print("no")
    spin()


async def spin_awaiting() -> None:
    spin()


async def ignore_cancellation() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("no")


def test_a_value_an_error_and_an_awaited_value_come_back() -> None:
    assert run(lambda: 3, SHORT_S) == CallOutcome(value=3)
    assert run(lambda: asyncio.sleep(0, 4), SHORT_S) == CallOutcome(value=4)
    assert isinstance(run(lambda: 1 // 0, SHORT_S).error, ZeroDivisionError)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_the_program_is_an_error_like_others(error: BaseException) -> None:
    def work() -> None:
        raise error

    async def awaited() -> None:
        raise error

    assert run(work, SHORT_S).error is error
    assert run(awaited, SHORT_S).error is error


@pytest.mark.parametrize("work", [spin, stubborn, spin_awaiting, asyncio.Event().wait, ignore_cancellation])
def test_a_hanging_answer_is_ended(work: Any) -> None:
    outcome = run(work, SHORT_S)
    assert outcome.expired
    assert not outcome.still_running
    assert "midspan-answer" not in {thread.name for thread in threading.enumerate()}


def test_an_answer_that_blocks_inside_one_call_is_given_up_and_we_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TRIES", 1)
    lock = threading.Lock()
    with lock:
        outcome = run(lock.acquire, SHORT_S)  # one C call: no bytecode runs until it returns
        assert outcome == CallOutcome(expired=True, still_running=True)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "midspan-answer"]
    thread.join(10)
    assert not thread.is_alive()


@in_a_loop
async def test_a_running_loop_in_the_calling_thread_is_no_hindrance() -> None:
    assert run(lambda: asyncio.sleep(0, 4), SHORT_S).value == 4


def test_tasks_left_running_are_named_and_cancelled() -> None:
    cancelled = threading.Event()

    async def pump() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def work() -> int:
        work.kept = asyncio.create_task(pump()), asyncio.create_task(asyncio.sleep(0))  # type: ignore[attr-defined]
        return 1

    outcome = run(work, SHORT_S)
    assert (outcome.value, [name.rpartition(".")[2] for name in outcome.left_tasks]) == (1, ["pump"])
    assert cancelled.is_set()


def test_printing_belongs_to_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        print("mine")
        other = threading.Thread(target=print, args=["its"])
        other.start()
        other.join()

    assert run(work, SHORT_S).printed == "mine\nits"
    assert capsys.readouterr().out == ""
    print("ours")
    assert capsys.readouterr().out == "ours\n"


def test_what_a_library_logs_on_an_answer_is_not_printed_and_what_varies_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])  # without pytest's own, as in a kernel
    logger = logging.getLogger("library")

    def work() -> None:
        logger.error("a traceback and an address")
        logging.exception("one more")
        print("<Task at 0x7f00aa> in /tmp/ipykernel_12/34.py")

    assert run(work, SHORT_S).printed == "<Task> in 34.py"
    logger.error("ours")
    assert capsys.readouterr().err == "ours\n"


def test_an_error_in_the_background_is_kept() -> None:
    async def handler() -> None:
        raise KeyError("name")

    async def work() -> None:
        await asyncio.wait([asyncio.create_task(handler())])
        raise ValueError("nothing came")

    outcome = run(work, 5)
    assert [type(error) for error in outcome.in_background] == [KeyError]


def test_a_flood_of_printing_is_cut() -> None:
    printed = run(lambda: print("x" * 10**6), 5).printed
    assert len(printed) == MOST_CHARACTERS + len("\n... and more")


def test_other_threads_print_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    """A server of the bench, say, which was there before the answer."""
    go, done = threading.Event(), threading.Event()

    def client() -> None:
        go.set()
        done.wait(10)
        print("asked")

    def server() -> None:
        go.wait(10)
        print("served")
        done.set()

    thread = threading.Thread(target=server)
    thread.start()
    outcome = run(client, 5)
    thread.join()
    assert outcome.printed == "asked"
    assert capsys.readouterr().out == "served\n"


def test_an_interrupt_of_the_caller_ends_the_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop in a notebook raises KeyboardInterrupt in the main thread, which waits."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(limits._Runner, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(spin, SHORT_S)
    assert "midspan-answer" not in {thread.name for thread in threading.enumerate()}


def test_time_that_the_machine_kept_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread has 'waited' for a processor all the time but the last tenth: so it gets ten times the wall time."""
    began = time.monotonic()
    monkeypatch.setattr(limits, "kept_waiting_s", lambda _: 0.9 * (time.monotonic() - began))
    assert run(spin, 0.05).expired
    assert time.monotonic() - began >= 0.45


def test_patience_multiplies_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, factor in [("3", 3.0), ("0.5", 0.5), ("", 1.0), ("-1", 1.0), ("soon", 1.0), ("nan", 1.0)]:
        monkeypatch.setenv("MIDSPAN_PATIENCE", text)
        assert patience() == factor


def test_the_wait_of_an_unknown_thread_is_nothing() -> None:
    assert kept_waiting_s(None) == 0.0
    assert kept_waiting_s(1, "no such process") == 0.0
    assert kept_waiting_s(threading.get_native_id()) >= 0.0


# --- within: what one step of an answer may take


@in_a_loop
async def test_within_gives_the_value_or_the_error() -> None:
    assert await limits.within(asyncio.sleep(0, 3), SHORT_S) == 3
    with pytest.raises(ZeroDivisionError):
        await limits.within(_divide(), SHORT_S)


async def _divide() -> float:
    return 1 / 0


@in_a_loop
async def test_within_ends_what_takes_too_long() -> None:
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(TimeoutError):
        await limits.within(waiting, 0.01)
    assert waiting.cancelled()


@in_a_loop
async def test_within_does_not_count_the_time_that_the_machine_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine tenths of the time this thread is kept waiting: the limit comes ten times as late."""
    began = time.monotonic()
    monkeypatch.setattr(limits, "kept_waiting_s", lambda _: 0.9 * (time.monotonic() - began))
    with pytest.raises(TimeoutError):
        await limits.within(asyncio.Event().wait(), 0.03)
    assert time.monotonic() - began >= 0.29

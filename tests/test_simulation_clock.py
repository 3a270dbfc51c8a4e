"""Virtual time: hours in milliseconds, always the same way, and nothing from outside gets in."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from midspan.simulation import Deadlock, OutOfTime, VirtualLoop, WallClock, run_in_thread, run_in_virtual_time


def test_an_hour_of_heartbeats_takes_no_time() -> None:
    async def main() -> tuple[int, float]:
        beats = 0
        while beats < 3600:
            await asyncio.sleep(0.5)
            beats += 1
        return beats, asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == (3600, 1800.0)


def test_timers_of_one_moment_run_in_the_order_in_which_they_were_set() -> None:
    """asyncio's own heap leaves this open; a replay must not."""

    async def main() -> list[int]:
        ran: list[int] = []
        for i in range(50):
            asyncio.get_running_loop().call_at(1.0, ran.append, i)
        await asyncio.sleep(2)
        return ran

    assert run_in_virtual_time(main()) == list(range(50))


def test_time_stands_still_while_something_is_ready() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert run_in_virtual_time(main()) == 0.0


def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(100, lambda: None).cancel()
        await asyncio.sleep(1)
        return loop.time()

    assert run_in_virtual_time(main()) == 1.0


def test_asyncio_works_as_always() -> None:
    """Timeouts, task groups, queues, locks and wait_for are asyncio's own: only the clock differs."""

    async def main() -> tuple[object, ...]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await queue.get()
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.wait_for(queue.get(), 10))
            group.create_task(asyncio.sleep(3)).add_done_callback(lambda _: queue.put_nowait("late"))
        return (asyncio.get_running_loop().time(), queue.empty())

    assert run_in_virtual_time(main()) == (8.0, True)


def test_a_deadlock_names_who_waits_where() -> None:
    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match=r"Nothing is ready and no timer is set at 0.000 s: task .* waits in waits_for_"):
        run_in_virtual_time(waits_for_ever())


def test_a_loop_that_never_waits_is_stopped() -> None:
    async def spins() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    loop = VirtualLoop(limit_steps=1000)
    with pytest.raises(OutOfTime, match=r"1000 steps were taken and the clock stands at 0.000 s"):
        loop.run_until_complete(spins())
    loop.clear()


def test_a_callback_that_raises_each_time_is_stopped() -> None:
    loop = VirtualLoop(limit_steps=100)

    def again() -> None:
        loop.call_soon(again)
        raise ValueError("once more")

    loop.call_soon(again)
    with pytest.raises(OutOfTime, match="100 steps were taken"):
        loop.run_forever()
    assert set(loop.failures) == {"a callback raised: ValueError: once more"}
    loop.clear()


def test_a_callback_runs_in_the_context_that_it_was_given() -> None:
    """Also in an empty one, which is falsy."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="none")

    async def main() -> list[str]:
        seen: list[str] = []
        name.set("main's")
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.append(name.get()), context=contextvars.Context())
        loop.call_later(1, lambda: seen.append(name.get()), context=contextvars.Context())
        loop.call_later(2, lambda: seen.append(name.get()))
        await asyncio.sleep(3)
        return seen

    assert run_in_virtual_time(main()) == ["none", "none", "main's"]


def test_debug_mode_changes_nothing() -> None:
    """Nor does a task that asks for it: the base class would ask a thread to do it."""

    async def main() -> bool:
        asyncio.get_running_loop().set_debug(True)
        await asyncio.sleep(1)
        return asyncio.get_running_loop().get_debug()

    assert run_in_virtual_time(main()) is False


def test_a_run_past_its_virtual_seconds_is_stopped() -> None:
    with pytest.raises(OutOfTime, match="went past 60 virtual seconds"):
        run_in_virtual_time(asyncio.sleep(61), limit_s=60)


def test_tasks_that_are_left_end_with_the_run() -> None:
    ended: list[str] = []

    async def stays() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("stays")

    async def main() -> None:
        asyncio.get_running_loop().create_task(stays())
        await asyncio.sleep(0)

    run_in_virtual_time(main())
    assert ended == ["stays"]


def test_a_task_that_takes_a_cancellation_for_an_error_of_its_own_is_cancelled_again() -> None:
    """As python-engineio's connections do: a bare `except`, and on."""
    ended = []

    async def thick_skinned() -> None:
        with contextlib.suppress(BaseException):
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("at last")

    async def main() -> None:
        task = asyncio.create_task(thick_skinned())
        await asyncio.sleep(1)
        assert not task.done()

    run_in_virtual_time(main())
    assert ended == ["at last"]


def test_a_task_that_ignores_its_cancellation_is_abandoned() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                continue

    loop = VirtualLoop(limit_steps=100)
    task = loop.create_task(stubborn())
    with pytest.raises(OutOfTime):
        loop.run_forever()
    loop.clear()
    assert loop.failures == ["a task ignored its cancellation"]
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # else asyncio says so when it is collected


async def in_a_thread() -> None:
    await asyncio.to_thread(print)


async def real_connection() -> None:
    await asyncio.open_connection("127.0.0.1", 1)


async def real_server() -> None:
    await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)


OUTSIDE: list[tuple[Callable[[], Any], str]] = [
    (in_a_thread, "loop.run_in_executor or asyncio.to_thread"),
    (real_connection, "a real connection"),
    (real_server, "a real server"),
]


@pytest.mark.parametrize(("asks", "what"), OUTSIDE)
def test_what_lives_outside_is_refused_in_a_sentence(asks: Callable[[], Any], what: str) -> None:
    with pytest.raises(WallClock, match=f"Your code uses {what}, which virtual time does not reach"):
        run_in_virtual_time(asks())


def test_it_runs_beside_a_running_loop() -> None:
    """A notebook's cell: a loop runs already in this thread."""

    async def cell() -> tuple[float, bool]:
        here = threading.get_ident()
        return run_in_thread(lambda: (run_in_virtual_time(later()), threading.get_ident() != here))

    async def later() -> float:
        await asyncio.sleep(100)
        return asyncio.get_running_loop().time()

    assert asyncio.run(cell()) == (100.0, True)


def test_on_the_thread_of_a_running_loop_it_is_refused_in_a_sentence() -> None:
    async def cell() -> None:
        with pytest.raises(RuntimeError, match=r"call midspan\.simulation\.run_in_thread\(function\)"):
            run_in_virtual_time(asyncio.sleep(1))

    asyncio.run(cell())


def test_beside_passes_errors_on() -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_thread(lambda: 1 / 0)


def test_a_generator_that_is_left_in_the_middle_is_closed() -> None:
    """As on asyncio's own loop: its `finally` runs, in a turn of the loop."""
    ended = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(1.0)
            ended.append(asyncio.get_running_loop().time())

    async def main() -> None:
        async for _ in numbers():
            break
        await asyncio.sleep(2.0)

    run_in_virtual_time(main())
    assert ended == [1.0]

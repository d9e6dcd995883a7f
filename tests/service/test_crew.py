"""The threads that answer: how many, and that none is lost."""

import asyncio
import threading
import time
from collections.abc import Callable

from service.crew import Crew


def all_of(crew: Crew, *calls: Callable[[], None]) -> None:
    async def together() -> None:
        await asyncio.gather(*(crew.run(call) for call in calls))

    asyncio.run(asyncio.wait_for(together(), 30))


def test_no_more_run_at_once_than_there_are_threads() -> None:
    """The others wait for their turn; all are run."""
    running, most, ran = 0, 0, 0
    lock = threading.Lock()

    def call() -> None:
        nonlocal running, most, ran
        with lock:
            running, ran = running + 1, ran + 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    crew = Crew(3)
    all_of(crew, *[call] * 12)
    assert (most, ran, crew.calls) == (3, 12, 0)


def test_a_call_that_fails_costs_no_thread() -> None:
    """Whatever it raises."""

    def failing() -> None:
        raise SystemExit

    crew, ran = Crew(1), []
    all_of(crew, failing, lambda: ran.append(1))
    assert (ran, crew.calls) == ([1], 0)


def test_calls_are_counted_until_their_end() -> None:
    """Those that run and those that wait."""
    crew, go = Crew(1), threading.Event()

    def waiting() -> None:
        go.wait(30)

    async def look() -> int:
        calls = [asyncio.ensure_future(crew.run(waiting)) for _ in range(3)]
        await asyncio.sleep(0)
        found = crew.calls
        go.set()
        await asyncio.gather(*calls)
        return found

    assert asyncio.run(look()) == 3
    assert crew.calls == 0

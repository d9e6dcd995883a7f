"""Work on several at once: what is there is taken together, and nobody waits for what is not."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from service.crew import Crew
from service.gang import Call, Gang


class Work:
    """Notes what was worked on together; the first lot is held until `go`."""

    def __init__(self, where: str = "finish") -> None:
        self.lots: list[list[int]] = []
        self.alone: list[int] = []
        self.reading = self.most_reading = 0
        self.go, self.begun, self._where = threading.Event(), threading.Event(), where
        self._lock = threading.Lock()

    def read(self, items: Sequence[int]) -> Sequence[int]:
        with self._lock:
            self.lots.append(list(items))
            self.reading += 1
            self.most_reading = max(self.most_reading, self.reading)
        if self._where == "read":
            self.begun.set()
            self.go.wait(30)
        with self._lock:
            self.reading -= 1
        return items

    def finish(self, items: Sequence[int]) -> Sequence[Call | None]:
        self.begun.set()
        self.go.wait(30)
        return [None if item >= 0 else lambda item=item: self.alone.append(item) for item in items]


def run(crew: Crew, gang: Gang[int, Sequence[int]], first: int, others: Sequence[int], work: Work) -> None:
    """One item; once it is being worked on the others, then all go on."""

    async def all_of() -> None:
        calls = [asyncio.ensure_future(crew.run_with_others(gang, first))]
        while not work.begun.is_set():
            await asyncio.sleep(0.001)
        calls += [asyncio.ensure_future(crew.run_with_others(gang, item)) for item in others]
        await asyncio.sleep(0)  # until all of them wait
        work.go.set()
        await asyncio.gather(*calls)

    asyncio.run(asyncio.wait_for(all_of(), 30))


def test_what_came_while_one_was_worked_on_is_taken_together() -> None:
    """The first one alone, at once; then as many as a lot may have."""
    work = Work()
    gang = Gang(work.read, work.finish, 5, 1)
    crew = Crew(3)
    run(crew, gang, 0, range(1, 9), work)
    assert work.lots == [[0], [1, 2, 3, 4, 5], [6, 7, 8]]
    assert crew.calls == 0


def test_a_lot_is_its_share_of_all() -> None:
    """Of two at once each takes half, so that neither has all the work."""
    work = Work()
    done: Any = None  # nobody waits for it here
    gang = Gang(work.read, work.finish, 16, 2)

    def taken() -> list[int]:
        return [item for item, _ in gang.lot()]

    assert gang.add(0, done)
    assert taken() == [0]
    assert not gang.was_read()
    assert [gang.add(item, done) for item in range(1, 8)] == [True] + [False] * 6
    assert taken() == [1, 2, 3, 4]
    assert not gang.was_read()  # two lots are under way
    assert gang.was_finished(1)
    assert taken() == [5, 6, 7]
    assert not gang.was_read()
    assert not gang.was_finished(4)


def test_one_lot_is_read_at_a_time() -> None:
    """However many threads there are."""
    work = Work("read")
    run(Crew(4), Gang(work.read, work.finish, 2, 4), 0, range(1, 12), work)
    assert work.most_reading == 1
    assert [item for lot in work.lots for item in lot] == list(range(12))


def test_what_has_to_be_done_alone_is_a_call_like_any_other() -> None:
    """After its lot, in any of the threads."""
    work = Work()
    crew = Crew(2)
    run(crew, Gang(work.read, work.finish, 16, 1), 0, [-1, 2, -3], work)
    assert sorted(work.alone) == [-3, -1]
    assert crew.calls == 0


@pytest.mark.parametrize("where", ["read", "finish"])
def test_a_lot_that_fails_costs_no_thread(where: str) -> None:
    """Whoever waits is let go, and the next lot is worked on."""
    seen: list[list[int]] = []

    def failing(items: Sequence[int]) -> Sequence[int]:
        seen.append(list(items))
        if len(seen) == 1:
            raise SystemExit
        return items

    def nothing(items: Sequence[int]) -> Sequence[Call | None]:
        return [None] * len(items)

    def failing_finish(items: Sequence[int]) -> Sequence[Call | None]:
        return nothing(failing(items))

    def as_it_is(items: Sequence[int]) -> Sequence[int]:
        return items

    gang = Gang(failing, nothing, 16, 1) if where == "read" else Gang(as_it_is, failing_finish, 16, 1)
    crew = Crew(1)

    async def two() -> None:
        await crew.run_with_others(gang, 1)
        await crew.run_with_others(gang, 2)

    asyncio.run(asyncio.wait_for(two(), 30))
    assert seen == [[1], [2]]
    assert crew.calls == 0


def test_other_calls_have_their_turn_between_lots() -> None:
    """With one thread, and more work for the gang than ends."""
    crew = Crew(1)
    done: list[str] = []

    async def busy() -> None:
        loop = asyncio.get_running_loop()
        calls: list[asyncio.Future[None]] = []

        def again() -> None:
            calls.append(asyncio.ensure_future(crew.run_with_others(gang, len(calls))))

        def read(items: Sequence[int]) -> Sequence[int]:
            if "other" not in done and len(done) < 1000:  # one more is there whenever a lot has been read
                added = threading.Event()
                loop.call_soon_threadsafe(lambda: (again(), loop.call_soon(added.set)))
                added.wait(30)
            done.append("lot")
            return items

        gang: Gang[int, Sequence[int]] = Gang(read, lambda items: [None] * len(items), 1, 1)
        again()
        await asyncio.sleep(0)  # the gang comes first
        other: Callable[[], None] = lambda: done.append("other")  # noqa: E731
        await crew.run(other)
        await asyncio.gather(*calls)

    asyncio.run(asyncio.wait_for(busy(), 30))
    assert "other" in done[:4]

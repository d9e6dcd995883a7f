"""Bodies on their way in: time, size, and who gives way."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from service.bodies import MOST_BYTES, SECONDS, Bodies, Body, Broken, Crowded, Slow


async def of(*chunks: bytes | float) -> AsyncIterator[bytes]:
    """Chunks as granian gives them; a number is a pause in seconds."""
    for chunk in chunks:
        if isinstance(chunk, float):
            await asyncio.sleep(chunk)
        else:
            yield chunk


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_a_body_is_read_to_its_length() -> None:
    """And no further; it counts until it is released."""
    bodies = Bodies()
    body = run(bodies.read(of(b"hel", b"lo", 60.0), 5))
    assert (bytes(body.content), bodies.held) == (b"hello", 5)
    bodies.release(body)
    bodies.release(body)
    assert bodies.held == 0


def test_a_body_in_chunks_is_read_to_its_end() -> None:
    """Which is one empty chunk."""
    assert bytes(run(Bodies().read(of(b"hel", b"lo", b""), None)).content) == b"hello"


@pytest.mark.parametrize(
    ("chunks", "length"), [((b"hel", b"", b""), 5), ((b"hel",), 5), ((b"hel", b"", b""), None)], ids=str
)
def test_a_body_that_ends_too_early_is_none(chunks: tuple[bytes, ...], length: int | None) -> None:
    """A second empty chunk says that the connection, or the coding, broke: half a comment is no comment."""
    bodies = Bodies()
    with pytest.raises(Broken):
        run(bodies.read(of(*chunks), length))
    assert bodies.held == 0


def test_a_slow_body_is_given_up() -> None:
    """However steadily its bytes come."""
    bodies = Bodies(seconds=0.1)
    with pytest.raises(Slow):
        run(bodies.read(of(*([b"x", 0.02] * 100)), 1000))
    assert bodies.held == 0


def test_before_a_stop_nobody_is_waited_for_long() -> None:
    """Neither whoever is sending already, nor whoever begins now."""
    bodies = Bodies()

    async def stopping() -> list[Any]:
        asyncio.get_running_loop().call_later(0.05, bodies.hurry)
        first = asyncio.ensure_future(bodies.read(of(b"x", 60.0), 2))
        await asyncio.sleep(0.1)
        return await _beside(first, bodies.read(of(b"x", 60.0), 2))

    began = time.monotonic()
    assert [type(one) for one in run(stopping())] == [Slow, Slow]
    assert time.monotonic() - began < SECONDS / 2


def test_an_endless_body_is_cut() -> None:
    """It is read so far that it is seen to be too large."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    assert MOST_BYTES < len(run(Bodies().read(endless(), None)).content) <= MOST_BYTES + 100_000


async def _beside(*readings: Coroutine[Any, Any, Body]) -> list[Any]:
    return await asyncio.gather(*readings, return_exceptions=True)


def test_what_has_been_coming_longest_gives_way() -> None:
    """When all together hold too much; the others are read whole."""
    bodies = Bodies(most_held=1000)
    slow = (bodies.read(of(bytes(300), 5.0), 301) for _ in range(2))
    later = bodies.read(of(bytes(300), 0.1, b"x"), 301)
    quick = bodies.read(of(0.05, bytes(600)), 600)
    found = run(_beside(*slow, later, quick))
    assert [type(one) for one in found] == [Crowded, Crowded, Body, Body]
    assert [len(one.content) for one in found[2:]] == [301, 600]
    assert bodies.held == 901


def test_what_waits_for_its_answer_counts_too() -> None:
    """Beside bodies that are read but not released, none that is too much comes in."""
    bodies = Bodies(most_held=1000)
    kept = run(bodies.read(of(bytes(900)), 900))
    with pytest.raises(Crowded):
        run(bodies.read(of(bytes(101)), 101))
    bodies.release(kept)
    assert len(run(bodies.read(of(bytes(101)), 101)).content) == 101


def test_no_more_than_so_many_come_at_once() -> None:
    """The oldest give way, whatever they hold."""
    bodies = Bodies(most_coming=2)
    found = run(_beside(*(bodies.read(of(b"x", 0.1, b"y"), 2) for _ in range(5))))
    assert [type(one) for one in found] == [Crowded] * 3 + [Body] * 2

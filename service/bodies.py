"""Bodies of requests on their way in: each within its time, all of them together within bounds.

A sender who is slow, or sends nothing more, costs a few bytes and no thread. When too much is on its way at once, what
has been coming longest gives way: an honest sender needs milliseconds.
"""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass, field

SECONDS = 10.0  # for a whole body
LAST_SECONDS = 1.0  # when the process is about to stop
MOST_BYTES = 1024 * 1024  # of one body
MOST_HELD = 16 * 1024 * 1024  # of all bodies that are coming or wait for their answer
MOST_COMING = 1024  # bodies at once


class Slow(Exception):
    """Raised when a body did not come in time."""


class Crowded(Exception):
    """Raised when a body had to give way to others."""


class Broken(Exception):
    """Raised when a body ended before it was whole."""


@dataclass(eq=False, slots=True)
class Body:
    """A body as far as it has come. held: how many of its bytes count."""

    content: bytearray = field(default_factory=bytearray)
    held: int = 0
    gone: bool = False


class Bodies:
    """All bodies of one process; for its event loop alone."""

    def __init__(self, seconds: float = SECONDS, most_held: int = MOST_HELD, most_coming: int = MOST_COMING) -> None:
        self._seconds = seconds
        self._most_held = most_held
        self._most_coming = most_coming
        self._held = 0
        self._coming: dict[Body, asyncio.Timeout] = {}  # the oldest first

    @property
    def held(self) -> int:
        """Bytes of all bodies that were read and not released."""
        return self._held

    async def read(self, chunks: AsyncIterable[bytes], length: int | None) -> Body:
        """A body of `length` bytes, or one in chunks (None), of which what is beyond MOST_BYTES + 1 is not waited for.

        Whoever gets it releases it. Raises Slow, Crowded, Broken.
        """
        body = Body()
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                self._coming[body] = limit
                await self._fill(body, chunks, length)
        except TimeoutError:
            self.release(body)
            raise (Crowded if body.gone else Slow) from None
        except BaseException:
            self.release(body)
            raise
        finally:
            self._coming.pop(body, None)
        return body

    def release(self, body: Body) -> None:
        """Count its bytes no longer."""
        self._held -= body.held
        body.held = 0

    def hurry(self) -> None:
        """From now on wait for each no longer than LAST_SECONDS."""
        self._seconds = min(self._seconds, LAST_SECONDS)
        end = asyncio.get_running_loop().time() + self._seconds
        for limit in self._coming.values():
            limit.reschedule(min(end, limit.when() or end))

    async def _fill(self, body: Body, chunks: AsyncIterable[bytes], length: int | None) -> None:
        ended = False
        async for chunk in chunks:
            if ended:
                break
            self._add(body, chunk)
            if len(body.content) >= (MOST_BYTES + 1 if length is None else length):
                return
            ended = not chunk
        else:
            if length is None:
                return
        # Granian says the end by one empty chunk; a second one follows when the connection or the coding broke.
        raise Broken

    def _add(self, body: Body, chunk: bytes) -> None:
        body.content += chunk
        body.held += len(chunk)
        self._held += len(chunk)
        while self._coming and (self._held > self._most_held or len(self._coming) > self._most_coming):
            self._drop_oldest()
        if body.gone:
            raise Crowded

    def _drop_oldest(self) -> None:
        body, limit = next(iter(self._coming.items()))
        del self._coming[body]
        self.release(body)
        body.gone = True
        limit.reschedule(asyncio.get_running_loop().time())

"""Looking names up, in threads: the system's own way blocks, and a name server may be slow for half a minute.

A lookup that has begun cannot be ended: it holds its thread though nobody waits for it any more. So they are counted by
name and by who asks, until they end; what is more waits without a thread, for as long as its message may take.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

#: Every address that a name has, as text; blocks. Raises OSError, UnicodeError.
LookUp = Callable[[str], Sequence[str]]

OF_ONE_NAME = 2  # at once
OF_ONE_ASKER = 4  # at once, of different names
THREADS = 64  # so sixteen who ask for slow names only are too few to hold up the others


def system(host: str) -> Sequence[str]:
    """As this machine is told to look names up."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(where[0]) for *_, where in found]


class Lookups:
    """Looks names up on one event loop. Idle, it has no thread."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="look-up")
        self._hosts: Counter[str] = Counter()  # lookups that hold a thread, by name
        self._askers: Counter[str] = Counter()  # and by who asked
        self._ended = asyncio.Event()

    async def of(self, host: str, asker: str | None) -> Sequence[str]:
        """Every address of a name. Raises what the lookup does. asker: None is bound by the name alone."""
        while not self._free(host, asker):
            await self._ended.wait()
        return await asyncio.wrap_future(self._begin(host, asker))

    def close(self) -> None:
        """Begin no more; those that run end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _free(self, host: str, asker: str | None) -> bool:
        """Whether both have room: who waited for one while it held the other would hold up others."""
        return self._hosts[host] < OF_ONE_NAME and (asker is None or self._askers[asker] < OF_ONE_ASKER)

    def _begin(self, host: str, asker: str | None) -> Future[Sequence[str]]:
        loop = asyncio.get_running_loop()
        found = self._threads.submit(self._look_up, host)
        self._count(host, asker, 1)

        def ended(_: Future[Sequence[str]]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._end, host, asker)

        found.add_done_callback(ended)
        return found

    def _end(self, host: str, asker: str | None) -> None:
        self._count(host, asker, -1)
        self._ended.set()
        self._ended = asyncio.Event()

    def _count(self, host: str, asker: str | None, by: int) -> None:
        for counts, key in ((self._hosts, host), (self._askers, asker)):
            if key is not None:
                counts[key] += by
                if not counts[key]:
                    del counts[key]

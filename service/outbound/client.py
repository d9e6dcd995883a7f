"""Sends requests and reports how they went, whatever the receiver does."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from service.outbound.guard import Forbidden, Guard

_EXCERPT = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request went. status: None without an answer; error says why. took, retry_after: seconds."""

    status: int | None
    took: float
    retry_after: float | None
    excerpt: bytes
    error: str | None


class Client:
    """An async context manager with connections of its own."""

    def __init__(self, guard: Guard, timeout: float = 15.0, user_agent: str = "comity") -> None:
        self._guard, self._timeout, self._agent = guard, timeout, user_agent

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": self._agent})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send `body`."""
        began = time.monotonic()

        def took() -> float:
            return time.monotonic() - began

        try:
            async with self._session.post(
                self._guard.check_url(url), headers=headers, data=body, allow_redirects=False
            ) as response:
                excerpt = await response.content.read(_EXCERPT)
                asked = response.headers.get("Retry-After", "")
                return Answer(response.status, took(), float(asked) if asked.isdigit() else None, excerpt, None)
        except Forbidden as error:
            return Answer(None, took(), None, b"", f"forbidden_{error.code}")
        except TimeoutError:
            return Answer(None, took(), None, b"", "timeout")
        except (aiohttp.ClientError, OSError):
            return Answer(None, took(), None, b"", "connection")

"""Sending what endpoints are to be told: claim, sign, send, record. Whatever a receiver does, it holds up nobody else.

Everything runs on one event loop; only the database is asked in threads. No transaction is open while a message is on
its way. A message whose end is not recorded is sent again, in the same bytes.
"""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from service import failpoints, log
from service.domain import retries
from service.domain.events import TEST, message_id, payload
from service.domain.ids import new_id
from service.domain.retries import Outcome, Verdict
from service.domain.vault import Vault, VaultError
from service.outbound.client import Answer, Client
from service.outbound.signing import signatures
from service.store import sending
from service.store.database import Busy, Connection, Database, Unavailable
from service.store.sending import Attempt, Claimed

EVERY = 0.1  # seconds between two looks for what is due
AT_ONCE = 200  # messages of one sender on their way, to all endpoints together
STUCK = timedelta(minutes=1)  # until an endpoint whose secret does not open is looked at again
LONGEST = 25.0  # seconds that a message may take in all; its lease lasts longer
PATIENCE = 10.0  # seconds for which the end of a message is kept in mind while the database is away

_log = log.get(__name__)
Result = TypeVar("Result")


@dataclass(slots=True)
class Sender:
    """Sends deliveries as they come due. Made on the event loop that it runs on."""

    database: Database
    vault: Vault
    client: Client
    threads: ThreadPoolExecutor
    _flying: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _stopping: bool = field(default=False, init=False)
    _away: bool = field(default=False, init=False)
    _clock: float = field(default=0.0, init=False)  # how far the database's clock is ahead of our monotonic one

    def stop(self) -> None:
        """Begin to send nothing more."""
        self._stopping = True
        self._wake.set()

    async def run(self, idle: float) -> None:
        """Send until told to stop, or nothing was due for `idle` seconds; what is on its way is waited for."""
        busy = time.monotonic()
        while not self._stopping and time.monotonic() - busy <= idle:
            if await self._begin_more() or self._flying:
                busy = time.monotonic()
            await self._nap()
        if self._flying:
            await asyncio.wait(self._flying)

    async def _nap(self) -> None:
        """Until a message has landed, whose endpoint may be sent another, or for a while."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), EVERY)
        self._wake.clear()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._wake.set()

    async def _begin_more(self) -> bool:
        """Claim what is due, and begin to send it; whether anything was."""
        room = AT_ONCE - len(self._flying)
        if room <= 0:
            return True
        lease = new_id()
        try:
            found = await self._ask(lambda connection: sending.claim(connection, lease, room))
        except (Unavailable, Busy) as error:
            if not self._away:
                _log.warning("database_away", error=type(error).__name__)
            self._away = True
            return True
        self._away = False
        if found:
            failpoints.hit("delivery_claimed")
            self._clock = found[-1].read_at - time.monotonic()
        for claimed in found:
            task = asyncio.create_task(self._deliver(claimed, lease))
            self._flying.add(task)
            task.add_done_callback(self._landed)
        return bool(found)

    async def _deliver(self, claimed: Claimed, lease: UUID) -> None:
        try:
            await self._send(claimed, lease)
        except Exception:  # its lease runs out, and it is tried again
            _log.error("delivery_failed", delivery=str(claimed.id), endpoint=str(claimed.endpoint_id), exc_info=True)

    async def _send(self, claimed: Claimed, lease: UUID) -> None:
        signing = self._opened(claimed)
        if not signing:
            _log.error("webhook_secret_closed", endpoint=str(claimed.endpoint_id))
            await self._ask_whole(lambda connection: sending.put_back(connection, claimed, lease, STUCK))
            return
        if claimed.told is None and claimed.event != TEST:
            raise LookupError(f"delivery {claimed.id} has no decision")
        body = payload(claimed.event, claimed.at, claimed.site, claimed.endpoint_id, claimed.told)
        failpoints.hit("sending")
        answer = await self._post(claimed, body, signing)
        failpoints.hit("sent")
        verdict = retries.judge(answer.status, answer.retry_after, claimed.number, random.random())
        await self._record(claimed, lease, answer, verdict)

    def _opened(self, claimed: Claimed) -> list[str]:
        """The secrets that sign, newest first, as far as the key opens them."""
        opened = []
        for secret_id, sealed in claimed.secrets:
            try:
                opened.append(self.vault.open(sealed, claimed.endpoint_id, secret_id))
            except VaultError:  # sealed under a key of before
                continue
        return opened

    async def _post(self, claimed: Claimed, body: bytes, signing: list[str]) -> Answer:
        """Signed now, at the database's time: receivers refuse what was signed more than five minutes off."""
        event_id, timestamp = message_id(claimed.event_id), int(time.monotonic() + self._clock)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures(signing, event_id, timestamp, body),
        }
        began = time.monotonic()
        try:
            return await asyncio.wait_for(self.client.post(claimed.url, headers, body, claimed.site), LONGEST)
        except TimeoutError:
            return Answer(None, time.monotonic() - began, None, b"", "timeout")

    async def _record(self, claimed: Claimed, lease: UUID, answer: Answer, verdict: Verdict) -> None:
        """Record how it went; with the database away, as soon as it is back, as long as nobody else sends it."""
        attempt = Attempt(claimed.number, answer.status, answer.took, answer.error, answer.excerpt)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                ours, disabled = await self._ask_whole(
                    lambda connection: sending.mark(connection, claimed, lease, attempt, verdict)
                )
                break
            except (Unavailable, Busy):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.5)
        self._say(claimed, attempt, verdict, ours, disabled)

    def _say(self, claimed: Claimed, attempt: Attempt, verdict: Verdict, ours: bool, disabled: str | None) -> None:
        names: dict[str, Any] = {
            "delivery": str(claimed.id), "endpoint": str(claimed.endpoint_id), "webhook": message_id(claimed.event_id),
        }  # fmt: skip
        how = {"status": attempt.status, "why": attempt.error, "attempt": attempt.number, "ms": _ms(attempt.took)}
        if verdict.outcome is Outcome.DELIVERED:
            _log.info("delivered", **names, **how, recorded=ours)
        elif verdict.wait is not None:
            _log.info("delivery_put_off", **names, **how, wait=round(verdict.wait), recorded=ours)
        else:
            _log.warning("delivery_dead", **names, **how, recorded=ours)
        if disabled is not None:
            _log.warning("endpoint_disabled", endpoint=str(claimed.endpoint_id), why=disabled)

    async def _ask(self, question: Callable[[Connection], Result]) -> Result:
        """Ask the database in a thread, each statement a transaction of its own."""

        def asked() -> Result:
            with self.database.connection() as connection:
                return question(connection)

        return await asyncio.get_running_loop().run_in_executor(self.threads, asked)

    async def _ask_whole(self, question: Callable[[Connection], Result]) -> Result:
        """The same, as one transaction."""

        def asked(connection: Connection) -> Result:
            with connection.transaction():
                return question(connection)

        return await self._ask(asked)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

"""Endpoints of a world, and a sender for them in a thread of the test's process."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

from service import webhooks
from service.outbound.client import Client
from service.outbound.lookups import LookUp, system
from service.store.database import Database
from tests.world import World, as_role
from workers.delivery import Sender

LOCAL = {
    "webhook_networks": (ip_network("127.0.0.0/8"),),
    "webhook_http": True,
    "webhook_ports": tuple(range(1, 65536)),
}


def endpoint(world: World, url: str, site: str = "blog", **members: Any) -> dict[str, Any]:
    """An endpoint over the API; as it answers, with its secret."""
    path = f"/v1/sites/{site}/webhooks"
    answer = world.request("POST", path, world.admin_token, {"url": url, **members})
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def ask(world: World, method: str, made: dict[str, Any], path: str = "", body: Any = None, **query: Any) -> Any:
    """Ask the API about an endpoint; what it answers, which must be no problem."""
    where = f"/v1/sites/blog/webhooks/{made['id']}{path}"
    answer = world.request(method, where, world.admin_token, body, query_string=query)
    assert answer.status_code < 300, answer.text
    return answer.json


@contextmanager
def sending(
    world: World, timeout: float = 15.0, idle: float = 60.0, look_up: LookUp = system
) -> Iterator[threading.Thread]:
    """A sender at work; asked to stop at the end, and waited for."""
    ready = threading.Event()
    made: list[tuple[asyncio.AbstractEventLoop, Sender]] = []

    async def run() -> None:
        database = Database(as_role(world.owner_url, "comity_relay"), "relay", 2)
        guard = webhooks.guard_of(world.settings)
        with ThreadPoolExecutor(2) as threads:
            async with Client(guard, timeout, "Comity/test", look_up=look_up) as client:
                sender = Sender(database, webhooks.vault_of(world.settings.keys), client, threads)
                made.append((asyncio.get_running_loop(), sender))
                ready.set()
                await sender.run(idle)
        database.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="sender")
    thread.start()
    assert ready.wait(10)
    yield thread
    if thread.is_alive():
        loop, sender = made[0]
        loop.call_soon_threadsafe(sender.stop)
    thread.join(30)
    assert not thread.is_alive()

"""The sender (`python -m workers.sender PARENT`): a relay starts it while there is something to tell endpoints.

A process of its own, so that a service without endpoints spends nothing on it, and the relay stays small.
"""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from service import log, webhooks
from service.outbound.client import Client
from service.parent import end_with_parent
from service.settings import Settings
from service.store.database import Database
from service.version import VERSION
from workers.delivery import Sender
from workers.entry import EX_CONFIG, begin

IDLE = 60.0  # seconds without anything to send after which it ends
CONNECTIONS = 2

_log = log.get("workers.sender")


async def run(settings: Settings, idle: float = IDLE) -> None:
    """Send what is due until nothing is for a while, or a signal asks this process to stop."""
    database = Database(settings.database_url, "relay", CONNECTIONS)
    vault = webhooks.vault_of(settings.keys)
    client = Client(webhooks.guard_of(settings), user_agent=f"Comity/{VERSION} (webhooks)")
    try:
        with ThreadPoolExecutor(CONNECTIONS, "database") as threads:
            async with client:
                sender = Sender(database, vault, client, threads)
                for name in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                    asyncio.get_running_loop().add_signal_handler(name, sender.stop)
                _log.info("sender_ready")
                await sender.run(idle)
    finally:
        database.close()
    _log.info("sender_rests")


def main() -> int:
    """Run, if there is a key that opens the endpoints' secrets."""
    settings = begin("sender", "relay")
    if not settings.secret_key:
        _log.error("sender_without_key", remedy="give the relays COMITY_SECRET_KEY, the one that the web has")
        return EX_CONFIG
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    sys.exit(main())

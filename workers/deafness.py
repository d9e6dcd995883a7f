"""Whether the workers went deaf: rings pile up or relays do their work, and none of them claims anything."""

import psycopg

from service.store import claims
from service.store.claims import Backlog
from service.store.database import conninfo

DEAF_SECONDS = 20.0


def deaf(backlog: Backlog) -> bool:
    """Whether no worker has heard a ring for too long: work was due, or a relay does it now, and none claimed.

    What a relay did a while ago says nothing: after a broker's outage there may just be nothing to do.
    """
    if backlog.worker < DEAF_SECONDS:
        return False
    waits = backlog.due and backlog.delay >= DEAF_SECONDS
    relieved = backlog.relay < DEAF_SECONDS and backlog.relay + DEAF_SECONDS < backlog.worker < 1e9
    return waits or relieved


def look(url: str, kind: str) -> Backlog | None:
    """The queue, seen over a connection of its own that is closed at once; None when the database does not answer.

    A worker's parent forks, and its children must not inherit a connection.
    """
    try:
        with psycopg.connect(**conninfo(url, kind), autocommit=True) as connection:
            return claims.backlog(connection)
    except psycopg.Error:
        return None

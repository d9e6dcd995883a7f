"""Whether this process lives, and whether it can do its work."""

from flask import Blueprint, Response, json

from service import log
from service.store import contacts
from service.store.database import Busy, Unavailable
from service.web.routing import services
from service.web.services import Services

blueprint = Blueprint("health", __name__)

_log = log.get(__name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Alive."""
    return _answer({"status": "ok"}, 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    """Ready: the database answers, and the index key is the one it began with.

    The broker is none of its business: comments are taken in without one.
    """
    parts = services()
    database = parts.database.answers()
    keys = database and keys_match(parts) is True
    ready = database and keys
    told: dict[str, object] = {"status": "ok" if ready else "unavailable", "database": database, "keys": keys}
    return _answer(told, 200 if ready else 503)


def keys_match(parts: Services) -> bool | None:
    """Whether the index key is the database's; None when it does not answer.

    Asked until it is so; a running process's key does not change.
    """
    if parts.state.get("keys_match"):
        return True
    try:
        with parts.database.connection() as connection:
            found = contacts.matches(connection, "index", parts.sealer.fingerprint)
    except (Unavailable, Busy):
        return None
    if not found:
        _log.error("index_key_differs", remedy="set COMITY_INDEX_KEY to the key this database began with")
    parts.state["keys_match"] = found
    return found


def _answer(data: dict[str, object], status: int) -> Response:
    response = Response(json.dumps(data), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response

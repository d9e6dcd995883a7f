"""Whether this process lives, and whether it can do its work."""

from flask import Blueprint, Response, json

from service.web.routing import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Alive."""
    return _answer({"status": "ok"}, 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    """Ready: the database answers. The broker is none of its business: comments are taken in without one."""
    database = services().database.answers()
    return _answer({"status": "ok" if database else "unavailable", "database": database}, 200 if database else 503)


def _answer(data: dict[str, object], status: int) -> Response:
    response = Response(json.dumps(data), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response

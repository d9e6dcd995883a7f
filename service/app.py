"""The web application, put together from its settings."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from flask import Flask, Response, g, request
from werkzeug.exceptions import RequestURITooLarge, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from classifier import Model, ModelError, load
from service import log
from service.domain.contact import Sealer
from service.ring import Bell, Ringer
from service.settings import Settings
from service.store.database import Database
from service.web import answers, api, errors, health, home, metrics, pages, reference
from service.web.auth import Gate
from service.web.console import desk
from service.web.embed import page as thread_page
from service.web.hosts import Hosts
from service.web.limits import Limits
from service.web.room import Room
from service.web.services import Services

_log = log.get(__name__)
_MOST_ADDRESS = 32 * 1024  # bytes of a path and its query; what is twice as long, the HTTP server refuses alone


def create_app(settings: Settings) -> Flask:
    """The web application. Connects to nothing until it is called."""
    app = Flask("service", static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=1024 * 1024, MAX_FORM_MEMORY_SIZE=pages.FORM_BYTES)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    database = Database(settings.database_url, "web", settings.web_threads + 2, lasting=settings.web_threads)
    ringer = Ringer(Bell(settings.broker_url))
    app.extensions["comity"] = parts = Services(
        settings=settings,
        database=database,
        keys=settings.keys,
        sealer=Sealer(X25519PublicKey.from_public_bytes(settings.contact_public_key), settings.index_key),
        gate=Gate(database, settings.keys),
        limits=Limits(settings.keys.of("limits"), database),
        room=Room(settings.pending_site, settings.pending, database),
        ring=ringer.call,
        model=_model(settings),
        state={},
    )
    metrics.watch(_sources(settings, ringer.bell, parts))
    errors.register(app)
    for room in api.ROUTES:
        app.register_blueprint(room.blueprint())
    for room_of_pages in (health, reference, pages, home, thread_page, desk):
        app.register_blueprint(room_of_pages.blueprint)
    app.before_request(_begin)
    app.before_request(_only_for(Hosts.of(settings)))
    app.before_request(_check_address)
    app.after_request(_end)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app


def _sources(settings: Settings, bell: Bell, parts: Services) -> metrics.Sources:
    """What the figures tell of this process. The broker is asked by a bell of its own: each is for one thread."""
    asking = Bell(settings.broker_url)
    return metrics.Sources(
        lambda: (bell.sent, bell.failed), asking.waiting, lambda: health.keys_match(parts), settings.pending
    )


def _model(settings: Settings) -> Callable[[], Model | None]:
    """The model for explanations, loaded when a moderator first asks; None when the file is refused."""

    @cache
    def once() -> Model | None:
        try:
            return load(settings.model_path)
        except ModelError as error:
            _log.error("model_refused", why=str(error))
            return None

    return once


def _begin() -> None:
    request_id = answers.request_id(request.headers.get("X-Request-Id", ""))
    request.environ["comity.request_id"] = request_id
    g.begun = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=request_id)


def _only_for(hosts: Hosts) -> Callable[[], None]:
    """Refuse what was meant for another host; but a load balancer asks after our health by address."""

    def check() -> None:
        host = request.headers.get("Host", "")
        known = hosts.read(host) if request.blueprint == health.blueprint.name else hosts.know(host)
        if not known:
            raise SecurityError

    return check


def _check_address() -> None:
    if len(request.environ.get("PATH_INFO", "")) + len(request.query_string) > _MOST_ADDRESS:
        raise RequestURITooLarge


def _end(response: Response) -> Response:
    request_id = request.environ.get("comity.request_id", "")
    there = {name.lower() for name, _ in response.headers}
    missing = [(name, value) for name, value in answers.HEADERS.items() if name.lower() not in there]
    response.headers.extend([*missing, ("X-Request-Id", request_id)])
    begun: Any = g.get("begun")
    seconds = 0.0 if begun is None else time.perf_counter() - begun
    route = request.url_rule.rule if request.url_rule else "unknown"
    answers.NOTES.add(request.method, route, response.status_code, seconds, request_id)
    return response

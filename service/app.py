"""The web application, put together from its settings."""

import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from flask import Flask, Response, g, request
from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from classifier import Model, ModelError, load
from service import log
from service.domain.contact import Sealer
from service.ring import Bell, Ringer
from service.settings import Settings
from service.store.database import Database
from service.web import api, errors, health, home, metrics, pages, reference
from service.web.auth import Gate
from service.web.console import desk
from service.web.embed import page as thread_page
from service.web.hosts import Hosts
from service.web.limits import Limits
from service.web.services import Services

_log = log.get(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


def create_app(settings: Settings) -> Flask:
    """The web application. Connects to nothing until it is called."""
    app = Flask("service", static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=1024 * 1024, MAX_FORM_MEMORY_SIZE=64 * 1024)
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
    app.before_request(_only_for(Hosts(urlsplit(settings.public_url).netloc, settings.trusted_hosts)))
    app.after_request(_end)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app


def _sources(settings: Settings, bell: Bell, parts: Services) -> metrics.Sources:
    """What the figures tell of this process. The broker is asked by a bell of its own: each is for one thread."""
    asking = Bell(settings.broker_url)
    return metrics.Sources(lambda: (bell.sent, bell.failed), asking.waiting, lambda: health.keys_match(parts))


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
    given = request.headers.get("X-Request-Id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
    request.environ["comity.request_id"] = request_id
    g.begun = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=request_id)


def _only_for(hosts: Hosts) -> Callable[[], None]:
    def check() -> None:
        if not hosts.know(request.headers.get("Host", "")):
            raise SecurityError

    return check


def _end(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request.environ.get("comity.request_id", "")
    begun: Any = g.get("begun")
    seconds = 0.0 if begun is None else time.perf_counter() - begun
    route = request.url_rule.rule if request.url_rule else "unknown"
    metrics.observe(request.method, route, response.status_code, seconds)
    _log.info("request", method=request.method, route=route, status=response.status_code, ms=round(seconds * 1000, 2))
    return response

"""What an error becomes, wherever it is raised."""

import pytest
from flask import Flask
from werkzeug.exceptions import Forbidden, InternalServerError, NotImplemented, ServiceUnavailable

from service.store.database import Unavailable
from service.web import errors, pages
from service.web.errors import Problem

FULL = Problem("quota-exceeded", "Too many requests.", headers={"Retry-After": "7"})


class Ended(Exception):
    """Raised by the view of these tests."""


@pytest.mark.parametrize(
    ("raised", "status", "wait"), [(FULL, 429, "7"), (Unavailable(), 503, "2"), (RuntimeError("x"), 500, None)]
)
@pytest.mark.parametrize("kind", ["application/problem+json", "text/html; charset=utf-8"])
def test_what_an_error_handler_raises_is_told_as_what_it_is(
    raised: Exception, status: int, wait: str | None, kind: str
) -> None:
    """The framework hands it over wrapped; in the API and on pages alike."""
    app = Flask("service")
    errors.register(app)
    if kind.startswith("text/html"):
        pages.speak(app)  # type: ignore[arg-type] # registers handlers, as a blueprint does

    @app.get("/")
    def show() -> str:
        raise Ended

    @app.errorhandler(Ended)
    def ended(_: Ended) -> str:
        raise raised

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.content_type, answer.headers.get("Retry-After")) == (status, kind, wait)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InternalServerError(), "internal-error"),
        (InternalServerError(original_exception=FULL), "quota-exceeded"),
        (InternalServerError(original_exception=ValueError("x")), "internal-error"),
        (NotImplemented(), "internal-error"),
        (ServiceUnavailable(), "internal-error"),
        (Forbidden(), "malformed-request"),
    ],
)
def test_the_frameworks_own_errors(error: Exception, kind: str) -> None:
    """A fault of ours is never said to be the client's."""
    assert errors.of(error).kind == kind

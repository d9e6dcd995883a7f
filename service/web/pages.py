"""Pages for people: templates, the stylesheet, the headers that every page carries, and errors in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Blueprint, Request, Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from service.web.errors import TYPES, Problem, of
from service.web.fields import show_time
from service.web.intake import visitor
from service.web.limits import Want
from service.web.routing import client_prefix, services

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: The longest comment fits in any script: forms write a character in up to 12 bytes, such as %F0%9F%98%80.
FORM_BYTES = 256 * 1024
#: What is made for one reader alone, such as a form's key, is kept by nobody.
PRIVATE = "private, no-store"
_STATIC = Path(__file__).parent / "static"
_KINDS = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

blueprint = Blueprint("pages", __name__)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages link to. Its name holds a digest of its content, so it may be kept for ever."""

    name: str
    kind: str
    content: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """What lies in `static`, by plain name."""
    found = {}
    for path in sorted(_STATIC.iterdir()):
        content = path.read_bytes()
        name = f"{path.stem}-{sha256(content).hexdigest()[:12]}{path.suffix}"
        found[path.name] = Asset(name, _KINDS[path.suffix], content)
    return found


@blueprint.get("/static/<name>")
def static(name: str) -> Response:
    """A file of the pages."""
    asset = next((asset for asset in assets().values() if asset.name == name), None)
    if asset is None:
        raise Problem("not-found", "There is no such file. Load the page again for the current names.")
    response = Response(asset.content, content_type=asset.kind)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def render(template: str, **values: Any) -> str:
    """A template as HTML; every value is escaped unless it is Markup."""
    return _templates().get_template(template).render(**values)


def page(template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
    """A page as a response; kept by nobody, unless `headers` say otherwise.

    Forms need to know where they were sent from, hence a referrer policy that tells our origin to ourselves alone.
    """
    response = Response(render(template, **values), status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = PRIVATE
    response.headers.update(headers or {})
    return response


def see_other(place: str, headers: Mapping[str, str] | None = None) -> Response:
    """303: the answer to a form is the page at `place`."""
    response = Response(status=303, headers={"Location": place, "Cache-Control": PRIVATE})
    response.headers.update(headers or {})
    return response


def form(request: Request) -> dict[str, str]:
    """The fields of a posted form. Raises Problem for another kind of content, or too much of it.

    Line ends come as CRLF by the rules of forms; here they are LF.
    """
    if request.mimetype != "application/x-www-form-urlencoded":
        raise Problem("unsupported-media-type", "Send the form as application/x-www-form-urlencoded.")
    request.max_content_length = FORM_BYTES
    return {name: value.replace("\r\n", "\n").replace("\r", "\n") for name, value in request.form.items()}


def count_visit() -> Mapping[str, str]:
    """Count this request under the visitor's limit; the RateLimit fields for its answer. Raises Problem."""
    parts = services()
    wants: list[Want] = [visitor(parts, client_prefix())]
    return parts.limits.spend(wants).fields


# Errors --------------------------------------------------------------------------------------------------------------

#: What a page says where the detail is meant for programs.
_PEOPLE = {
    "malformed-request": "The address or the form could not be read. Go back, load the page again, and try once more.",
    "method-not-allowed": "This page cannot be used this way.",
    "payload-too-large": "That is more text than this form takes. Go back and shorten it.",
    "uri-too-long": "This address is too long.",
    "unsupported-media-type": "The form came in a shape that is not read here.",
    "internal-error": "The fault is ours, and it was noted. Try again in a little while.",
    "service-unavailable": "The service cannot answer right now. Go back and try again in a moment.",
}


def words(problem: Problem) -> str:
    """A problem in words for a reader."""
    if problem.kind == "quota-exceeded":
        return f"There were many requests in a short time. Wait {wait(problem)}, then try again."
    return _PEOPLE.get(problem.kind, problem.detail)


def wait(problem: Problem) -> str:
    """How long to wait after a refusal, in words."""
    seconds = int((problem.headers or {}).get("Retry-After", "1"))
    if seconds > 90:
        return f"{-(-seconds // 60)} minutes"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def speak(blueprint: Blueprint) -> None:
    """Make every error of the blueprint's views a page in words."""
    for kind in (Problem, HTTPException, Exception):
        blueprint.register_error_handler(kind, lambda found: error(of(found)))


def error(problem: Problem) -> Response:
    """The page of a problem; the request's id is also in our log."""
    return page(
        "error.html",
        problem.status,
        problem.headers,
        title=TYPES[problem.kind][1],
        words=words(problem),
        reference=request.environ.get("comity.request_id") if problem.status == 500 else None,
    )


# Templates -----------------------------------------------------------------------------------------------------------


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("service.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_FILTERS)
    made.globals["asset"] = lambda name: f"/static/{assets()[name].name}"
    return made


def _when(moment: datetime) -> str:
    """Such as 3 Mar 2026, 08:05 UTC."""
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def percent(share: float) -> str:
    """A probability as people read it; only what is certain is 0 or 100 %."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{round(share * 100)} %"


def _initial(name: str) -> str:
    """The letter that stands for a name in its badge."""
    return next((character.upper() for character in name if character.isalnum()), "·")[:1]


def _tint(name: str) -> int:
    """One of six colours for a name, always the same."""
    return sha256(name.encode("utf-8", "replace")).digest()[0] % 6


def _breakable(path: str) -> Markup:
    """A path that a line may end in, after each of its slashes."""
    return Markup("/") + Markup("/<wbr>").join(path.removeprefix("/").split("/"))


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "when": _when, "instant": show_time, "percent": percent, "initial": _initial, "tint": _tint,
    "breakable": _breakable,
}  # fmt: skip

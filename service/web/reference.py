"""The API's reference: the OpenAPI document and a page to read it, made here, without anything from elsewhere."""

from flask import Blueprint, Response, json

from service.web import api, openapi, reference_page
from service.web.routing import services

blueprint = Blueprint("reference", __name__)


@blueprint.get("/v1/openapi.json")
def openapi_json() -> Response:
    """The OpenAPI document."""
    response = Response(json.dumps(_document(), indent=1), content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.get("/docs")
def docs() -> Response:
    """The reference, for people."""
    state = services().state
    if "docs" not in state:
        state["docs"] = reference_page.render(_document())
    response = Response(state["docs"], content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = reference_page.POLICY
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.get("/docs/problems")
def problems() -> Response:
    """The kinds of problems."""
    response = Response(reference_page.render_problems(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = reference_page.POLICY
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _document() -> dict[str, object]:
    state = services().state
    if "openapi" not in state:
        state["openapi"] = openapi.document(api.ROUTES, services().settings.public_url)
    found: dict[str, object] = state["openapi"]
    return found

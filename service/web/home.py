"""The front door: what this is, and where to go from here."""

from flask import Blueprint, Response

from service.version import VERSION
from service.web import pages
from service.web.embed.discussion import Discussion
from service.web.errors import Problem
from service.web.routing import services

_DEMO = "demo"  # the site that `service.demo` makes

blueprint = Blueprint("home", __name__)
pages.speak(blueprint)


@blueprint.get("/")
def home() -> Response:
    """The front door."""
    fields = pages.count_visit()
    headers = {**fields, "Cache-Control": "public, max-age=60"}
    return pages.page("home.html", 200, headers, demo=_demo(), version=VERSION)


def _demo() -> str | None:
    """The demo site's discussion, if there is such a site."""
    try:
        site = services().gate.site(_DEMO)
    except Problem:
        return None
    return Discussion(site, None, f"{site.origins[0]}/", None).link() if site.origins else None

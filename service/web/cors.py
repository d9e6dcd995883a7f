"""Which pages may read an answer in a browser (the CORS protocol of the Fetch standard)."""

from collections.abc import Mapping

from flask import request

from service.store.sites import Site

_EXPOSED = "ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


def fields(site: Site) -> Mapping[str, str]:
    """Pages of the site's own origins may read this request's answer; the answer varies where there are any."""
    if not site.origins:
        return {}
    asking = request.headers.get("Origin")
    if asking not in site.origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": asking, "Access-Control-Expose-Headers": _EXPOSED}

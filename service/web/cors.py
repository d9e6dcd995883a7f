"""Which pages may read an answer in a browser (the CORS protocol of the Fetch standard)."""

from collections.abc import Mapping

from service.store.sites import Site

_EXPOSED = "ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


def fields(site: Site, asking: str | None) -> Mapping[str, str]:
    """Pages of the site's own origins may read an answer; it varies where there are any. asking: the Origin field."""
    if not site.origins:
        return {}
    if asking not in site.origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": asking, "Access-Control-Expose-Headers": _EXPOSED}

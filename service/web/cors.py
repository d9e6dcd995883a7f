"""Which pages may read an answer in a browser (the CORS protocol of the Fetch standard)."""

from collections.abc import Collection, Mapping

from service.store.sites import Site

_EXPOSED = "ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_LASTING = "7200"  # seconds for which a browser remembers what a preflight allowed; Chromium takes no more


def fields(site: Site, asking: str | None) -> Mapping[str, str]:
    """Pages of the site's own origins may read an answer; it varies where there are any. asking: the Origin field."""
    return among(site.origins, asking) if site.origins else {}


def among(origins: Collection[str], asking: str | None) -> Mapping[str, str]:
    """Pages of these origins may read an answer."""
    if asking is None or asking not in origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": asking, "Access-Control-Expose-Headers": _EXPOSED}


def preflight(origins: Collection[str], asking: str | None) -> Mapping[str, str]:
    """Pages of these origins may send a GET with an Authorization field. Cookies are never taken from them."""
    if asking is None or asking not in origins:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": asking,
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Allow-Headers": "Authorization",
        "Access-Control-Max-Age": _LASTING,
    }

"""Where a posted form came from: what browsers say about it, compared with who may send."""

from collections.abc import Collection

from flask import request

from service.domain.urls import origin
from service.settings import Settings
from service.web.errors import Problem
from service.web.fields import is_web_url


def own(settings: Settings) -> frozenset[str]:
    """Our own origins: the public one, and the one this request came to (its host is one we trust)."""
    return frozenset({origin(settings.public_url), origin(request.host_url)})


def check(settings: Settings, others: Collection[str] = (), *, strict: bool = False) -> None:
    """Let a form through that was sent from one of our pages, or from one of the origins in `others`.

    Browsers name the sender in Origin, else in Sec-Fetch-Site or Referer. What names nobody passes, unless `strict`:
    then it must be a browser, and our page. Raises Problem (403).
    """
    friends = own(settings) | frozenset(others)
    site, sender = request.headers.get("Sec-Fetch-Site"), _sender()
    if sender is not None:
        good = sender in friends and not (strict and site not in (None, "same-origin"))
    elif site is not None:
        good = site == "same-origin"
    else:
        good = not strict
    if not good:
        raise Problem("forbidden", "This form was sent from another website. Open the page here and send it again.")


def _sender() -> str | None:
    """The origin that the browser names; None when it names none, "null" when it hides it."""
    if named := request.headers.get("Origin"):
        return named.lower()
    if referrer := request.headers.get("Referer"):
        return origin(referrer) if is_web_url(referrer) else "null"
    return None

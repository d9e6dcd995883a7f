"""From checked input to a submission: addresses are sealed here, limits are named here."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from service.domain import text
from service.domain.contact import network_prefix
from service.domain.ids import new_id
from service.domain.submission import Place, Submission
from service.domain.urls import page_url
from service.store.sites import Site
from service.web.limits import Want
from service.web.services import Services


def submission(services: Services, site: Site, data: Mapping[str, Any]) -> Submission:
    """The submission in loaded data. The address is sealed on the way and does not come out again."""
    comment_id = new_id()
    url = data["thread"]["url"]
    return Submission(
        id=comment_id,
        site_id=site.id,
        place=Place(data["thread"]["key"], page_url(url) if url else None, data["thread"]["title"]),
        name=data["name"],
        body=data["body"],
        contact=services.sealer.seal(data["email"], site.id, comment_id),
        digest=text.digest(data["body"]),
        parent_id=data["parent_id"],
        website=data["website"],
        author_prefix=network_prefix(data["author_ip"]) if data["author_ip"] else None,
        user_agent=data["user_agent"],
        referrer=data["referrer"],
        language=data["language"],
        submitted_at=data["submitted_at"],
        author_verified=data["author_verified"],
        notify=data["notify"],
    )


def accept_limits(services: Services, site: Site, taken: Submission) -> list[Want]:
    """The limits a submission falls under, the site's last: what is one's own is used up first."""
    limits, settings = services.limits, services.settings
    author = site.limits.get("author", settings.limit_author)
    wants = [Want("author", limits.key(site.id.bytes, taken.contact.author_index), *author)]
    if taken.author_prefix is not None:
        prefix = site.limits.get("prefix", settings.limit_prefix)
        wants.append(Want("prefix", limits.key(site.id.bytes, taken.author_prefix), *prefix))
    return [*wants, site_limit(services, site)]


def site_limit(services: Services, site: Site) -> Want:
    """The limit of all that a site submits."""
    count, seconds = site.limits.get("site", services.settings.limit_site)
    return Want("site", services.limits.key(site.id.bytes), count, seconds)


@lru_cache(4096)
def prefix_of(address: str) -> str:
    """The network prefix of an address; "unknown" for what is none."""
    try:
        return network_prefix(address)
    except ValueError:
        return "unknown"


def visitor(services: Services, prefix: str) -> Want:
    """The limit of requests without a key, counted by network prefix."""
    count, seconds = services.settings.limit_visitor
    return Want("visitor", prefix.encode(), count, seconds)

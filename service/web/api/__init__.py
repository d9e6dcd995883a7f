"""The native API, a room for each kind of thing."""

from service.web.api import bans, comments, lists, moderation, policies, published, sites, threads, webhooks
from service.web.routing import Routes

ROUTES: tuple[Routes, ...] = (
    comments.routes, published.routes, threads.routes, moderation.routes, sites.routes, policies.routes, lists.routes,
    bans.routes, webhooks.routes,
)  # fmt: skip

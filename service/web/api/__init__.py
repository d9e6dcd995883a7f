"""The native API, a room for each kind of thing."""

from service.web.api import comments, moderation, published, sites, threads
from service.web.routing import Routes

ROUTES: tuple[Routes, ...] = (comments.routes, published.routes, threads.routes, moderation.routes, sites.routes)

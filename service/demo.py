"""A site to try things with, made once."""

from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from service.domain.urls import origin
from service.store import sites
from service.web.schemas import SCOPES

NAME = "demo"


def ensure(owner_url: str, public_url: str) -> dict[str, Any] | None:
    """Make the demo site with its tokens; None when it exists, since tokens are shown only once.

    public_url: where the service is reached; the demo's page pretends to be there.
    """
    with (
        psycopg.connect(owner_url, row_factory=namedtuple_row, connect_timeout=5) as connection,
        connection.transaction(),
    ):
        try:
            with connection.transaction():
                site = sites.add_site(connection, NAME, "Demo", [origin(public_url)], {})
        except sites.Taken:
            return None
        _, secret_key = sites.add_site_key(connection, site.id, "demo", SCOPES, None)
        _, moderator = sites.add_moderator(connection, "demo moderator", {None: "lead"}, None)
        _, admin = sites.add_admin(connection, "demo admin", None)
    return {"site": site.name, "secret_key": secret_key, "moderator_token": moderator, "admin_token": admin}

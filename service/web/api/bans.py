"""Bans: from whom a site takes no comments."""

from dataclasses import asdict
from uuid import UUID

from service.store import bans
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.sites import Site
from service.web import policy_schemas as shapes
from service.web.api.sites import site_of
from service.web.auth import Right
from service.web.errors import Problem
from service.web.routing import Answer, Call, Routes

routes = Routes("bans")


@routes.add("GET", "/v1/sites/{site}/bans", Right.ADMIN, answers={200: shapes.BanList()}, problems=("not-found",))
def list_bans(call: Call, site: str) -> Answer:
    """A site's bans, ended ones included."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer({"bans": [asdict(ban) for ban in bans.listed(connection, found.id)]})


@routes.add(
    "POST", "/v1/sites/{site}/bans", Right.ADMIN,
    body=shapes.NewBan(), answers={201: shapes.BanView()}, problems=("not-found", "conflict"),
)  # fmt: skip
def make_ban(call: Call, site: str) -> Answer:
    """Ban an author, a domain of addresses or a network; comments to come are judged by it."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        try:
            ban_id = _make(call, connection, found)
        except NotFound:
            detail = "This site has no such comment, or it came without what to ban. Name another, or whom directly."
            error = {"detail": detail, "pointer": "#/comment_id", "code": "unknown"}
            raise Problem("conflict", detail, [error]) from None
        made = next(ban for ban in bans.listed(connection, found.id) if ban.id == ban_id)
    return Answer(asdict(made), 201)


@routes.add("DELETE", "/v1/sites/{site}/bans/{ban_id}", Right.ADMIN, answers={204: None}, problems=("not-found",))
def lift_ban(call: Call, site: str, ban_id: UUID) -> Answer:
    """End a ban now; it stays on record."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        bans.lift(connection, found.id, ban_id, call.caller.token_id)
    return Answer(None, 204)


def _make(call: Call, connection: Connection, site: Site) -> UUID:
    body, by = call.body, call.caller.token_id
    reason, until = body["reason"], body["until"]
    if "comment_id" in body:
        return bans.of_comment(connection, site.id, body["what"], body["comment_id"], reason, by, until)
    what, value, label = _whom(call, site)
    return bans.of_value(connection, site.id, what, value, label, reason, by, until)


def _whom(call: Call, site: Site) -> tuple[str, bytes | str, str]:
    """What a ban is about, what is kept of it, and how people know it again. Of an address only its index is kept."""
    body, sealer = call.body, call.services.sealer
    if "email" in body:
        return "author", sealer.author_index(body["email"], site.id), "an address"
    if "domain" in body:
        return "domain", sealer.domain_index(body["domain"], site.id), body["domain"]
    return "network", body["network"], body["network"]

"""The admin's routes: sites, keys and moderators."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from service.store import sites
from service.store.comments import NotFound
from service.store.sites import Site, Taken, Token, TooManyKeys
from service.web import schemas
from service.web.auth import Right
from service.web.errors import Problem
from service.web.routing import Answer, Call, Routes

routes = Routes("admin")


@routes.add("GET", "/v1/sites", Right.ADMIN, answers={200: schemas.SiteList()})
def list_sites(call: Call) -> Answer:
    """All sites."""
    with call.services.database.connection() as connection:
        return Answer({"sites": [asdict(site) for site in sites.sites(connection)]})


@routes.add(
    "POST", "/v1/sites", Right.ADMIN, body=schemas.NewSite(), answers={201: schemas.SiteView()}, problems=("conflict",)
)
def make_site(call: Call) -> Answer:
    """Make a site."""
    body = call.body
    try:
        with call.services.database.connection() as connection:
            site = sites.add_site(connection, body["name"], body["title"], body["origins"], body["limits"])
    except Taken:
        detail = "A site of this name exists. Choose another name."
        raise Problem("conflict", detail, [{"detail": detail, "pointer": "#/name", "code": "taken"}]) from None
    call.services.gate.forget()
    return Answer(asdict(site), 201, {"Location": f"/v1/sites/{site.name}"})


@routes.add("GET", "/v1/sites/{site}", Right.ADMIN, answers={200: schemas.SiteView()}, problems=("not-found",))
def get_site(call: Call, site: str) -> Answer:
    """One site."""
    return Answer(asdict(site_of(call, site)))


@routes.add(
    "PATCH", "/v1/sites/{site}", Right.ADMIN,
    body=schemas.SiteChange(), answers={200: schemas.SiteView()}, problems=("not-found",),
)  # fmt: skip
def change_site(call: Call, site: str) -> Answer:
    """Change a site's title, origins or limits."""
    body = call.body
    with call.services.database.connection() as connection:
        changed = sites.change_site(connection, site, body.get("title"), body.get("origins"), body.get("limits"))
    call.services.gate.forget()
    return Answer(asdict(changed))


@routes.add("GET", "/v1/sites/{site}/keys", Right.ADMIN, answers={200: schemas.KeyList()}, problems=("not-found",))
def list_keys(call: Call, site: str) -> Answer:
    """A site's secret keys, without their secrets."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer({"keys": [_key(token) for token in sites.site_keys(connection, found.id)]})


@routes.add(
    "POST", "/v1/sites/{site}/keys", Right.ADMIN,
    body=schemas.NewKey(), answers={201: schemas.NewKeyView()}, problems=("not-found", "conflict"),
)  # fmt: skip
def make_key(call: Call, site: str) -> Answer:
    """Make a secret key of a site; it is shown this once. Two may live at once, for rotation."""
    found, body = site_of(call, site), call.body
    try:
        with call.services.database.transaction() as connection:
            token, secret = sites.add_site_key(connection, found.id, body["name"], body["scopes"], _lasting(body))
    except TooManyKeys:
        raise Problem("conflict", "This site has two live keys already. Revoke one first.") from None
    return Answer({**_key(token), "token": secret}, 201)


@routes.add("DELETE", "/v1/sites/{site}/keys/{key}", Right.ADMIN, answers={204: None}, problems=("not-found",))
def revoke_key(call: Call, site: str, key: str) -> Answer:
    """Revoke a secret key of a site; it stops working within two seconds."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        sites.revoke(connection, key, site_id=found.id)
    call.services.gate.forget()
    return Answer(None, 204)


@routes.add("GET", "/v1/moderators", Right.ADMIN, answers={200: schemas.KeyList()})
def list_moderators(call: Call) -> Answer:
    """Moderator tokens, without their secrets."""
    with call.services.database.connection() as connection:
        return Answer({"keys": [_key(token) for token in sites.tokens(connection, "moderator")]})


@routes.add(
    "POST", "/v1/moderators", Right.ADMIN,
    body=schemas.NewModerator(), answers={201: schemas.NewKeyView()}, problems=("not-found", "conflict"),
)  # fmt: skip
def make_moderator(call: Call) -> Answer:
    """Make a moderator token; it is shown this once."""
    _check_once([right["site"] for right in call.body["rights"]])
    rights: dict[UUID | None, str] = {
        None if right["site"] is None else site_of(call, right["site"]).id: right["may"]
        for right in call.body["rights"]
    }
    with call.services.database.transaction() as connection:
        token, secret = sites.add_moderator(connection, call.body["name"], rights, _lasting(call.body))
    return Answer({**_key(token), "token": secret}, 201)


@routes.add("DELETE", "/v1/moderators/{moderator}", Right.ADMIN, answers={204: None}, problems=("not-found",))
def revoke_moderator(call: Call, moderator: str) -> Answer:
    """Revoke a moderator token by its id; it stops working within two seconds."""
    with call.services.database.connection() as connection:
        found = sites.token(connection, moderator)
        if found is None or found.kind != "moderator":
            raise NotFound
        sites.revoke(connection, moderator)
    call.services.gate.forget()
    return Answer(None, 204)


def _check_once(named: Sequence[str | None]) -> None:
    """Raises Problem when rights name a site twice, or every site: no schema can say that of one member of objects."""
    detail = "stands twice: name each site once"
    again = [number for number, site in enumerate(named) if site in named[:number]]
    if again:
        errors = [{"detail": detail, "pointer": f"#/rights/{at}/site", "code": "contradiction"} for at in again]
        raise Problem("conflict", f"rights.{again[0]}.site {detail}.", errors)


def site_of(call: Call, name: str) -> Site:
    """The site of this name. Raises NotFound."""
    with call.services.database.connection() as connection:
        return sites.site_named(connection, name)


def _lasting(body: Mapping[str, Any]) -> timedelta | None:
    days = body["expires_in_days"]
    return None if days is None else timedelta(days=days)


def _key(token: Token) -> dict[str, Any]:
    return {**asdict(token), "live": not (token.revoked or token.expired)}

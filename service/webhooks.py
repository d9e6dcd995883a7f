"""Endpoints and their secrets, for the API and the command line: checked where they lead, sealed as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.ids import new_id
from service.domain.vault import Vault, VaultError
from service.keys import Keys
from service.outbound.guard import Guard
from service.outbound.signing import new_secret
from service.settings import Settings
from service.store import endpoints
from service.store.database import Connection
from service.store.endpoints import Endpoint

_PURPOSE = "webhooks"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in clear. ends_at: when it stops signing; None for the newest."""

    text: str
    created_at: datetime
    ends_at: datetime | None


def vault_of(keys: Keys) -> Vault:
    """Opens and seals the secrets of endpoints, with a key derived from the service's secret key."""
    return Vault(keys.of(_PURPOSE))


def guard_of(settings: Settings) -> Guard:
    """What the operator's settings let be told."""
    return Guard(settings.webhook_networks, settings.webhook_http, settings.webhook_ports)


def make(
    connection: Connection, vault: Vault, guard: Guard, site_id: UUID, asked: Mapping[str, Any], by: str | None
) -> tuple[Endpoint, str]:
    """An endpoint and its secret. asked: as `web.webhook_schemas.NewWebhook` reads it.

    Raises Forbidden for where it must not lead, UrlTaken, TooMany. Runs inside the caller's transaction.
    """
    endpoint_id = new_id()
    url = guard.check_url(asked["url"])
    endpoints.add(connection, endpoint_id, site_id, url, asked["description"], asked["events"], asked["scores"], by)
    secret = rotate(connection, vault, site_id, endpoint_id)
    if not asked["enabled"]:
        endpoints.change(connection, site_id, endpoint_id, enabled=False)
    return endpoints.one(connection, site_id, endpoint_id), secret


def change(
    connection: Connection, guard: Guard, site_id: UUID, endpoint_id: UUID, asked: Mapping[str, Any]
) -> Endpoint:
    """Change what is asked for. Raises Forbidden, UrlTaken, NotFound. Runs inside the caller's transaction."""
    url = {"url": guard.check_url(asked["url"])} if "url" in asked else {}
    return endpoints.change(connection, site_id, endpoint_id, **{**asked, **url})


def rotate(connection: Connection, vault: Vault, site_id: UUID, endpoint_id: UUID) -> str:
    """A new secret; the one before it signs for another day. Raises NotFound. Runs inside the caller's transaction."""
    endpoints.one(connection, site_id, endpoint_id)
    secret, secret_id = new_secret(), new_id()
    endpoints.put_secret(connection, endpoint_id, secret_id, vault.seal(secret, endpoint_id, secret_id))
    return secret


def secrets(
    connection: Connection, vault: Vault, site_id: UUID, endpoint_id: UUID, *, lost: bool = True
) -> list[Secret]:
    """The secrets that sign now, newest first. Raises NotFound; VaultError for one sealed under another key.

    lost: False leaves those out instead, as whoever signs does.
    """
    found = []
    for one in endpoints.secrets(connection, site_id, endpoint_id):
        try:
            found.append(Secret(vault.open(one.sealed, endpoint_id, one.id), one.created_at, one.ends_at))
        except VaultError:
            if lost:
                raise
    return found

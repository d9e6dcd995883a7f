"""Webhooks: where a site is told what happens, and how that goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from service import webhooks
from service.domain.events import message_id
from service.domain.vault import VaultError
from service.outbound.guard import Forbidden
from service.store import deliveries, endpoints
from service.store.database import Connection
from service.store.deliveries import Delivery, Erased
from service.store.endpoints import Endpoint, TooMany, UrlTaken
from service.store.sites import Site
from service.web import paging
from service.web import webhook_schemas as shapes
from service.web.api.sites import site_of
from service.web.auth import Right
from service.web.errors import Problem
from service.web.routing import Answer, Call, Routes

routes = Routes("webhooks")

_ALL = "/v1/sites/{site}/webhooks"
_ONE = f"{_ALL}/{{webhook_id}}"
_DELIVERY = f"{_ONE}/deliveries/{{delivery_id}}"


@routes.add("GET", _ALL, Right.ADMIN, answers={200: shapes.WebhookList()}, problems=("not-found",))
def list_webhooks(call: Call, site: str) -> Answer:
    """A site's endpoints, and how they fare."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer({"webhooks": [asdict(one) for one in endpoints.listed(connection, found.id)]})


@routes.add(
    "POST", _ALL, Right.ADMIN,
    body=shapes.NewWebhook(), answers={201: shapes.NewWebhookView()}, problems=("not-found", "conflict"),
)  # fmt: skip
def make_webhook(call: Call, site: str) -> Answer:
    """Make an endpoint; what happens from now on is told to it. The answer has the secret that signs."""
    found, services = site_of(call, site), call.services
    vault, guard = webhooks.vault_of(services.keys), webhooks.guard_of(services.settings)
    with _explained(), services.database.transaction() as connection:
        made, secret = webhooks.make(connection, vault, guard, found.id, call.body, call.caller.token_id)
    return Answer(
        {**asdict(made), "signing_secret": secret}, 201, {"Location": f"/v1/sites/{found.name}/webhooks/{made.id}"}
    )


@routes.add("GET", _ONE, Right.ADMIN, answers={200: shapes.WebhookView()}, problems=("not-found",))
def get_webhook(call: Call, site: str, webhook_id: UUID) -> Answer:
    """One endpoint."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer(asdict(endpoints.one(connection, found.id, webhook_id)))


@routes.add(
    "PATCH", _ONE, Right.ADMIN,
    body=shapes.WebhookChange(), answers={200: shapes.WebhookView()}, problems=("not-found", "conflict"),
)  # fmt: skip
def change_webhook(call: Call, site: str, webhook_id: UUID) -> Answer:
    """Change an endpoint; disable it, or enable it again."""
    found, guard = site_of(call, site), webhooks.guard_of(call.services.settings)
    with _explained(), call.services.database.transaction() as connection:
        return Answer(asdict(webhooks.change(connection, guard, found.id, webhook_id, call.body)))


@routes.add("DELETE", _ONE, Right.ADMIN, answers={204: None}, problems=("not-found",))
def remove_webhook(call: Call, site: str, webhook_id: UUID) -> Answer:
    """End an endpoint; what waits for it is not sent any more."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        endpoints.remove(connection, found.id, webhook_id)
    return Answer(None, 204)


@routes.add(
    "GET", f"{_ONE}/secret", Right.ADMIN, answers={200: shapes.SecretList()}, problems=("not-found", "conflict")
)
def get_webhook_secret(call: Call, site: str, webhook_id: UUID) -> Answer:
    """The secrets that sign now: one, or two for a day after a rotation."""
    found, vault = site_of(call, site), webhooks.vault_of(call.services.keys)
    with _explained(), call.services.database.connection() as connection:
        return Answer({"secrets": webhooks.secrets(connection, vault, found.id, webhook_id)})


@routes.add(
    "POST", f"{_ONE}/rotate", Right.ADMIN, answers={200: shapes.SecretList()}, problems=("not-found", "conflict")
)
def rotate_webhook(call: Call, site: str, webhook_id: UUID) -> Answer:
    """A new secret; for a day messages carry the signatures of both, then the old one ends."""
    found, vault = site_of(call, site), webhooks.vault_of(call.services.keys)
    with _explained(), call.services.database.transaction() as connection:
        webhooks.rotate(connection, vault, found.id, webhook_id)
        return Answer({"secrets": webhooks.secrets(connection, vault, found.id, webhook_id, lost=False)})


@routes.add(
    "POST", f"{_ONE}/test", Right.ADMIN, answers={202: shapes.DeliveryView()}, problems=("not-found", "conflict")
)
def test_webhook(call: Call, site: str, webhook_id: UUID) -> Answer:
    """Send an endpoint.test to this endpoint alone."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        _enabled(connection, found, webhook_id)
        delivery_id = deliveries.add_test(connection, webhook_id)
        return Answer(_view(deliveries.one(connection, found.id, webhook_id, delivery_id)), 202)


@routes.add(
    "GET", f"{_ONE}/deliveries", Right.ADMIN,
    query=shapes.DeliveriesQuery(), answers={200: shapes.DeliveryList()}, problems=("not-found",),
)  # fmt: skip
def list_deliveries(call: Call, site: str, webhook_id: UUID) -> Answer:
    """What an endpoint was told and is to be told, newest event first."""
    found, query = site_of(call, site), call.query
    listing = f"deliveries {webhook_id} {query.get('state', '')}"
    before = paging.place(call.services.keys, listing, query["cursor"])
    states = [query["state"]] if "state" in query else []
    with call.services.database.connection() as connection:
        endpoints.one(connection, found.id, webhook_id)
        rows = deliveries.listed(connection, found.id, webhook_id, states, query["limit"] + 1, before)
    more, rows = len(rows) > query["limit"], rows[: query["limit"]]
    next_cursor = paging.cursor(call.services.keys, listing, (rows[-1].at, rows[-1].id) if more else None)
    data = {"deliveries": [_view(one) for one in rows], "next_cursor": next_cursor}
    return Answer(data, 200, paging.links(next_cursor))


@routes.add("GET", _DELIVERY, Right.ADMIN, answers={200: shapes.DeliveryRecord()}, problems=("not-found",))
def get_delivery(call: Call, site: str, webhook_id: UUID, delivery_id: UUID) -> Answer:
    """One delivery, and how each attempt went."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        delivery = deliveries.one(connection, found.id, webhook_id, delivery_id)
        records = deliveries.attempts(connection, delivery_id)
    shown = [{**asdict(one), "answer": one.answer.decode("utf-8", "replace")} for one in records]
    return Answer({**_view(delivery), "records": shown})


@routes.add(
    "POST", f"{_DELIVERY}/retry", Right.ADMIN, answers={202: shapes.DeliveryView()}, problems=("not-found", "conflict")
)
def retry_delivery(call: Call, site: str, webhook_id: UUID, delivery_id: UUID) -> Answer:
    """Send a delivery now, whatever became of it; of an erased comment only that it was erased."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        _enabled(connection, found, webhook_id)
        deliveries.one(connection, found.id, webhook_id, delivery_id)
        try:
            sent = deliveries.resend(connection, delivery_id)
        except Erased:
            raise Problem("conflict", "This comment was erased, and nothing but that is told of it.") from None
        if not sent:
            raise Problem("conflict", "This delivery is on its way just now. Look again in a minute.")
        return Answer(_view(deliveries.one(connection, found.id, webhook_id, delivery_id)), 202)


@routes.add(
    "POST", f"{_DELIVERY}/drop", Right.ADMIN, answers={200: shapes.DeliveryView()}, problems=("not-found", "conflict")
)
def drop_delivery(call: Call, site: str, webhook_id: UUID, delivery_id: UUID) -> Answer:
    """Give up a pending delivery; the record of it stays."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        delivery = deliveries.one(connection, found.id, webhook_id, delivery_id)
        if deliveries.drop(connection, webhook_id, delivery_id) == 0:
            raise Problem("conflict", f"This delivery is {delivery.state}: only a pending one can be dropped.")
        return Answer(_view(deliveries.one(connection, found.id, webhook_id, delivery_id)))


@routes.add(
    "POST", f"{_ONE}/retry", Right.ADMIN,
    body=shapes.Range(), answers={202: shapes.Resent()}, problems=("not-found", "conflict"),
)  # fmt: skip
def retry_deliveries(call: Call, site: str, webhook_id: UUID) -> Answer:
    """Send what happened in a time and did not arrive, events from before the endpoint was made or enabled included."""
    found, body = site_of(call, site), call.body
    until = body["until"] or datetime.max.replace(tzinfo=UTC)
    with call.services.database.transaction() as connection:
        _enabled(connection, found, webhook_id)
        return Answer(deliveries.resend_range(connection, webhook_id, body["since"], until, body["delivered"]), 202)


@routes.add("POST", f"{_ONE}/drop", Right.ADMIN, answers={200: shapes.Dropped()}, problems=("not-found",))
def drop_deliveries(call: Call, site: str, webhook_id: UUID) -> Answer:
    """Give up all that is pending of an endpoint."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        endpoints.one(connection, found.id, webhook_id)
        return Answer({"count": deliveries.drop(connection, webhook_id)})


def _enabled(connection: Connection, site: Site, endpoint_id: UUID) -> Endpoint:
    """The endpoint, which must be enabled: nothing is sent to one that is not. Raises NotFound or Problem."""
    found = endpoints.one(connection, site.id, endpoint_id)
    if not found.enabled:
        detail = "This endpoint is disabled, so nothing is sent to it. Enable it first."
        raise Problem("conflict", detail, [{"detail": detail, "code": "disabled"}])
    return found


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what can be wrong with an endpoint into its problem."""
    try:
        yield
    except Forbidden as error:
        wrong = [{"detail": error.sentence, "pointer": "#/url", "code": error.code}]
        raise Problem("validation-error", error.sentence, wrong) from None
    except UrlTaken:
        detail = "This site has an endpoint with this URL already. Change that one, or send another URL."
        raise Problem("conflict", detail, [{"detail": detail, "pointer": "#/url", "code": "taken"}]) from None
    except TooMany:
        raise Problem("conflict", f"This site has {endpoints.MOST} endpoints already. Remove one first.") from None
    except VaultError:
        detail = "This secret was sealed under another COMITY_SECRET_KEY and cannot be shown. Rotate it for a new one."
        raise Problem("conflict", detail) from None


def _view(delivery: Delivery) -> dict[str, Any]:
    return {**asdict(delivery), "webhook_id": message_id(delivery.event_id)}

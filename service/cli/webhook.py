"""`comity webhook`: where a site is told what happens, and how that goes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from service import webhooks
from service.cli import confirm, reach, show
from service.cli.asked import Id, Moment, checked
from service.cli.exits import Exit, Stop
from service.cli.key import site_option
from service.cli.reach import Place
from service.cli.show import Column, Screen
from service.domain.events import FILTERS, message_id
from service.domain.vault import Vault, VaultError
from service.outbound.guard import Forbidden
from service.store import deliveries, endpoints
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.deliveries import STATES, Delivery, Erased
from service.store.endpoints import Endpoint, TooMany, UrlTaken
from service.web.schemas import PAGE
from service.web.webhook_schemas import NewWebhook, WebhookChange
from service.webhooks import Secret

COLUMNS = (
    Column("id", "id", whole=True),
    Column("url", "url"),
    Column("events", "events"),
    Column("state", "state"),
    Column("waiting", "waiting", right=True, whole=True),
    Column("dead", "dead", right=True, whole=True),
)
DELIVERIES = (
    Column("id", "id", whole=True),
    Column("happened", "at", whole=True),
    Column("event", "event", whole=True),
    Column("state", "state", whole=True),
    Column("attempts", "attempts", right=True, whole=True),
    Column("last answer", "last"),
    Column("next", "due_at", whole=True),
)
ATTEMPTS = (
    Column("attempt", "number", right=True, whole=True),
    Column("at", "at", whole=True),
    Column("answer", "last"),
    Column("seconds", "took", right=True, whole=True),
    Column("said", "answer"),
)
_event = click.option(
    "--event", "events", multiple=True, type=click.Choice(FILTERS), help="What it is told; may be given several times."
)


@click.group("webhook")
def command() -> None:
    """Where a site is told what happens: endpoints, their secrets, and what they were told."""


@command.command("list")
@site_option()
@show.screen
def list_webhooks(site: str | None, screen: Screen) -> None:
    """A site's endpoints, and how they fare."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        rows = [{**_view(one), "site": found.name} for one in endpoints.listed(connection, found.id)]
    screen.rows(COLUMNS, rows, f"Site {found.name} tells nobody: make an endpoint with `comity webhook add`.")


@command.command("add")
@click.argument("url")
@_event
@click.option("--scores", is_flag=True, help="Tell the classifier's scores too.")
@click.option("--description", default="", help="For people.")
@site_option()
@show.screen
def add(url: str, events: tuple[str, ...], scores: bool, description: str, site: str | None, screen: Screen) -> None:
    """Make an endpoint and show its secret. Without --event it is told all events of comments."""
    asked = checked(
        NewWebhook(),
        {"url": url, "scores": scores, "description": description, **({"events": list(events)} if events else {})},
    )
    place = reach.find()
    with _explained(), reach.transaction(place) as connection:
        found, vault = reach.site_of(connection, site), _vault(connection, place)
        guard = webhooks.guard_of(place.settings)
        made, secret = webhooks.make(connection, vault, guard, found.id, asked, reach.BY)
    line = f"Site {found.name} tells {made.url}: endpoint {made.id}, signed with\n{secret}"
    screen.done({**_view(made), "site": found.name, "signing_secret": secret}, line)


@command.command("change")
@click.argument("webhook_id", type=Id(), metavar="ID")
@click.option("--url", help="Another URL.")
@_event
@click.option("--scores/--no-scores", default=None, help="Whether it is told the classifier's scores.")
@click.option("--description", help="For people.")
@click.option("--enable/--disable", "enabled", default=None, help="Enabled again, it is sent what waits for it.")
@confirm.yes
@show.screen
def change(webhook_id: UUID, screen: Screen, events: tuple[str, ...], yes: bool, **given: Any) -> None:
    """Change an endpoint, disable it, or enable it again. Asks where it would be told less, or elsewhere."""
    named = {name: value for name, value in given.items() if value is not None}
    asked = checked(WebhookChange(), {**named, **({"events": list(events)} if events else {})})
    place = reach.find()
    guard = webhooks.guard_of(place.settings)
    with _explained(), reach.database(place) as connection:
        _, one = _endpoint(connection, webhook_id)
        url = guard.check_url(asked["url"]) if "url" in asked else one.url
        if lost := _lost(one, url, asked):
            confirm.ask("\n".join(lost), yes)
        with connection.transaction():
            site_id, _ = _endpoint(connection, webhook_id)  # it may have gone while somebody thought
            changed = webhooks.change(connection, guard, site_id, webhook_id, asked)
    screen.done(_view(changed), f"Endpoint {changed.id} ({changed.url}) is {_state(changed)}.")


@command.command("remove")
@click.argument("webhook_id", type=Id(), metavar="ID")
@confirm.yes
@show.screen
def remove(webhook_id: UUID, yes: bool, screen: Screen) -> None:
    """End an endpoint; what waits for it is not sent any more."""
    with reach.database() as connection:
        _, one = _endpoint(connection, webhook_id)
        confirm.ask(f"{one.url} will be told nothing more; {one.waiting:,} messages that wait for it are lost.", yes)
        with connection.transaction():
            site_id, one = _endpoint(connection, webhook_id)
            endpoints.remove(connection, site_id, webhook_id)
    screen.done(_view(one), f"Removed endpoint {one.id}.")


@command.command("secret")
@click.argument("webhook_id", type=Id(), metavar="ID")
@show.screen
def secret(webhook_id: UUID, screen: Screen) -> None:
    """Show the secrets that sign now: one, or two for a day after a rotation."""
    place = reach.find()
    with _explained(), reach.database(place) as connection:
        site_id, _ = _endpoint(connection, webhook_id)
        found = webhooks.secrets(connection, _vault(connection, place), site_id, webhook_id)
    _show_secrets(screen, found)


@command.command("rotate")
@click.argument("webhook_id", type=Id(), metavar="ID")
@confirm.yes
@show.screen
def rotate(webhook_id: UUID, yes: bool, screen: Screen) -> None:
    """Make a new secret. For a day messages carry the signatures of both; then the old one ends."""
    place = reach.find()
    with _explained(), reach.database(place) as connection:
        _, one = _endpoint(connection, webhook_id)
        confirm.ask(f"The secret of {one.url} will end in a day; one that was replaced before ends now.", yes)
        with connection.transaction():
            site_id, vault = _endpoint(connection, webhook_id)[0], _vault(connection, place)
            webhooks.rotate(connection, vault, site_id, webhook_id)
            found = webhooks.secrets(connection, vault, site_id, webhook_id, lost=False)
    _show_secrets(screen, found)


@command.command("test")
@click.argument("webhook_id", type=Id(), metavar="ID")
@show.screen
def test(webhook_id: UUID, screen: Screen) -> None:
    """Send an endpoint.test to this endpoint alone."""
    with reach.transaction() as connection:
        site_id, _ = _enabled(connection, webhook_id)
        delivery_id = deliveries.add_test(connection, webhook_id)
        made = deliveries.one(connection, site_id, webhook_id, delivery_id)
    screen.done(
        _delivery(made), f"On its way: `comity webhook deliveries {webhook_id} --delivery {made.id}` shows how it went."
    )


@command.command("deliveries")
@click.argument("webhook_id", type=Id(), metavar="ID")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only those in this state.")
@click.option("--delivery", "delivery_id", type=Id(), help="The attempts at this one, newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=PAGE, help="How many at most.", show_default=True)
@show.screen
def list_deliveries(
    webhook_id: UUID, states: tuple[str, ...], delivery_id: UUID | None, limit: int, screen: Screen
) -> None:
    """What an endpoint was told and is to be told, newest event first."""
    with reach.database() as connection:
        site_id, one = _endpoint(connection, webhook_id)
        if delivery_id is not None:
            _find(connection, site_id, webhook_id, delivery_id)
            records = deliveries.attempts(connection, delivery_id)
        else:
            found = deliveries.listed(connection, site_id, webhook_id, states, limit, None)
    if delivery_id is not None:
        rows = [
            {
                **asdict(record),
                "answer": record.answer.decode("utf-8", "replace"),
                "last": record.status or record.error,
            }
            for record in records
        ]
        screen.rows(ATTEMPTS, rows, "No attempt at it has ended yet.")
        return
    screen.rows(DELIVERIES, [_delivery(delivery) for delivery in found], f"{one.url} has no such delivery.")


@command.command("retry")
@click.argument("webhook_id", type=Id(), metavar="ID")
@click.option("--delivery", "delivery_id", type=Id(), help="This one, whatever became of it.")
@click.option("--since", type=Moment(), help="What happened since then and did not arrive: a time, or 2d.")
@click.option("--until", type=Moment(), help="And before then.")
@click.option("--delivered", is_flag=True, help="What arrived too.")
@show.screen
def retry(
    webhook_id: UUID, delivery_id: UUID | None, since: datetime | None, until: datetime | None, delivered: bool,
    screen: Screen,
) -> None:  # fmt: skip
    """Send again: one delivery, or all of a time, events from before the endpoint was made or enabled included."""
    if (delivery_id is None) == (since is None):
        raise click.UsageError("Say which: --delivery, or --since.")
    if delivery_id is not None:
        with reach.transaction() as connection:
            site_id, _ = _enabled(connection, webhook_id)
            _find(connection, site_id, webhook_id, delivery_id)
            try:
                sent = deliveries.resend(connection, delivery_id)
            except Erased:
                raise Stop("Its comment was erased, and nothing but that is told of it.", Exit.CONFLICT) from None
            if not sent:
                raise Stop("This delivery is on its way just now: look again in a minute.", Exit.CONFLICT)
        screen.done({"count": 1}, "It is sent again.")
        return
    assert since is not None
    count = _retry_range(webhook_id, since, until or datetime.max.replace(tzinfo=UTC), delivered)
    screen.done({"count": count}, f"{count:,} deliveries are sent again.")


def _retry_range(webhook_id: UUID, since: datetime, until: datetime, delivered: bool) -> int:
    count, place = 0, reach.find()
    while True:
        with reach.transaction(place) as connection:
            _enabled(connection, webhook_id)
            done = deliveries.resend_range(connection, webhook_id, since, until, delivered)
        count += done.count
        if done.go_on is None:
            return count
        since = done.go_on


@command.command("drop")
@click.argument("webhook_id", type=Id(), metavar="ID")
@click.option("--delivery", "delivery_id", type=Id(), help="This one alone.")
@confirm.yes
@show.screen
def drop(webhook_id: UUID, delivery_id: UUID | None, yes: bool, screen: Screen) -> None:
    """Give up what is pending of an endpoint, or one delivery; the record of it stays."""
    with reach.database() as connection:
        site_id, one = _endpoint(connection, webhook_id)
        if delivery_id is None:
            confirm.ask(f"{one.waiting:,} messages that wait for {one.url} will not be sent.", yes)
        else:
            found = _find(connection, site_id, webhook_id, delivery_id)
            confirm.ask(f"This {found.event} that waits for {one.url} will not be sent.", yes)
        with connection.transaction():
            _endpoint(connection, webhook_id)
            count = deliveries.drop(connection, webhook_id, delivery_id)
    if not count:
        raise Stop("Nothing was pending.")
    screen.done({"count": count}, f"Dropped {count:,}.")


def _endpoint(connection: Connection, webhook_id: UUID) -> tuple[UUID, Endpoint]:
    """An endpoint with the inner id of its site. Raises Stop."""
    try:
        site_id = endpoints.site_of(connection, webhook_id)
        return site_id, endpoints.one(connection, site_id, webhook_id)
    except NotFound:
        raise Stop("There is no such endpoint: `comity webhook list` shows those there are.") from None


def _lost(one: Endpoint, url: str, asked: Mapping[str, Any]) -> list[str]:
    """What a change takes away from an endpoint, in sentences. url: where it is afterwards."""
    found = []
    if one.enabled and asked.get("enabled") is False:
        words = "what happens meanwhile is sent by `comity webhook retry` alone."
        found.append(f"{one.url} will be told nothing until it is enabled again; {words}")
    if url != one.url:
        found.append(f"Messages go to {url} instead of {one.url}, those that wait included.")
    if unheard := _unheard(one.events, asked.get("events", one.events)):
        found.append(f"It is not told of {', '.join(unheard)} any more.")
    return found


def _unheard(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What was listened to and is no longer."""
    return [one for one in before if one not in after and f"{one.partition('.')[0]}.*" not in after]


def _enabled(connection: Connection, webhook_id: UUID) -> tuple[UUID, Endpoint]:
    site_id, one = _endpoint(connection, webhook_id)
    if not one.enabled:
        raise Stop(f"{one.url} is disabled: enable it with `comity webhook change ID --enable` first.", Exit.CONFLICT)
    return site_id, one


def _find(connection: Connection, site_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    try:
        return deliveries.one(connection, site_id, webhook_id, delivery_id)
    except NotFound:
        raise Stop("It has no such delivery: `comity webhook deliveries ID` shows those it has.") from None


def _vault(connection: Connection, place: Place) -> Vault:
    """What seals and opens secrets here. Raises Stop where the key is not the one that sealed those there are."""
    vault = webhooks.vault_of(place.keys())
    known = endpoints.any_secret(connection)
    if known is not None:
        try:
            vault.open(known[1].sealed, known[0], known[1].id)
        except VaultError:
            raise Stop(
                "COMITY_SECRET_KEY is not the one that sealed the secrets here: set it to the key that the web has.",
                Exit.SETTINGS,
            ) from None
    return vault


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what can be wrong with an endpoint into a sentence."""
    try:
        yield
    except Forbidden as error:
        raise click.UsageError(error.sentence) from None
    except UrlTaken:
        raise Stop("The site has an endpoint with this URL already.", Exit.CONFLICT) from None
    except TooMany:
        raise Stop(f"The site has {endpoints.MOST} endpoints already: remove one first.", Exit.CONFLICT) from None
    except VaultError:
        raise Stop(
            "A secret was sealed under another COMITY_SECRET_KEY: rotate it for a new one.", Exit.SETTINGS
        ) from None


def _show_secrets(screen: Screen, found: list[Secret]) -> None:
    rows = [{"signing_secret": one.text, "created_at": one.created_at, "ends_at": one.ends_at} for one in found]
    columns = (Column("secret", "signing_secret", whole=True), Column("made", "created_at"), Column("ends", "ends_at"))
    screen.rows(columns, rows, "It has no secret: make one with `comity webhook rotate`.")


def _view(one: Endpoint) -> dict[str, Any]:
    return {**asdict(one), "state": _state(one)}


def _state(one: Endpoint) -> str:
    if not one.enabled:
        return f"disabled ({one.disabled_reason})"
    return "enabled" if one.failing_since is None else f"failing since {one.failing_since:%Y-%m-%d %H:%M}"


def _delivery(one: Delivery) -> dict[str, Any]:
    return {**asdict(one), "webhook_id": message_id(one.event_id), "last": one.status or one.error}

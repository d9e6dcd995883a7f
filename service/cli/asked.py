"""What people typed, checked by the schemas that check the API."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click

from service.messages import flat
from service.web.fields import read_id
from service.web.schemas import MODERATOR_RIGHTS, Incoming


def checked(schema: Incoming, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema makes of it. Raises click.UsageError that names every wrong value."""
    wrong = [f"{path.lstrip('/') or 'this'} {text}" for path, text in flat(schema.validate(given))]
    if wrong:
        raise click.UsageError("; ".join(wrong) + ".")
    loaded: dict[str, Any] = schema.load(given)
    return loaded


class Id(click.ParamType[Any]):
    """An id of ours."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """Fails for what is none."""
        found = value if isinstance(value, UUID) else read_id(value)
        if found is None:
            self.fail(f"{value!r} is no id: they look like 01a2b3c4-0000-7000-8000-000000000000.", param, ctx)
        return found


class Right(click.ParamType[Any]):
    """SITE=RIGHT: what a moderator may do in a site."""

    name = "site=right"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Fails for an unknown right."""
        if isinstance(value, tuple):
            return value
        site, _, may = str(value).rpartition("=")
        if not site or may not in MODERATOR_RIGHTS:
            self.fail(f"{value!r} must be SITE=RIGHT with one of {', '.join(MODERATOR_RIGHTS)}.", param, ctx)
        return site, may


class Moment(click.ParamType[Any]):
    """A time with its zone (RFC 3339), a date, or an age such as 30d or 12h from now."""

    name = "time"

    def __init__(self, ahead: bool = False) -> None:
        self.ahead = ahead

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Fails for what names no time."""
        if isinstance(value, datetime):
            return value
        found = _span(str(value))
        now = datetime.now().astimezone()
        if found is not None:
            return now + found if self.ahead else now - found
        try:
            moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-11-23T08:00:00Z, 2026-11-23, 30d or 12h.", param, ctx)
        return moment.astimezone()


def _span(text: str) -> timedelta | None:
    units = {"d": "days", "h": "hours", "m": "minutes"}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not (number.isascii() and number.isdigit() and len(number) < 6):
        return None
    return timedelta(**{units[unit]: int(number)})

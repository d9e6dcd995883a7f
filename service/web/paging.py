"""Cursors and Link fields: where a list goes on."""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from flask import request

from service.keys import Keys
from service.web.errors import Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor(keys: Keys, listing: str, place: tuple[datetime, UUID] | None) -> str | None:
    """A place in a list as a signed text; `listing` names the list it belongs to."""
    if place is None:
        return None
    micro = (place[0] - _EPOCH) // timedelta(microseconds=1)
    return keys.sign(f"cursor {listing}", struct.pack(">q16s", micro, place[1].bytes))


def place(keys: Keys, listing: str, text: str | None) -> tuple[datetime, UUID] | None:
    """The place in a cursor. Raises Problem (404) when it is not one of this list."""
    if text is None:
        return None
    payload = keys.unsign(f"cursor {listing}", text)
    if payload is None or len(payload) != 24:
        detail = "is not a cursor of this list: start again without one"
        raise Problem("not-found", f"cursor {detail}.", [{"detail": detail, "parameter": "cursor", "code": "invalid"}])
    micro, raw = struct.unpack(">q16s", payload)
    return _EPOCH + timedelta(microseconds=micro), UUID(bytes=raw)


def links(next_cursor: str | None) -> dict[str, str]:
    """The Link field to the next page of the list that was asked for."""
    return {} if next_cursor is None else link(next_cursor, request.path, request.args.items(multi=True))


def link(next_cursor: str | None, path: str, given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The Link field to the next page (RFC 8288) of a path under the query `given`."""
    if next_cursor is None:
        return {}
    pairs = [(name, value) for name, value in given if name != "cursor"]
    return {"Link": f'<{path}?{urlencode([*pairs, ("cursor", next_cursor)])}>; rel="next"'}

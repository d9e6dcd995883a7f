"""What is told, to the byte."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from uuid import UUID, uuid4

import pytest

from service.domain.events import EVENTS, FILTERS, Told, message_id, payload
from service.domain.lifecycle import Action, Actor, MoveError, State, advance
from service.domain.reasons import LABELS

AT = datetime(2026, 11, 23, 3, 0, 0, 123456, UTC)
ENDPOINT = UUID(int=3)
TOLD = Told(
    UUID(int=1), UUID(int=2), 7, "pending", "rejected", "reject", "policy", "spam", "scores", 2, 1, 4,
)  # fmt: skip


def test_every_event_of_the_lifecycle_can_be_listened_to() -> None:
    """And no other."""
    told = set()
    for state, action, actor in product(State, Action, Actor):
        try:
            told.add(advance(state, action, actor).event)
        except MoveError:
            continue
    assert told - {None} == set(EVENTS)
    assert set(FILTERS) == {*EVENTS, "comment.*"}


def test_a_body_is_one_line_of_json_that_never_changes() -> None:
    """To the byte: receivers tell a repeated message by it."""
    assert payload("comment.rejected", AT, "blog", ENDPOINT, TOLD) == (
        b'{"type":"comment.rejected","timestamp":"2026-11-23T03:00:00.123456Z","data":{"site":"blog",'
        b'"comment_id":"00000000-0000-0000-0000-000000000001","thread_id":"00000000-0000-0000-0000-000000000002",'
        b'"seq":7,"from_status":"pending","to_status":"rejected","reason":"spam","action":"reject","actor":"policy",'
        b'"rule":"scores","version":2,"content_version":1,"policy_version":4}}'
    )
    assert payload("endpoint.test", AT, "blog", ENDPOINT, None) == (
        b'{"type":"endpoint.test","timestamp":"2026-11-23T03:00:00.123456Z","data":{"site":"blog",'
        b'"endpoint_id":"00000000-0000-0000-0000-000000000003"}}'
    )
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert payload("comment.rejected", elsewhere, "blog", ENDPOINT, TOLD) == payload(
        "comment.rejected", AT, "blog", ENDPOINT, TOLD
    )
    whole = AT.replace(microsecond=0)
    assert b"03:00:00.000000Z" in payload("comment.rejected", whole, "blog", ENDPOINT, TOLD)


def test_scores_are_told_for_every_label_or_not_at_all() -> None:
    """In the order of the labels, whatever order they were stored in; null where nothing was measured."""
    scores = {"toxicity": 0.1234567, "spam": 0.5}
    data = json.loads(payload("comment.flagged", AT, "blog", ENDPOINT, replace(TOLD, scores=scores)))["data"]
    assert list(data["scores"]) == list(LABELS)
    assert data["scores"] == {**dict.fromkeys(LABELS), **scores}
    assert "scores" not in json.loads(payload("comment.flagged", AT, "blog", ENDPOINT, TOLD))["data"]


def test_a_body_is_ascii_and_short() -> None:
    """Whatever a site calls its rules."""
    long = replace(TOLD, rule="match: " + "\u4f60" * 63, scores=dict.fromkeys(LABELS, 0.12345678901234567))
    body = payload("comment.published", AT, "a" * 63, ENDPOINT, long)
    assert body.isascii()
    assert b"\n" not in body
    assert len(body) < 20_000


@pytest.mark.parametrize("number", [0, 1, 61, 62, 2**128 - 1])
def test_the_id_of_a_message_says_which_event_it_is(number: int) -> None:
    """27 letters and digits, different for different events."""
    made = message_id(UUID(int=number))
    assert re.fullmatch(r"msg_[0-9A-Za-z]{27}", made)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for digit in made.removeprefix("msg_"):
        value = value * 62 + digits.index(digit)
    assert value == number
    assert message_id(uuid4()) != made

"""Cursors: a place in a list that comes back as it went out, in that list alone."""

from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys import Keys
from service.web import paging
from service.web.errors import Problem
from service.web.fields import show_time

KEYS = Keys(b"k" * 32)
moments = st.datetimes(
    datetime(1900, 1, 1),
    datetime(2200, 1, 1),
    timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
listings = st.text(max_size=20)


@given(moments, st.uuids(), listings)
def test_a_place_comes_back_to_the_microsecond(at: datetime, id_: UUID, listing: str) -> None:
    """Time and id, in UTC."""
    text = paging.cursor(KEYS, listing, (at, id_))
    assert text is not None
    assert paging.place(KEYS, listing, text) == (at, id_)
    assert len(text) <= 100


@given(moments, st.uuids(), listings, listings)
def test_a_cursor_is_of_one_list(at: datetime, id_: UUID, listing: str, other: str) -> None:
    """In any other it is refused."""
    text = paging.cursor(KEYS, listing, (at, id_))
    if listing != other:
        with pytest.raises(Problem) as refusal:
            paging.place(KEYS, other, text)
        assert refusal.value.status == 404


@given(moments, st.uuids(), st.data())
def test_a_changed_cursor_is_refused(at: datetime, id_: UUID, data: st.DataObject) -> None:
    """Whatever is changed about it."""
    text = paging.cursor(KEYS, "x", (at, id_)) or ""
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(exclude_characters=text[place]))
    with pytest.raises(Problem):
        paging.place(KEYS, "x", text[:place] + character + text[place + 1 :])


@given(st.text(max_size=100))
def test_no_other_text_is_a_cursor(text: str) -> None:
    """Refused, and never a fault."""
    with pytest.raises(Problem):
        paging.place(KEYS, "x", text)


def test_nowhere_is_no_cursor() -> None:
    """The last page has none, and none asks for the first."""
    assert paging.cursor(KEYS, "x", None) is None
    assert paging.place(KEYS, "x", None) is None
    assert paging.links(None) == {}


@given(moments)
def test_a_time_is_shown_in_utc_whatever_its_zone(at: datetime) -> None:
    """Read again it is the same moment."""
    shown = show_time(at)
    assert shown.endswith("Z")
    assert datetime.fromisoformat(shown) == at
    assert datetime.fromisoformat(shown).utcoffset() == timedelta(0)

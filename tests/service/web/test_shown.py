"""Comments as text: written at once, they are what the schema writes of each."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from service.domain import text
from service.store.public import Shown
from service.web import schemas, shown
from service.web.fields import show_time

AT = datetime(2026, 1, 2, 3, 4, 5, 60, UTC)
PIECES = st.sampled_from(
    ["word", "a.b", "https://example.org/?a=1&b=2", "www.example.org.", "//", "me@example.org", "me%40example.org",
     "\uff20", "<b>", "&", "'", '"', "\\", "\n", "\r\n", "\r", "\t", "é", "\u2028", "😀", "。", "a。b", "0", ". ", "."]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=6).map("".join)
IDS = st.integers(0, 7).map(lambda number: str(UUID(int=number)))


@st.composite
def comments(draw: st.DrawFn) -> list[Shown]:
    """Comments of a page, each of which may answer one before it, or one that is elsewhere."""
    made: list[Shown] = []
    for comment_id in draw(st.lists(IDS, unique=True, max_size=6)):
        removed = draw(st.booleans())
        above = draw(st.none() | st.sampled_from([*[one.id for one in made], str(UUID(int=99))]))
        name, body = (None, None) if removed else (draw(TEXTS), draw(TEXTS))
        website = None if removed else draw(st.none() | TEXTS)
        at = draw(st.none() | st.datetimes(timezones=st.just(UTC)).map(show_time))
        made.append(Shown(comment_id, above, name, body, website, at, draw(st.booleans()), removed, comment_id, AT))
    return made


def dumped(trees: list[dict[str, Any]]) -> str:
    """Trees as the schema and the json module write them."""
    return json.dumps([schemas.PublicTree().dump(_timed(tree)) for tree in trees])


def _timed(tree: dict[str, Any]) -> dict[str, Any]:
    at, replies = tree["published_at"], [_timed(one) for one in tree["replies"]]
    return {**tree, "published_at": at and datetime.fromisoformat(at), "replies": replies}


@settings(max_examples=300, deadline=None)
@given(comments())
def test_what_is_written_at_once_is_what_the_schema_writes(page: list[Shown]) -> None:
    """To the byte, as a list and as trees."""
    assert shown.listed(page) == dumped([{**shown.show(one), "replies": []} for one in page])
    assert shown.grown(page) == dumped(shown.nested(page))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_html_is_escaped_piece_by_piece(body: str) -> None:
    """What is no link is escaped, with line breaks; whatever short cut is taken."""
    made = []
    for part in text.parts(body):
        plain = str(escape(part.text)).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>\n")
        link = f'<a href="{escape(part.href)}" rel="nofollow ugc noopener noreferrer">{plain}</a>'
        made.append(plain if part.href is None else link)
    assert shown.html(body) == "".join(made)


@settings(max_examples=500)
@given(st.text(alphabet="ab./ 。．｡\n\u3000é", max_size=10) | TEXTS)
@example("a. b.c")
@example("a.")
@example("..a")
@example("a。b")
def test_no_link_is_without_a_dot_inside_or_two_strokes(body: str) -> None:
    """Character by character."""
    inside = any(
        body[at] in ".。．｡" and not body[at - 1].isspace() and body[at - 1] != "."
        and not body[at + 1].isspace() and body[at + 1] != "."
        for at in range(1, len(body) - 1)
    )  # fmt: skip
    assert text.linklike(body) is (inside or "//" in body)

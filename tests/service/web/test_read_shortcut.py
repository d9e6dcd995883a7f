"""What the short way answers from the store is what the application answers, to the byte."""

import threading
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.bodies import Body
from service.front import Front, _read
from service.store.database import Busy, Unavailable
from service.web import listing
from service.web.hot import Hot
from service.web.intake import visitor
from service.web.limits import Limits
from service.web.listing import PATH
from service.web.read_shortcut import ReadShortcut
from tests.service.test_front import Headers, Proto, Scope
from tests.world import World

HOST = "127.0.0.1:8080"
Answered = tuple[int, list[tuple[str, str]], bytes]


class Listening(Proto):
    """A connection that keeps the order of the header fields."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.answers.append((status, headers, content))  # type: ignore[arg-type]


@dataclass
class Ways:
    """A service and both its ways."""

    world: World
    short: ReadShortcut
    front: Front

    def scope(self, query: str, address: str = "192.0.2.7", **fields: str) -> Scope:
        """A request. `fields`: header fields, their hyphens as underscores."""
        given = {"host": HOST, "x-request-id": "request-1", **{n.replace("_", "-"): v for n, v in fields.items()}}
        headers = Headers({name: [value] for name, value in given.items()})
        return Scope("GET", PATH, query, client=f"{address}:4711", headers=headers)

    def short_way(self, scope: Scope) -> Answered | None:
        """From the store; None when the application is to be asked."""
        read = _read(scope)  # type: ignore[arg-type]
        return None if read is None else self.short.fetch(read, time.perf_counter())

    def long_way(self, scope: Scope) -> Answered:
        """From the application."""
        proto = Listening()
        self.front._answer(scope, proto, Body(), time.perf_counter())  # type: ignore[arg-type]
        return proto.answers[0]  # type: ignore[return-value]

    def same(self, query: str, **fields: str) -> Answered | None:
        """What both say to somebody who comes for the first time; None when there is but the long way.

        One that is left to the application is not counted before that counts it.
        """
        counted = self.short._services.limits
        counted._windows.clear()
        counted._bursts.clear()
        short = self.short_way(self.scope(query, **fields))
        if short is None:
            assert not counted._windows or not any(window.used for window in counted._windows.values())
            return None
        counted._windows.clear()
        counted._bursts.clear()
        assert short == self.long_way(self.scope(query, **fields))
        return short


@pytest.fixture(scope="module")
def ways(shared: World) -> Ways:
    """Threads of every kind; all limits are counted at one moment."""
    first = shared.published(
        name="Zoë", body="<b>bold</b> & 'plain'\r\nmail me@example.org or see https://example.org/?a=1&b=2"
    )
    reply = shared.published(
        parent_id=first["id"], body='"Naïve" 😀 \u2028 www.example.org', website="https://blog.example/é?'x'"
    )
    shared.published(parent_id=reply["id"])
    for number in range(3):
        shared.published(name=f"Reader {number}")
    shared.published(body="long " * 200)
    gone = shared.published(body="gone")
    shared.published(parent_id=gone["id"], body="stays")
    shared.decide(gone, "reject", reason="spam")
    edited = shared.published(body="before")
    shared.request("PATCH", f"/v1/comments/{edited['id']}", shared.secret_key, {"body": "after, unseen"})
    shared.published(thread={"key": "a b&c=d/é+%", "url": "https://blog.example/ä?x=1&y=2", "title": '"T" <é>'})
    shared.published(thread={"url": "https://blog.example/"})
    shared.flagged(thread={"key": "held"})
    _, key = shared.add_site("bare")
    shared.execute("UPDATE comity.site SET origins = '{}' WHERE name = 'bare'")
    shared.request("POST", PATH, key, shared.comment(thread={"key": "page"}))
    shared.settle()
    services = shared.app.extensions["comity"]
    counted = Limits(services.keys.of("limits"), None, now=lambda: 1_000_000_007.0)
    shared.app.extensions["comity"] = services = replace(services, limits=counted)
    short = ReadShortcut(services, Hot())
    return Ways(shared, short, Front(shared.app, 1))


def link(answered: Answered | None) -> str:
    """The query of the next page."""
    assert answered is not None
    return dict(answered[1])["Link"].partition("?")[2].partition(">")[0]


PLAIN = [
    {"thread_key": "page"},
    {"thread_key": "page", "view": "tree"},
    {"thread_key": "page", "view": "tree", "limit": "1", "order": "newest"},
    {"thread_key": "page", "limit": "2"},
    {"thread_key": "page", "order": "newest", "limit": "100"},
    {"thread_key": "a b&c=d/é+%"},
    {"thread_key": "held"},
    {"thread_key": "nobody was here"},
    {"url": "https://blog.example/"},
    {"url": "https://blog.example"},
    {"url": "https://BLOG.example/ä?x=1&utm_source=z&y=2#c"},
    {"thread_key": "nobody", "url": "https://blog.example/"},
    {"thread_key": "page", "url": ""},
    {"site": "bare", "thread_key": "page"},
    {"site": "nowhere", "thread_key": "page"},
    {"thread_key": "page", "cursor": "A" * 54},
    {"thread_key": "nobody", "cursor": "A" * 54},
]


@pytest.mark.parametrize("origin", [None, "https://blog.example", "https://elsewhere.example"])
@pytest.mark.parametrize("query", PLAIN, ids=str)
def test_a_plain_read_takes_the_short_way(ways: Ways, query: dict[str, str], origin: str | None) -> None:
    """Status, all header fields in their order, and content; also of a problem, and to one who holds the answer."""
    fields = {} if origin is None else {"origin": origin}
    for written in (urlencode({"site": "blog", **query}), urlencode({"site": "blog", **query}, quote_via=quote)):
        said = ways.same(written, **fields)
        assert said is not None
        etag = dict(said[1]).get("ETag")
        for held in (etag, f"W/{etag}", '"another"'):
            if etag is not None:
                again = ways.same(written, if_none_match=held, **fields)
                assert again is not None
                assert again[0] == (200 if held == '"another"' else 304)


def test_pages_follow_each_other_on_the_short_way(ways: Ways) -> None:
    """By the Link field, in both views and orders, to the last one."""
    for view in ("flat", "tree"):
        for order in ("oldest", "newest"):
            said = ways.same(
                urlencode({"site": "blog", "thread_key": "page", "view": view, "order": order, "limit": 2})
            )
            pages = 1
            while said is not None and "Link" in dict(said[1]):
                said = ways.same(link(said))
                pages += 1
            assert said is not None
            assert pages > 2


NAMES = ["site", "thread_key", "url", "view", "order", "limit", "cursor", "updated_since", "Site", "", "utm_source"]
VALUES = [
    "blog", "bare", "page", "held", "a b&c=d/é+%", "https://blog.example/", "https://blog.example/ä?x=1&y=2",
    "javascript:1", "tree", "flat", "newest", "oldest", "1", "050", "100", "101", "0", "-1", "1.0", "٣", "", " ", "x" * 300,
    "A" * 54, "\x00", "\u202epage", "2026-01-01T00:00:00Z", "https://u:p@blog.example/", "%", "+", "\ud800",
]  # fmt: skip
PIECES = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(["=", "=", "=", "=", ""]),
    st.one_of(st.sampled_from(VALUES), st.text(max_size=8)), st.sampled_from([quote, str, lambda text: quote(text, "")]),
)  # fmt: skip
RAW = st.text(alphabet="abklmst_=&%+;#?/ \u00e9\u0141", max_size=40)


def written(pieces: list[tuple[str, str, str, Any]]) -> str:
    """A query string."""
    clean = [(n, sign, v.encode("utf-8", "replace").decode(), how) for n, sign, v, how in pieces]
    return "&".join(name + sign + how(value) for name, sign, value, how in clean)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_=st.lists(PIECES, max_size=6).map(written) | RAW,
    base=st.sampled_from(["", "site=blog&thread_key=page&", "site=blog&url=https%3A%2F%2Fblog.example%2F&"]),
    origin=st.sampled_from([None, "https://blog.example", "null"]),
    held=st.sampled_from([None, "*", '"none"', 'W/"none"', '"a", "b"', "x", '"none', 'w/"none"']),
)
@example("thread_key=%ff", "site=blog&", None, None)
@example("thread_key=%00", "site=blog&", None, None)
@example("thread_key=a+b%26c%3Dd%2F%C3%A9%2B%25", "site=blog&", None, None)
@example("limit=5;order=newest", "site=blog&thread_key=page&", None, None)
@example("&", "site=blog&thread_key=page", None, None)
@example("site=bare", "site=blog&thread_key=page&", None, None)
def test_whatever_is_asked_both_ways_say_the_same(
    ways: Ways, given_: str, base: str, origin: str | None, held: str | None
) -> None:
    """What the short way does not leave to the application, it answers as that would."""
    fields = {name: value for name, value in (("origin", origin), ("if_none_match", held)) if value is not None}
    ways.same((base + given_).encode("utf-8", "replace").decode("latin-1"), **fields)


@pytest.mark.parametrize(
    "query",
    [
        "site=blog", "thread_key=page", "site=blog&thread_key=page&limit=0", "site=blog&thread_key=page&x=1",
        "site=blog&thread_key=page&thread_key=page", "site=blog&thread_key=page&view=forest", "site=blog&thread_key=%FF",
        "site=blog&thread_key=page&updated_since=2026-01-01T00:00:00Z", "site=blog&thread_key", "site=blog&&thread_key=page",
        "site=blog&thread_key=" + "x" * 9_000, "site=blog&thread_key=pag\u00e9",
    ],
    ids=lambda query: query[:60],
)  # fmt: skip
def test_what_the_application_would_ignore_mend_or_refuse_goes_the_long_way(ways: Ways, query: str) -> None:
    """And is counted there only."""
    assert ways.same(query) is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("host", ["elsewhere.example"]), ("host", []), ("host", [HOST, HOST]), ("authorization", ["Bearer x"]),
        ("if-none-match", ["*"]), ("if-none-match", ['"a"', '"b"']), ("if-none-match", ['"a", "b"']),
        ("origin", ["https://blog.example", "https://evil.example"]), ("x-request-id", ["request-1", "request-2"]),
        ("x-forwarded-for", ["203.0.113.1", "203.0.113.2"]),
    ],
)  # fmt: skip
def test_fields_that_need_a_closer_look_go_the_long_way(ways: Ways, name: str, values: list[str]) -> None:
    """Another host or none, a key, a condition on more than one answer, a field that stands there twice."""
    scope = ways.scope("site=blog&thread_key=page")
    assert ways.short_way(scope) is not None
    if values:
        scope.headers[name] = values
    else:
        del scope.headers[name]
    assert ways.short_way(scope) is None


def test_visitors_behind_a_proxy_are_counted_one_by_one(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the address that the proxy saw; without its word the long way decides."""
    services = ways.short._services
    proxied = replace(services, settings=replace(services.settings, trusted_proxies=1))
    monkeypatch.setattr(ways.short, "_services", proxied)
    query = "site=blog&thread_key=page"
    assert ways.short_way(ways.scope(query)) is None
    for address in ("203.0.113.77", "192.0.2.250, 203.0.113.78"):
        said = ways.short_way(ways.scope(query, x_forwarded_for=address))
        assert said is not None
    assert services.limits._window(visitor(services, "203.0.113.0/24"), services.limits._now()).used == 2


def test_a_used_up_limit_is_told_by_the_application(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is counted, and no question put to the store."""
    services = ways.short._services
    few = replace(services, settings=replace(services.settings, limit_visitor=(4, 60)))
    monkeypatch.setattr(ways.short, "_services", few)
    scope = ways.scope("site=blog&thread_key=page", "198.18.0.9")
    said = [ways.short_way(scope) for _ in range(6)]
    assert [one is not None for one in said] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    "error", [Unavailable(), Busy(), RuntimeError("secret")], ids=lambda error: type(error).__name__
)
def test_trouble_is_told_in_the_same_words(ways: Ways, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is asked once, and nothing is told of what went wrong."""
    asked: list[Any] = []

    def fail(*arguments: Any) -> Any:
        asked.append(arguments)
        raise error

    monkeypatch.setattr(listing.public, "flat", fail)
    said = ways.same("site=blog&thread_key=page", origin="https://blog.example")
    assert said is not None
    assert said[0] == (500 if isinstance(error, RuntimeError) else 503)
    assert b"secret" not in said[2]
    assert dict(said[1])["Access-Control-Allow-Origin"] == "https://blog.example"
    assert len(asked) == 2  # once by each way


def test_what_was_fetched_is_in_memory_afterwards(ways: Ways) -> None:
    """The next reader gets it from there, until something is changed."""
    scope = ways.scope("site=blog&thread_key=page&limit=77")
    read = _read(scope)  # type: ignore[arg-type]
    assert read is not None
    assert ways.short.answer(read, time.perf_counter()) is None
    fetched = ways.short_way(scope)
    known = ways.short.answer(read, time.perf_counter())
    assert fetched is not None
    assert known is not None
    assert known[2] == fetched[2]
    ways.short.changed("POST", f"{PATH}/{uuid4()}/decisions", 200)
    assert ways.short.answer(read, time.perf_counter()) is None


def test_one_question_is_asked_for_a_page(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread and its comments come together."""
    assert ways.same("site=blog&thread_key=page") is not None  # the site is known now
    monkeypatch.setattr(listing.threads, "find", None)
    said = ways.short_way(ways.scope("site=blog&thread_key=page&limit=9"))
    assert said is not None
    assert said[0] == 200


def test_the_front_asks_the_store_before_the_application(ways: Ways) -> None:
    """A page that is not in memory is answered in one of the threads, and the application never called."""
    called = threading.Event()

    def app(_asked: Any, start: Any) -> list[bytes]:
        called.set()
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"application"]

    front = Front(app, 1, reads=ways.short)
    for query, by_app in (("site=blog&thread_key=page&limit=13", False), ("site=blog&thread_key=page&x=1", True)):
        proto = Listening()
        scope = ways.scope(query)
        front._fetch(scope, proto, _read(scope), time.perf_counter())  # type: ignore[arg-type]
        assert proto.answers[0][0] == 200
        assert called.is_set() is by_app

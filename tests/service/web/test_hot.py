"""Public answers in memory: they are the application's own, and what goes is gone."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from werkzeug.test import EnvironBuilder

from service.front import _ask
from service.store import public
from service.store.threads import Named, Stamp
from service.web import schemas, shown
from service.web.hot import FRESH, Hot, Kept, Watch
from service.web.listing import PATH
from service.web.read_shortcut import Read, ReadShortcut
from tests.world import World

HOST = "127.0.0.1:8080"
PER_REQUEST = {"x-request-id", "ratelimit", "content-length"}


class Process:
    """A web process as far as public reads go: the application behind its short way."""

    def __init__(self, world: World, hot: Hot | None = None) -> None:
        self.world, self.hot = world, hot or Hot()
        self.short = ReadShortcut(world.app.extensions["comity"], self.hot)

    def read(self, **given: Any) -> Read:
        """A request of a page."""
        query = urlencode({"site": "blog", "thread_key": "page", **given.pop("query", {})})
        return replace(Read(HOST, query, None, None, "192.0.2.7", None, ""), **given)

    def short_way(self, read: Read) -> tuple[int, dict[str, str], bytes] | None:
        """What memory says."""
        found = self.short.answer(read, time.perf_counter())
        return None if found is None else (found[0], lower(found[1]), found[2])

    def long_way(self, read: Read, learn: bool = True) -> tuple[int, dict[str, str], bytes]:
        """What the application says; learnt, unless it shall not be."""
        fields = {"Host": read.host}
        fields |= {"Origin": read.origin} if read.origin else {}
        fields |= {"If-None-Match": read.unless} if read.unless else {}
        environ = EnvironBuilder(PATH, query_string=read.query, headers=fields).get_environ()
        environ |= {"REMOTE_ADDR": read.address, "comity.begun": time.perf_counter()}
        status, found, body = _ask(self.world.app, environ)
        if learn:
            self.short.learn(read, environ, status, found, body)
        return status, lower(found), body

    def answer(self, read: Read) -> bytes:
        """What a reader gets."""
        return (self.short_way(read) or self.long_way(read))[2]


def lower(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Header fields by name."""
    found = {name.lower(): value for name, value in fields}
    assert len(found) == len(fields)
    return found


def lasting(fields: dict[str, str]) -> dict[str, str]:
    """Without what is different for each request."""
    return {name: value for name, value in fields.items() if name not in PER_REQUEST}


@pytest.mark.parametrize("query", [{}, {"view": "tree"}, {"limit": 1}, {"order": "newest", "limit": 2}])
@pytest.mark.parametrize("origin", [None, "https://blog.example", "https://elsewhere.example"])
def test_the_short_way_says_what_the_application_says(world: World, query: dict[str, Any], origin: str | None) -> None:
    """Status, header fields and content, of a 200 and of a 304, with a limit that goes on counting."""
    first = world.published()
    world.published(parent_id=first["id"], body="See https://example.org/ and me@example.org")
    world.published()
    process = Process(world)
    read = process.read(query=query, origin=origin)
    assert process.short_way(read) is None
    said = process.long_way(read)
    again = process.short_way(read)
    assert again is not None
    assert (again[0], lasting(again[1]), again[2]) == (200, lasting(said[1]), said[2])
    assert set(again[1]) | {"content-length"} == set(said[1]) | {"content-length"}
    assert again[1]["ratelimit"] != said[1]["ratelimit"]

    for unless in (said[1]["etag"], f"W/{said[1]['etag']}"):
        same = replace(read, unless=unless)
        short, long = process.short_way(same), process.long_way(same)
        assert short is not None
        assert (short[0], lasting(short[1]), short[2]) == (304, lasting(long[1]), b"")
        assert long[0] == 304


def test_what_is_written_by_hand_is_what_the_schema_writes(world: World) -> None:
    """A tree with a tombstone in it, member by member."""
    first = world.published()
    reply = world.published(
        parent_id=first["id"], body="\"<b>\" & 'é'\r\nSee https://example.org/?a=1&b=2 or me@example.org"
    )
    world.execute("UPDATE comity.comment SET website = 'https://é.example/?\"' WHERE id = %s", reply["id"])
    world.published(parent_id=reply["id"])
    assert world.decide(first, "reject", reason="spam").status_code == 200
    with world.app.extensions["comity"].database.connection() as connection:
        page = public.trees(connection, Named(world.site.id, "page", None), 10)
    assert page is not None
    [tree] = shown.nested(page.comments)
    assert tree["removed"] is True
    said = Process(world).long_way(Process(world).read(query={"view": "tree"}))[2]
    answer = json.loads(said)
    [written] = answer["comments"]
    assert written == schemas.PublicTree().dump(_with_times(tree))
    assert list(written) == list(schemas.PublicTree().fields)
    assert list(answer) == list(schemas.CommentList().fields)
    assert list(answer["thread"]) == list(schemas.ThreadView().fields)
    assert said == world.app.json.dumps(answer).encode()


def _with_times(tree: dict[str, Any]) -> dict[str, Any]:
    """A comment with its replies, its time as an object, as the schema takes it."""
    at = tree["published_at"]
    replies = [_with_times(one) for one in tree["replies"]]
    return {**tree, "published_at": None if at is None else datetime.fromisoformat(at), "replies": replies}


def test_a_comment_that_goes_is_gone_at_once_where_it_went(world: World) -> None:
    """The process through which it was rejected gives nothing out that it saw before."""
    made = world.published()
    process = Process(world)
    assert made["id"].encode() in process.answer(process.read())
    assert made["id"].encode() in process.answer(process.read())
    assert world.decide(made, "reject", reason="spam").status_code == 200
    process.short.changed("POST", f"/v1/comments/{made['id']}/decisions", 200)
    assert made["id"].encode() not in process.answer(process.read())


@pytest.mark.parametrize(
    ("method", "path", "status", "doubted"),
    [
        ("POST", PATH, 202, False), ("POST", f"{PATH}/batch", 200, False), ("POST", "/thread", 303, False),
        ("POST", "/thread/", 303, False), ("POST", "/thread", 503, False), ("GET", "/queue", 200, False),
        ("DELETE", f"{PATH}/x", 200, True), ("PATCH", f"{PATH}/x", 202, True), ("POST", "/queue/undo", 303, True),
        ("DELETE", f"{PATH}/x", 503, True), ("DELETE", f"{PATH}/x", 500, True), ("DELETE", "/v1/x", 204, True),
        ("DELETE", f"{PATH}/x", 404, False), ("DELETE", f"{PATH}/x", 401, False), ("POST", "/queue/undo", 403, False),
        ("POST", "/nowhere", 404, False), ("PUT", "/thread", 405, False), ("POST", "//thread", 308, False),
        ("POST", "/thread", 429, False), ("POST", "/queue/undo", 409, False),
    ],
)  # fmt: skip
def test_only_what_may_have_changed_something_makes_us_look_again(
    shared: World, method: str, path: str, status: int, doubted: bool
) -> None:
    """Not a comment that waits for its verdict, nor what was refused: anybody can send that, as often as they like.

    What ended in a fault, or without an answer of the database, may have taken effect.
    """
    shared.published()
    process = Process(shared)
    process.answer(process.read())
    process.short.changed(method, path, status)
    assert (process.hot.find(process.read().key) is None) == doubted


@pytest.mark.parametrize("how", ["reject", "withdraw"])
def test_a_comment_that_goes_is_gone_from_other_processes_within_a_second(world: World, how: str) -> None:
    """Readers who ask all the time see it vanish in time, and see memory in use until then."""
    made = world.published()
    other = Process(world)
    assert made["id"].encode() in other.answer(other.read())
    if how == "reject":
        assert world.decide(made, "reject", reason="spam").status_code == 200
    else:
        assert world.request("DELETE", f"/v1/comments/{made['id']}", world.secret_key).status_code < 300
    gone = time.monotonic()
    while made["id"].encode() in other.answer(other.read()):
        assert time.monotonic() - gone < 1.0
        time.sleep(0.01)


def test_answers_stay_while_their_thread_is_looked_at(world: World) -> None:
    """Asked all the time for twice FRESH, the application is asked but once."""
    world.published()
    process = Process(world)
    process.answer(process.read())
    until = time.monotonic() + 2 * FRESH
    while time.monotonic() < until:
        assert process.short_way(process.read()) is not None
        time.sleep(0.01)


def test_who_may_read_an_answer_is_looked_at_too(world: World) -> None:
    """A site that takes an origin away: the next look finds it, though the thread is the same."""
    world.published()
    process = Process(world)
    process.answer(process.read(origin="https://blog.example"))
    world.execute("UPDATE comity.site SET origins = '{}'")
    process.hot.find(process.read(origin="https://blog.example").key)
    Watch(process.hot, world.app.extensions["comity"].database).look()
    assert process.short_way(process.read(origin="https://blog.example")) is None


def test_what_is_not_plain_goes_the_long_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another condition, a proxy that names too few, and a used-up limit."""
    world.published()
    process = Process(world)
    process.answer(process.read())
    assert process.short_way(process.read(unless="*")) is None
    assert process.short_way(process.read(unless='"a", "b"')) is None
    assert process.short_way(process.read()) is not None
    services = process.short._services
    proxied = replace(services, settings=replace(services.settings, trusted_proxies=2))
    monkeypatch.setattr(process.short, "_services", proxied)
    assert process.short_way(process.read(forwarded="203.0.113.9")) is None
    assert process.short_way(process.read(forwarded="203.0.113.9, 10.0.0.1")) is not None
    few = replace(services, settings=replace(services.settings, limit_visitor=(1, 60)))
    monkeypatch.setattr(process.short, "_services", few)
    ways = [process.short_way(process.read(address="198.51.100.3")) for _ in range(3)]
    assert ways[-1] is None


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands at 100 seconds."""
    return Clock()


def kept(thread: UUID, version: int = 1, size: int = 10) -> Kept:
    """An answer on a thread."""
    return Kept(Stamp(thread, version, ()), f'"{version}"', [], [], b"x" * size)


def test_a_look_that_is_too_old_says_nothing(clock: Clock) -> None:
    """Until the thread is looked at again."""
    hot, thread = Hot(clock), uuid4()
    hot.keep("key", kept(thread), clock.now)
    assert hot.find("key") is not None
    clock.now += FRESH
    assert hot.find("key") is None
    assert hot.asked() == {thread}
    hot.confirm({thread: Stamp(thread, 1, ())}, clock.now)
    assert hot.find("key") is not None
    hot.confirm({thread: Stamp(thread, 2, ())}, clock.now + 0.1)
    assert hot.find("key") is None


def test_an_answer_that_comes_late_replaces_nothing_newer(clock: Clock) -> None:
    """It was made before the change that is known already."""
    hot, thread = Hot(clock), uuid4()
    hot.keep("key", kept(thread, 2), clock.now)
    hot.keep("key", kept(thread, 1), clock.now)
    found = hot.find("key")
    assert found is not None
    assert found.stamp.version == 2
    hot.keep("other", kept(thread, 1), clock.now)
    assert hot.find("other") is None


def test_doubt_ends_with_the_next_look(clock: Clock) -> None:
    """What began before the doubt says nothing, though it ends behind it."""
    hot, thread = Hot(clock), uuid4()
    hot.keep("key", kept(thread), clock.now)
    began = clock.now
    clock.now += 0.01
    hot.doubt()
    hot.confirm({thread: Stamp(thread, 1, ())}, began)
    assert hot.find("key") is None
    clock.now += 0.01
    hot.confirm({thread: Stamp(thread, 1, ())}, clock.now)
    assert hot.find("key") is not None


@pytest.mark.parametrize("make", [lambda n: UUID(int=n), lambda _: UUID(int=7)], ids=["threads", "one thread"])
def test_memory_is_bounded(clock: Clock, make: Callable[[int], UUID]) -> None:
    """The answers asked for last stay, and nothing is remembered of threads without any."""
    hot = Hot(clock, most=50_000)
    for number in range(100):
        hot.keep(number, kept(make(number), size=3_000), clock.now)
        hot.find(0)
    assert hot.bytes <= 50_000
    assert hot.find(0) is not None
    assert hot.find(99) is not None
    assert hot.find(50) is None
    assert len(hot._seen) == len(hot._users) <= 10
    hot.keep("large", kept(uuid4(), size=60_000), clock.now)
    assert hot.find("large") is None

"""Too many comments wait for a verdict: no more are taken, and what was taken stays."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from werkzeug.test import TestResponse

from service.domain.ids import new_id
from service.store import waiting
from service.store.database import Database
from service.store.sites import Site, site_named
from service.web import metrics, room
from service.web.errors import Problem
from service.web.room import Look, Room
from tests.world import World, as_role


def fill(world: World, count: int, site: str = "blog", due: str = "1 hour") -> None:
    """Comments that wait and that nobody may claim yet, behind everybody's back."""
    world.execute(
        "WITH t AS (INSERT INTO comity.thread (id, site_id, key) SELECT gen_random_uuid(), id, gen_random_uuid()::text "
        "FROM comity.site WHERE name = %s RETURNING id, site_id) "
        "INSERT INTO comity.comment (id, site_id, thread_id, root_id, name, body, digest, due_at) "
        "SELECT id, site_id, thread, id, 'Ann', 'Waits.', '', now() + %s::interval FROM "
        "(SELECT gen_random_uuid() AS id, t.site_id, t.id AS thread FROM t, generate_series(1, %s)) AS made",
        site, due, count,
    )  # fmt: skip


def the_room(world: World) -> Room:
    """The gate of a world's application."""
    found: Room = world.app.extensions["comity"].room
    return found


def look(world: World) -> None:
    """Have it look now, and not again by itself: a look beside a submission may or may not see it."""
    gate = the_room(world)
    gate.look()
    gate.look = lambda: None  # type: ignore[method-assign]


def ask(world: World, key: str | None = None, token: str | None = None, **members: Any) -> TestResponse:
    """A submission."""
    headers = {} if key is None else {"Idempotency-Key": f'"{key}"'}
    return world.request("POST", "/v1/comments", token or world.secret_key, world.comment(**members), headers=headers)


def limited(world: World, limits: Mapping[str, Any]) -> None:
    """Give the site limits of its own."""
    world.execute("UPDATE comity.site SET limits = %s::jsonb WHERE name = 'blog'", json.dumps(limits))
    world.app.extensions["comity"].gate.forget()


def test_a_site_over_its_cap_is_told_to_wait_and_others_are_not(make_world: Callable[..., World]) -> None:
    """429 with Retry-After and the name of the limit; the next site's comment is taken."""
    world = make_world(pending_site=5, pending=100)
    _, other = world.add_site("other")
    fill(world, 5)
    look(world)
    refused = ask(world)
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert refused.json is not None
    assert refused.json["violated-policies"] == ["pending"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert "RateLimit" in refused.headers
    assert ask(world, token=other).status_code == 202
    assert world.rows("SELECT count(*) FROM comity.comment") == [(6,)]


def test_over_the_cap_in_all_everybody_is_told_to_wait(make_world: Callable[..., World]) -> None:
    """503 with Retry-After; nothing is stored, neither alone nor in a batch."""
    world = make_world(pending_site=50, pending=8)
    _, other = world.add_site("other")
    fill(world, 8, "other")
    look(world)
    batch = {"comments": [world.comment(), world.comment()]}
    for answer in (ask(world), ask(world, token=other), world.request("POST", "/v1/comments/batch", other, batch)):
        assert answer.status_code == 503, answer.text
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["violated-policies"] == ["pending"]
        assert int(answer.headers["Retry-After"]) >= 1
    assert world.rows("SELECT count(*) FROM comity.comment") == [(8,)]
    assert world.rows("SELECT count(*) FROM comity.idempotency") == [(0,)]


def test_a_site_may_have_a_smaller_cap_and_not_a_larger_one(make_world: Callable[..., World]) -> None:
    """Its own number counts where it is the smaller one."""
    world = make_world(pending_site=5, pending=100)
    fill(world, 3)
    look(world)
    limited(world, {"pending": 3})
    assert ask(world).status_code == 429
    limited(world, {"pending": 4})
    assert [ask(world).status_code for _ in range(2)] == [202, 429]
    limited(world, {"pending": 1000})
    assert [ask(world).status_code for _ in range(2)] == [202, 429]


def test_what_was_taken_since_the_last_look_counts(make_world: Callable[..., World]) -> None:
    """Without another look, no more than the cap are taken."""
    world = make_world(pending_site=4, pending=100)
    look(world)
    assert [ask(world).status_code for _ in range(6)] == [202] * 4 + [429] * 2


def test_there_is_room_again_once_verdicts_come(make_world: Callable[..., World]) -> None:
    """What was refused can be sent again, and is taken: the process looks by itself while somebody asks."""
    world = make_world(pending_site=2, pending=100)
    _until(lambda: ask(world).status_code == 429)
    world.settle()
    _until(lambda: ask(world).status_code == 202)


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_full_queue_is_found_without_being_told(make_world: Callable[..., World]) -> None:
    """Filled by others: within a moment after the first request the process knows."""
    world = make_world(pending_site=5, pending=100)
    fill(world, 20)
    _until(lambda: ask(world).status_code == 429, 5)
    assert world.rows("SELECT count(*) < 200 FROM comity.comment") == [(True,)]


def test_a_retry_of_what_was_answered_gets_its_answer(make_world: Callable[..., World]) -> None:
    """However full it is, of one comment and of a batch; another key is refused."""
    world = make_world(pending_site=5, pending=100)
    body, batch = world.comment(), {"comments": [world.comment()]}
    headers = {"Idempotency-Key": '"first"'}
    ways = (("/v1/comments", body), ("/v1/comments/batch", batch))
    first = [world.request("POST", path, world.secret_key, sent, headers=headers) for path, sent in ways]
    fill(world, 5)
    look(world)
    again = [world.request("POST", path, world.secret_key, sent, headers=headers) for path, sent in ways]
    assert [one.status_code for one in again] == [202, 200]
    assert [one.json for one in again] == [one.json for one in first]
    assert {one.headers["Idempotent-Replayed"] for one in again} == {"true"}
    assert ask(world, "second").status_code == 429


def test_edits_and_withdrawals_are_not_refused(make_world: Callable[..., World]) -> None:
    """Nor is what moderators do."""
    world = make_world(pending_site=3, pending=3)
    made, held = world.published(), world.flagged()
    fill(world, 10)
    look(world)
    assert ask(world).status_code == 429
    path = f"/v1/comments/{made['id']}"
    assert world.request("PATCH", path, world.secret_key, {"body": "A better text."}).status_code == 202
    assert world.request("DELETE", path, world.secret_key).status_code == 200
    assert world.decide(held, "publish").status_code == 200


def test_a_visitor_keeps_the_text(make_world: Callable[..., World]) -> None:
    """The form comes again, with what was typed and how long to wait, for either cap."""
    for caps, status in (({"pending_site": 2}, 429), ({"pending": 2}, 503)):
        world = make_world(**caps)
        fill(world, 2)
        look(world)
        given = {"name": "Ann", "email": "ann@leak.example", "comment": "All that I typed.", "key": "a" * 22}
        answer = world.request(
            "POST", "/thread", None, query_string={"site": "blog", "url": "https://blog.example/page"}, data=given,
            headers={"Sec-Fetch-Site": "same-origin"},
        )  # fmt: skip
        assert answer.status_code == status
        assert "All that I typed." in answer.text
        assert "Many comments wait to be read just now. Wait" in answer.text


def test_how_long_to_wait_follows_from_how_fast_verdicts_come(world: World) -> None:
    """The wait is the time in which a twentieth of the cap becomes free, a site's by its share; bounded both ways."""
    site = world.site
    found = Room(100, 1000, None, lambda: 0.0)

    def wait(own: int, total: int, rate: float | None) -> tuple[int, str]:
        found._seen = Look(0.0, {site.id: own}, total, rate)
        with pytest.raises(Problem) as refused:
            found.admit(site)
        assert refused.value.headers is not None
        return refused.value.status, refused.value.headers["Retry-After"]

    assert wait(100, 100, 1.0) == (429, "5")
    assert wait(100, 500, 1.0) == (429, "25")  # one in five verdicts is this site's
    assert wait(100, 100, 1000.0) == (429, "1")
    assert wait(100, 100, 0.0) == (429, "30")
    assert wait(100, 100, None) == (429, "30")
    assert wait(100, 1000, 0.001) == (429, "300")
    assert wait(10, 1000, 10.0) == (503, "5")
    assert wait(10, 1010, 10.0) == (503, "6")


def test_an_old_look_says_nothing(world: World) -> None:
    """After a pause it is not known any more whether it is full: the next look comes at once."""
    now = [0.0]
    found = Room(5, 5, None, lambda: now[0])
    found._seen = Look(0.0, {world.site.id: 5}, 5, None)
    with pytest.raises(Problem):
        found.admit(world.site)
    now[0] = room.FRESH
    found.admit(world.site)


def test_what_comes_in_during_a_look_is_not_forgotten(make_world: Callable[..., World]) -> None:
    """A comment counted before a look began is in what it sees; one after it began is added to that."""
    world = make_world(pending_site=100, pending=100)
    database = Database(as_role(world.owner_url, "comity_web"), "web", 1)
    found = Room(100, 100, None)
    found._database = database
    real = waiting.counts

    def counting(connection: Any, most: int) -> Mapping[Any, int]:
        seen = real(connection, most)
        found.admit(world.site)
        return seen

    try:
        found.admit(world.site)
        waiting.counts = counting
        found.look()
    finally:
        waiting.counts = real
        database.close()
    assert found._since == {world.site.id: 1}
    assert found._since_total == 1


def test_counts_stop_at_the_cap_and_read_the_index(make_world: Callable[..., World]) -> None:
    """What is looked at is bounded; due and not due, new and edited, all that waits counts."""
    world = make_world()
    world.add_site("other")
    made = world.published()
    world.request("PATCH", f"/v1/comments/{made['id']}", world.secret_key, {"body": "Edited."})
    fill(world, 30)
    fill(world, 5, "other", "-1 hour")
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        named = {site_named(connection, name).id: name for name in ("blog", "other")}
        seen = {named[site]: n for site, n in waiting.counts(connection, 1000).items()}
        assert seen == {"blog": 31, "other": 5}
        assert sum(waiting.counts(connection, 10).values()) == 10
        assert waiting.rate(connection) == pytest.approx(2 / waiting.RATE_SECONDS, abs=0.11)


def test_refusals_and_the_cap_are_told(make_world: Callable[..., World]) -> None:
    """By figures, from the start."""
    world = make_world(pending_site=1, pending=77)
    fill(world, 1)
    look(world)

    def figure(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    before = figure("comity_full_total", cap="site")
    assert ask(world).status_code == 429
    assert figure("comity_full_total", cap="site") == before + 1
    assert metrics.REGISTRY.get_sample_value("comity_full_total", {"cap": "all"}) is not None
    assert figure("comity_pending_most") == 77


def test_admitting_costs_next_to_nothing(world: World) -> None:
    """No query, no wait: thousands a second of one core's time, by far."""
    sites = [replace(world.site, id=new_id()) for _ in range(50)]
    found = Room(10**6, 10**6, None)
    found._seen = Look(time.monotonic(), {site.id: 10 for site in sites}, 500, None)
    began = time.process_time()
    for turn in range(20_000):
        found.admit(sites[turn % 50])
    assert (time.process_time() - began) / 20_000 < 20e-6


def test_a_site_without_limits_has_the_services(world: World) -> None:
    """The cap of the settings."""
    found = Room(2, 100, None, lambda: 0.0)
    site = Site(uuid4(), "x", "X", (), {}, world.site.created_at)
    found._seen = Look(0.0, {}, 0, None)
    found.admit(site, 2)
    with pytest.raises(Problem):
        found.admit(site)

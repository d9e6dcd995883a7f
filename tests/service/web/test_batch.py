"""Many comments in one request, each with an answer of its own."""

from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from service.store import submissions
from service.web.intake import site_limit
from service.web.limits import Limits
from tests.service.web.asking import bodies, problem, stored
from tests.world import World

DAY = 86_400


def send(world: World, items: Any, key: str | None = None) -> TestResponse:
    """One batch."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return world.request("POST", "/v1/comments/batch", world.secret_key, {"comments": items}, headers=headers)


def codes(answer: TestResponse) -> list[int]:
    """The code of each item's answer."""
    assert answer.status_code == 200, answer.text
    return [result["code"] for result in answer.json["results"]]  # type: ignore[index]


def test_a_hundred_comments_go_in_and_come_out(shared: World, page: str) -> None:
    """Each item is taken, in order, with a receipt that works."""
    items = [shared.comment(thread={"key": page}) for _ in range(100)]
    answer = send(shared, items)

    assert codes(answer) == [202] * 100
    shared.settle()
    made = [result["comment"] for result in answer.json["results"]]
    assert {shared.status(one)["status"] for one in made} == {"published"}
    assert bodies(shared.read(thread_key=page, limit=100)) == [item["body"] for item in items]


def test_a_bad_item_spoils_no_other(shared: World, page: str) -> None:
    """Valid ones are stored; each of the others gets a problem that names its own member."""
    thread = {"key": page}
    good = shared.comment(thread=thread)
    items = [
        good,
        shared.comment(thread=thread, email="nobody"),
        "not an object",
        shared.comment(thread=thread, parent_id=str(uuid4())),
        {},
        good,
        shared.comment(thread=thread),
    ]
    before = stored(shared)["comity.comment"]

    answer = send(shared, items)

    assert codes(answer) == [202, 422, 422, 409, 422, 409, 202]
    problems = [result.get("problem") for result in answer.json["results"]]
    pointers = [document and [error["pointer"] for error in document["errors"]] for document in problems]
    assert pointers == [
        None, ["#/email"], ["#"], ["#/parent_id"], ["#/thread", "#/name", "#/email", "#/body"], ["#/body"], None,
    ]  # fmt: skip
    assert stored(shared)["comity.comment"] == before + 2


def test_an_empty_or_too_long_batch_is_refused_as_a_whole(shared: World, page: str) -> None:
    """1 to 100 items; nothing is stored."""
    before = stored(shared)
    for items in ([], [shared.comment(thread={"key": page})] * 101):
        problem(send(shared, items), "validation-error", "#/comments")
    assert stored(shared) == before


def test_a_batch_may_have_a_mebibyte(shared: World, page: str) -> None:
    """A body that is too large for one comment's route is read here; one byte more than a mebibyte is not."""
    items = [shared.comment(thread={"key": page}, body="x" * 19_000 + f" {n}") for n in range(50)]
    assert codes(send(shared, items)) == [202] * 50
    answer = send(shared, [{"padding": "x" * 1024 * 1024}])
    problem(answer, "payload-too-large")


def test_the_same_key_gives_the_same_answers_again(shared: World, page: str) -> None:
    """All items, taken and refused ones; nothing is stored twice, and the answer says that it is a replay."""
    items = [shared.comment(thread={"key": page}), {}, shared.comment(thread={"key": page}, parent_id=str(uuid4()))]
    key = str(uuid4())
    first = send(shared, items, key)
    before = stored(shared)

    again = send(shared, items, key)

    assert codes(first) == [202, 422, 409]
    assert again.json == first.json
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stored(shared) == before
    problem(send(shared, items[:1], key), "idempotency-key-reused")


def test_one_busy_author_in_a_batch_holds_up_nobody_else(make_world: Any) -> None:
    """What is over its author's limit gets 429 for itself; all others go in, and the site is not charged for it."""
    world = make_world(limit_author=(3, 3600), limit_site=(20, 3600))
    address = world.comment()["email"]
    items = [world.comment(email=address) for _ in range(10)] + [world.comment() for _ in range(4)]

    answer = send(world, items)

    assert codes(answer) == [202] * 3 + [429] * 7 + [202] * 4
    assert answer.json["results"][3]["problem"]["violated-policies"] == ["author"]
    assert answer.headers["RateLimit"].startswith('"site";r=13;t=')
    assert world.rows("SELECT count(*) FROM comity.comment") == [(7,)]


def test_a_batch_of_which_limits_leave_nothing_is_refused(make_world: Any) -> None:
    """429 with the time to wait, and nothing is stored."""
    world = make_world(limit_site=(4, 3600))
    assert codes(send(world, [world.comment() for _ in range(4)])) == [202] * 4
    answer = send(world, [world.comment(), world.comment()])
    assert problem(answer, "quota-exceeded")["violated-policies"] == ["site"]
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert world.rows("SELECT count(*) FROM comity.comment") == [(4,)]


def overfull(world: World) -> None:
    """The site's window is over: another web process counted beside this one, between two exchanges."""
    parts = world.app.extensions["comity"]
    want = site_limit(parts, world.site)
    parts.limits.sync()
    other = Limits(world.settings.keys.of("limits"), None)
    other._database = parts.database
    for _ in range(want.count):
        other.spend([want], gathered=True)
    other.sync()
    parts.limits.spend([want], gathered=True)
    parts.limits.sync()
    assert parts.limits._window(want, parts.limits._now()).used > want.count


def test_a_batch_that_was_stored_is_answered_so_when_its_sites_window_is_over(make_world: Any) -> None:
    """Its replay is free and comes as the first answer did, with nothing left in the window."""
    world = make_world(limit_site=(8, DAY))
    items = [world.comment() for _ in range(6)]
    first = send(world, items, "once")
    overfull(world)

    again = send(world, items, "once")

    assert codes(first) == codes(again) == [202] * 6
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["RateLimit"].startswith('"site";r=0;t=')
    assert problem(send(world, items[:1]), "quota-exceeded")["violated-policies"] == ["site"]


def test_a_batch_is_answered_when_its_window_fills_up_meanwhile(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored is said to be stored, also when others are over the limit by then."""
    world, submit_batch = make_world(limit_site=(8, DAY)), submissions.submit_batch

    def meanwhile(*arguments: Any) -> Any:
        overfull(world)
        return submit_batch(*arguments)

    monkeypatch.setattr(submissions, "submit_batch", meanwhile)
    assert codes(send(world, [world.comment() for _ in range(6)])) == [202] * 6
    assert world.rows("SELECT count(*) FROM comity.comment") == [(6,)]


def test_an_item_refused_for_a_limit_is_so_remembered(make_world: Any) -> None:
    """A replay answers as the first time, even when the limit would let the item pass by now."""
    world = make_world(limit_author=(1, 3600))
    address = world.comment()["email"]
    items = [world.comment(email=address), world.comment(email=address), world.comment()]
    first = send(world, items, "once-only")
    world.app.extensions["comity"].limits._windows.clear()

    again = send(world, items, "once-only")

    assert codes(first) == codes(again) == [202, 429, 202]
    assert [one.get("comment") for one in again.json["results"]] == [
        one.get("comment") for one in first.json["results"]
    ]

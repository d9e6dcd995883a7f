"""A page of the site asks from a browser where its visitor's comment stands: what CORS lets it read."""

from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from service.web.routing import Operation
from tests.service.web.asking import problem
from tests.service.web.test_rights import OPERATIONS
from tests.world import World

OWN, OTHERS, STRANGE = "https://blog.example", "https://shop.example", "https://evil.example"
ASKING = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Vary")


@pytest.fixture(scope="module")
def two(shared: World) -> World:
    """A world with two sites, each with an origin of its own."""
    shared.add_site("shop")
    answer = shared.request("PATCH", "/v1/sites/shop", shared.admin_token, {"origins": [OTHERS]})
    assert answer.status_code == 200
    return shared


def asked(world: World, path: str, origin: str | None, **fields: str) -> TestResponse:
    """What a browser asks before it sends an Authorization field from a page of another origin."""
    headers = ASKING | ({} if origin is None else {"Origin": origin}) | fields
    return world.request("OPTIONS", path, headers=headers)


def told(answer: TestResponse) -> dict[str, str | None]:
    """What a preflight's answer allows, and all else that could tell one from another."""
    return {name: value for name, value in answer.headers if name != "X-Request-Id"} | {"status": answer.status}


def test_a_page_of_the_site_follows_its_visitors_comment(two: World) -> None:
    """It may send the token, and read the answer; nothing goes along by itself."""
    made = two.published()
    path = f"/v1/comments/{made['id']}"
    before = asked(two, path, OWN)
    assert before.status_code == 204
    assert [before.headers[name] for name in CORS] == [OWN, "GET", "Authorization", "Origin"]
    assert int(before.headers["Access-Control-Max-Age"]) == 7200

    answer = two.request("GET", path, made["status_token"], headers={"Origin": OWN})

    assert answer.json["status"] == "published"
    assert answer.headers["Access-Control-Allow-Origin"] == OWN
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"
    for one in (before, answer):
        assert "Access-Control-Allow-Credentials" not in one.headers


@pytest.mark.parametrize("origin", [OWN, OTHERS, STRANGE, "null", None])
def test_a_preflight_says_nothing_about_a_comment(two: World, origin: str | None) -> None:
    """One of this site, of another, of none: the same answer to the byte, for whoever asks."""
    there = asked(two, f"/v1/comments/{two.submit()['id']}", origin)
    _, key = two.add_site(f"s-{uuid4()}")
    body = two.comment()
    elsewhere = two.request("POST", "/v1/comments", key, body).json["id"]  # type: ignore[index]
    answers = [there, asked(two, f"/v1/comments/{elsewhere}", origin), asked(two, f"/v1/comments/{uuid4()}", origin)]
    assert [told(answer) for answer in answers] == [told(there)] * 3
    assert [answer.data for answer in answers] == [b""] * 3
    allowed = origin if origin in (OWN, OTHERS) else None
    assert there.headers.get("Access-Control-Allow-Origin") == allowed
    assert there.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


@pytest.mark.parametrize(
    "origin", [OTHERS, STRANGE, "https://blog.example.evil.example", "http://blog.example", "null"]
)
def test_no_page_of_another_site_reads_it(two: World, origin: str) -> None:
    """Not even with the token, and not with an origin that another site lists."""
    made = two.submit()
    answer = two.request("GET", f"/v1/comments/{made['id']}", made["status_token"], headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_secret_key_is_for_no_page(two: World) -> None:
    """Its answers are not readable from a browser, wherever it was shown."""
    answer = two.request("GET", f"/v1/comments/{two.submit()['id']}", two.secret_key, headers={"Origin": OWN})
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (200, None)


def test_a_page_may_read_what_went_wrong(make_world: Any) -> None:
    """A token of another comment, too many questions: with when to come back."""
    world = make_world(limit_visitor=(4, 86_400))
    made, token = world.submit(), world.settings.keys.status_token(uuid4())
    path = f"/v1/comments/{made['id']}"
    for origin, allowed in ((OWN, OWN), (STRANGE, None)):
        wrong = world.request("GET", path, token, headers={"Origin": origin})
        problem(wrong, "unauthorized")
        assert wrong.headers.get("Access-Control-Allow-Origin") == allowed
    for _ in range(2):
        assert world.status(made)
    full = world.request("GET", path, made["status_token"], headers={"Origin": OWN})
    problem(full, "quota-exceeded")
    assert (full.headers["Access-Control-Allow-Origin"], int(full.headers["Retry-After"]) > 0) == (OWN, True)
    assert asked(world, path, OWN).status_code == 204  # what is asked before costs nothing


def test_an_origin_that_goes_may_ask_no_more(make_world: Any) -> None:
    """At once where it was changed."""
    world = make_world()
    path = f"/v1/comments/{world.submit()['id']}"
    assert asked(world, path, OWN).headers["Access-Control-Allow-Origin"] == OWN
    world.request("PATCH", "/v1/sites/blog", world.admin_token, {"origins": [OTHERS]})
    assert "Access-Control-Allow-Origin" not in asked(world, path, OWN).headers


def test_a_database_that_is_away_lets_nobody_in(make_world: Any) -> None:
    """A preflight is answered all the same, and allows nothing."""
    world = make_world()
    world.app.extensions["comity"].database.close()
    answer = asked(world, f"/v1/comments/{uuid4()}", OWN)
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (204, None)


def _path(operation: Operation) -> str:
    return operation.path.format(
        comment_id=uuid4(), thread_id=uuid4(), ban_id=uuid4(), webhook_id=uuid4(), delivery_id=uuid4(), site="blog",
        key="k", moderator="m", version="0", list="l",
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"comment_status", "edit_comment", "withdraw_comment"}))
def test_no_other_route_lets_pages_ask(two: World, name: str) -> None:
    """An Authorization field from a page is for this one route, and for its GET."""
    answer = asked(two, _path(OPERATIONS[name]), OWN)
    assert [answer.headers.get(name) for name in CORS[:3]] == [None] * 3

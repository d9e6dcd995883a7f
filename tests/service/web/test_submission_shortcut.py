"""The short way of a submission says what the application says, or leaves it to the application."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from service.bodies import Body
from service.front import Front
from service.store.database import Database
from service.web import fields, metrics
from tests.service.test_front import Headers, Proto, Scope
from tests.service.web.asking import stored
from tests.service.web.test_room import fill, look
from tests.ways import LONG, Fields, Ways
from tests.world import World

#: What differs from one request to the next.
OWN = {"X-Request-Id", "RateLimit", "Content-Length", "Date"}
ASK: dict[str, str] = {"Host": "127.0.0.1:8080", "Content-Type": "application/json"}


def ways(world: World) -> Ways:
    """The two ways of a world's application."""
    found = world.app.wsgi_app
    assert isinstance(found, Ways)
    return found


def ask(world: World, raw: bytes, long: bool, **headers: str) -> tuple[TestResponse, bool]:
    """An answer, and whether the short way gave it."""
    before = ways(world).shortened
    fields = {
        **ASK,
        "Authorization": f"Bearer {world.secret_key}",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    answer = world.client.open(
        "/v1/comments", method="POST", data=raw, headers={name: value for name, value in fields.items() if value},
        environ_overrides={LONG: True} if long else {},
    )  # fmt: skip
    return answer, ways(world).shortened > before


def shape(answer: TestResponse) -> tuple[int, dict[str, str], Any]:
    """An answer without what is its own."""
    document = json.loads(answer.data)
    own = {"id", "status_url", "status_token", "instance"}
    members = {name: "own" if name in own else value for name, value in document.items()}
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    return answer.status_code, headers, members


def submission(world: World, **members: Any) -> bytes:
    """A valid one, of a new author each time."""
    return json.dumps(world.comment(**members)).encode()


#: Made for each way: the body, header fields, and whether the short way has to take it.
CASES: dict[str, tuple[Callable[[World], bytes], dict[str, str], bool]] = {
    "plain": (submission, {}, True),
    "with a key": (submission, {"Idempotency_Key": '"key-%s"'}, True),
    "its own id": (submission, {"X_Request_Id": "request-of-ours"}, True),
    "a parent that is not there": (
        lambda world: submission(world, parent_id="0190a1b2-0000-7000-8000-000000000000"), {}, True,
    ),
    "charset": (submission, {"Content_Type": "application/json; charset=utf-8"}, True),
    "another charset": (submission, {"Content_Type": "application/json; charset=latin-1"}, False),
    "no JSON by name": (submission, {"Content_Type": "text/plain"}, False),
    "compressed by name": (submission, {"Content_Encoding": "gzip"}, False),
    "no JSON": (lambda _: b"{", {}, False),
    "not UTF-8": (lambda _: b'{"name": "\xff"}', {}, False),
    "a list": (lambda _: b"[]", {}, False),
    "not valid": (lambda world: submission(world, email="nobody"), {}, False),
    "too long": (lambda world: submission(world, body="a" * 70_000), {}, False),
    "too large": (lambda world: submission(world) + b" " * 65_536, {}, False),
    "no key": (submission, {"Authorization": ""}, False),
    "another key": (submission, {"Authorization": "Bearer comity_sk_aaaaaaaaaa_" + "b" * 32}, False),
    "another scheme": (submission, {"Authorization": "Basic YTpi"}, False),
    "another host": (submission, {"Host": "elsewhere.example"}, False),
    "no Idempotency-Key": (submission, {"Idempotency_Key": '"'}, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_both_ways_say_the_same(world: World, name: str) -> None:
    """Status, header fields and content; only what is plain goes the short way."""
    make, headers, plain = CASES[name]
    answers = []
    for long in (True, False):
        answer, short = ask(world, make(world), long, **{k: v.replace("%s", str(long)) for k, v in headers.items()})
        answers.append(answer)
        assert short == (plain and not long)
    assert shape(answers[0]) == shape(answers[1])
    assert set(answers[0].headers.keys()) == set(answers[1].headers.keys())
    if "X_Request_Id" in headers:
        assert {answer.headers["X-Request-Id"] for answer in answers} == {"request-of-ours"}


@pytest.mark.parametrize("first", [True, False])
def test_a_retry_finds_what_the_other_way_stored(world: World, first: bool) -> None:
    """One comment, and the same answer."""
    raw = submission(world)
    made, _ = ask(world, raw, first, Idempotency_Key='"again"')
    again, short = ask(world, raw, not first, Idempotency_Key='"again"')
    assert short == first
    assert again.json == made.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stored(world)["comity.comment"] == 1
    other = [ask(world, submission(world), long, Idempotency_Key='"again"')[0] for long in (True, False)]
    assert shape(other[0]) == shape(other[1])
    assert other[0].status_code == 422


def test_a_limit_that_is_used_up_is_said_by_both(world: World) -> None:
    """With the same fields; neither stores anything."""
    world.execute("UPDATE comity.site SET limits = '{\"author\": [1, 3600]}'")
    world.app.extensions["comity"].gate.forget()
    raw = submission(world)
    assert ask(world, raw, False)[0].status_code == 202
    refused = [ask(world, raw, long)[0] for long in (True, False)]
    assert [answer.status_code for answer in refused] == [429, 429]
    assert set(refused[0].headers.keys()) == set(refused[1].headers.keys())
    assert refused[0].json["detail"].partition("Wait")[0] == refused[1].json["detail"].partition("Wait")[0]  # type: ignore[index]
    assert stored(world)["comity.comment"] == 1


@pytest.mark.parametrize(("caps", "status"), [({"pending_site": 2}, 429), ({"pending": 2}, 503)])
def test_when_too_many_comments_wait_both_say_so(
    make_world: Callable[..., World], caps: dict[str, int], status: int
) -> None:
    """In the same words; the short way does it, nothing is stored, and what was answered before is answered again."""
    world = make_world(**caps)
    first = submission(world)
    made, _ = ask(world, first, False, Idempotency_Key='"first"')
    fill(world, 1)
    look(world)
    answers = [ask(world, submission(world), long) for long in (True, False)]
    assert [short for _, short in answers] == [False, True]
    assert [answer.status_code for answer, _ in answers] == [status, status]
    assert shape(answers[0][0]) == shape(answers[1][0])
    assert set(answers[0][0].headers.keys()) == set(answers[1][0].headers.keys())
    assert stored(world)["comity.comment"] == 2
    again = [ask(world, first, long, Idempotency_Key='"first"')[0] for long in (True, False)]
    assert [answer.json for answer in again] == [made.json, made.json]


def test_without_the_database_both_say_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, to be sent again with the same key."""
    assert ask(world, submission(world), False)[0].status_code == 202  # the caller is remembered from here on
    services = world.app.extensions["comity"]
    nowhere = Database("postgresql://nobody@127.0.0.1:9/nothing", "web", 1)
    object.__setattr__(services, "database", nowhere)
    answers = [ask(world, submission(world), long) for long in (True, False)]
    assert [short for _, short in answers] == [False, True]
    assert [answer.status_code for answer, _ in answers] == [503, 503]
    assert shape(answers[0][0]) == shape(answers[1][0])
    nowhere.close()


@pytest.mark.parametrize("name", ["authorization", "content-type", "idempotency-key", "x-request-id"])
def test_a_field_that_stands_twice_is_the_applications(world: World, name: str) -> None:
    """It joins them, and judges the whole."""
    environ = {"HTTP_AUTHORIZATION": f"Bearer {world.secret_key}", "CONTENT_TYPE": "application/json"}
    fields = Fields(environ, [(name, "one"), (name, "two")])
    assert ways(world).shortcut.answer("127.0.0.1:8080", fields, submission(world)) is None
    assert stored(world)["comity.comment"] == 0


def test_the_answer_is_counted_with_its_route(world: World) -> None:
    """As the application's."""
    labels = {"method": "POST", "route": "/v1/comments", "status": "202"}
    counts = []
    for long in (True, False):
        before = metrics.REGISTRY.get_sample_value("comity_requests_total", labels) or 0
        ask(world, submission(world), long)
        counts.append((metrics.REGISTRY.get_sample_value("comity_requests_total", labels) or 0) - before)
    assert counts == [1, 1]


@pytest.mark.parametrize(
    ("method", "path", "query", "by_app"),
    [
        ("POST", "/v1/comments", "", False),
        ("POST", "/v1/comments", "site=blog", True),
        ("POST", "/v1/comments/batch", "", True),
        ("PUT", "/v1/comments", "", True),
    ],
)
def test_the_front_takes_the_short_way_for_this_endpoint_alone(
    world: World, method: str, path: str, query: str, by_app: bool
) -> None:
    """The application is not called for what is plain."""
    called: list[str] = []

    def app(asked: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        called.append(asked["REQUEST_METHOD"])
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"application"]

    proto = Proto()
    headers = Headers(
        {
            "host": ["127.0.0.1:8080"],
            "authorization": [f"Bearer {world.secret_key}"],
            "content-type": ["application/json"],
        }
    )
    scope = Scope(method=method, path=path, query_string=query, headers=headers)
    body = Body(bytearray(submission(world)))
    Front(app, 1, submissions=ways(world).shortcut)._answer(scope, proto, body, 0.0)  # type: ignore[arg-type]
    assert called == ([method] if by_app else [])
    assert [answer[0] for answer in proto.answers] == [200 if by_app else 202]
    assert stored(world)["comity.comment"] == (not by_app)


@settings(max_examples=500, deadline=None)
@given(
    address=st.from_regex(fields._PLAIN_ADDRESS, fullmatch=True).filter(lambda text: len(text.partition("@")[0]) < 65)
)
def test_a_plain_address_is_what_the_library_makes_of_it(address: str) -> None:
    """So it need not be asked."""
    assert validate_email(address, check_deliverability=False).normalized == address

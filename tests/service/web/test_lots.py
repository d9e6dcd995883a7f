"""Submissions that are there at the same time: each is answered as if it were alone, and stored once."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from service import embedded
from service.front import Front
from service.store.database import Database
from service.web.answers import Answered
from tests.service.test_front import Headers, Proto, Scope
from tests.service.web.asking import stored
from tests.service.web.cutting import cutter
from tests.ways import LONG, Fields, Ways
from tests.world import World, as_role

HOST = "127.0.0.1:8080"
_DAY = 86_400  # seconds of a window: one of a minute would begin anew in the middle of a test now and then
OWN = {"X-Request-Id", "Content-Length"}
#: A request's body and the header fields it has besides the usual ones.
Request = tuple[bytes, dict[str, str]]


@pytest.fixture(scope="module")
def kept(new_database: Callable[[], str], servers: embedded.Servers) -> Iterator[World]:
    """One world for all tests of this file."""
    made = World.make(new_database(), servers.broker_url, limit_prefix=(100_000, _DAY), limit_site=(1_000_000, _DAY))
    yield made
    made.close()


@pytest.fixture
def world(kept: World) -> World:
    """The same, with its site and nothing else."""
    kept.execute("TRUNCATE comity.comment, comity.thread, comity.tree, comity.decision, comity.idempotency CASCADE")
    kept.execute("TRUNCATE contacts.contact")
    kept.execute("UPDATE comity.site SET limits = '{}'")
    kept.app.extensions["comity"].gate.forget()
    return kept


def ways(world: World) -> Ways:
    found = world.app.wsgi_app
    assert isinstance(found, Ways)
    return found


def request(world: World, key: str | None = None, **members: Any) -> Request:
    """A plain one."""
    return json.dumps(world.comment(**members)).encode(), {"idempotency-key": f'"{key or uuid4()}"'}


def fields(world: World, more: dict[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {world.secret_key}", "content-type": "application/json", **more}


def together(world: World, requests: Sequence[Request]) -> list[Answered | None]:
    """Their answers as one lot."""
    shortcut = ways(world).shortcut
    asked = [(HOST, Fields({}, fields(world, more).items()), raw) for raw, more in requests]
    return shortcut.answer_lot(shortcut.read_lot(asked))


def alone(world: World, one: Request, long: bool = True) -> TestResponse:
    """The application's answer."""
    raw, more = one
    return world.client.open(
        "/v1/comments", method="POST", data=raw, headers={"Host": HOST, **fields(world, more)},
        environ_overrides={LONG: True} if long else {},
    )  # fmt: skip


def shape(status: int, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, str], Any]:
    """An answer without what is its own."""
    own = {"id", "status_url", "status_token", "instance"}
    members = {name: "own" if name in own else value for name, value in json.loads(content).items()}
    return status, {name: value for name, value in headers.items() if name not in OWN}, members


def left(found: Answered | TestResponse, name: str = "site") -> int:
    """How many the limit of this name has left."""
    headers = dict(found[1]) if isinstance(found, tuple) else dict(found.headers)
    return int(headers["RateLimit"].partition(f'"{name}";r=')[2].partition(";")[0])


def test_each_answer_is_the_applications(world: World) -> None:
    """Status, header fields, their order and content."""
    world.submit()
    requests = [request(world), (request(world)[0], {"idempotency-key": "bare", "x-request-id": "request-of-ours"})]
    answers = together(world, requests)
    assert stored(world)["comity.comment"] == 3
    for number, (one, answer) in enumerate(zip(requests, answers, strict=True)):
        raw, more = one
        assert answer is not None
        other = alone(world, (raw, {**more, "idempotency-key": f"other-{number}"}))
        said, expected = (
            shape(answer[0], dict(answer[1]), answer[2]),
            shape(other.status_code, dict(other.headers), other.data),
        )
        for headers in (said[1], expected[1]):
            assert headers.pop("RateLimit")
        assert said == expected
    assert dict(answers[1][1])["X-Request-Id"] == "request-of-ours"  # type: ignore[index]
    ids = [json.loads(answer[2])["id"] for answer in answers if answer]
    assert world.status({**json.loads(answers[0][2]), "id": ids[0]})["status"] == "pending"  # type: ignore[index]


def mixed(world: World) -> dict[str, Request]:
    """What has to be answered alone, each for a reason of its own."""
    world.submit("used", thread={"key": "page"})
    raw, key = request(world)
    other = request(world)[0]
    return {
        "no Idempotency-Key": (raw, {}),
        "an empty one": (raw, {"idempotency-key": ""}),
        "a malformed one": (raw, {"idempotency-key": '"'}),
        "not valid": request(world, email="nobody"),
        "no JSON": (b"{", key),
        "a new thread": request(world, thread={"key": "new"}),
        "a parent that is not there": request(world, parent_id=str(uuid4())),
        "a key of another body": (other, {"idempotency-key": '"used"'}),
        "compressed": (raw, {**key, "content-encoding": "gzip"}),
        "another kind of content": (raw, {**key, "content-type": "text/plain"}),
        "no caller": (raw, {**key, "authorization": "Bearer comity_sk_aaaaaaaaaa_" + "b" * 32}),
    }


def test_what_has_to_be_answered_alone_is_untouched(world: World) -> None:
    """Whatever stands beside it: nothing is stored, nothing counted; alone it is told what is wrong."""
    cases = mixed(world)
    before, count = stored(world), left(alone(world, request(world, thread={"key": "page"})))
    good = [request(world), request(world)]
    answers = together(world, [good[0], *cases.values(), good[1]])
    assert [answer is not None for answer in answers] == [True] + [False] * len(cases) + [True]
    assert stored(world)["comity.comment"] == before["comity.comment"] + 3
    assert stored(world)["comity.thread"] == before["comity.thread"]
    assert left(alone(world, request(world))) == count - 3
    statuses = [alone(world, one).status_code for one in cases.values()]
    assert statuses == [202, 400, 400, 422, 400, 202, 409, 422, 415, 415, 401]


def test_limits_hold_within_a_lot(world: World) -> None:
    """Five of one author who may send three: three are taken and say what is left, two are refused and not counted."""
    world.submit()
    world.execute("UPDATE comity.site SET limits = '{\"author\": [3, 3600]}'")
    world.app.extensions["comity"].gate.forget()
    requests = [request(world, email="canary-one@leak.example") for _ in range(5)]
    answers = together(world, requests)
    assert [answer is not None for answer in answers] == [True] * 3 + [False] * 2
    assert [left(answer, "author") for answer in answers if answer] == [2, 1, 0]
    sites = [left(answer) for answer in answers if answer]
    assert sites == [sites[0], sites[0] - 1, sites[0] - 2]
    assert [alone(world, one).status_code for one in requests[3:]] == [429, 429]
    assert stored(world)["comity.comment"] == 4
    assert left(alone(world, request(world))) == sites[2] - 1


def test_of_one_request_twice_in_a_lot_one_is_stored(world: World) -> None:
    """The other finds its answer."""
    world.submit()
    one = request(world)
    answers = together(world, [one, one])
    assert answers[0] is not None
    assert answers[1] is None
    again = alone(world, one)
    assert (again.status_code, again.data) == (202, answers[0][2])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stored(world)["comity.comment"] == 2


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_cut_in_the_commit_is_said_to_all(world: World, cut: str) -> None:
    """503 to each, to be sent again; then each has one comment, whether or not it was committed."""
    world.submit()
    services = world.app.extensions["comity"]
    requests = [request(world) for _ in range(4)]
    before, whole = stored(world), services.database
    with cutter(as_role(world.owner_url, "comity_web")) as way:
        object.__setattr__(services, "database", Database(way.url, "web", 1))
        first = together(world, [request(world)])  # the connection is made, the statement prepared
        assert first[0] is not None
        way.cut = cut
        answers = together(world, requests)
        assert way.cuts > 0
        services.database.close()
    object.__setattr__(services, "database", whole)
    assert [answer and answer[0] for answer in answers] == [503] * 4
    for answer in answers:
        assert answer is not None
        headers = dict(answer[1])
        assert headers["Retry-After"] == "2"
        assert left(answer) > 0
    committed = 4 if cut == "after" else 0
    assert stored(world)["comity.comment"] == before["comity.comment"] + 1 + committed
    again = [alone(world, one) for one in requests]
    assert [answer.status_code for answer in again] == [202] * 4
    assert [answer.headers.get("Idempotent-Replayed") for answer in again] == [("true" if committed else None)] * 4
    assert stored(world)["comity.comment"] == before["comity.comment"] + 5


def test_without_the_database_all_are_told(world: World) -> None:
    """As the application tells one, with what their limits have left."""
    world.submit()
    services = world.app.extensions["comity"]
    count, whole = left(alone(world, request(world))), services.database
    nowhere = Database("postgresql://nobody@127.0.0.1:9/nothing", "web", 1)
    object.__setattr__(services, "database", nowhere)
    answers = together(world, [request(world), request(world)])
    other = alone(world, request(world))
    object.__setattr__(services, "database", whole)
    nowhere.close()
    for answer in answers:
        assert answer is not None
        said, expected = (
            shape(answer[0], dict(answer[1]), answer[2]),
            shape(other.status_code, dict(other.headers), other.data),
        )
        for headers in (said[1], expected[1]):
            headers.pop("RateLimit")
        assert said == expected
    assert left(alone(world, request(world))) == count - 1  # given back


def test_the_front_answers_a_crowd_in_lots(world: World) -> None:
    """Sixty at once, each with the answer to itself, in far fewer transactions; those that cannot be in a lot as well."""
    world.submit()
    bodies = [world.comment() for _ in range(60)]
    bodies[20] |= {"thread": {"key": "new"}}
    bodies[40] |= {"email": "nobody"}
    protos = []

    async def crowd() -> None:
        front = Front(None, 4, submissions=ways(world).shortcut)  # type: ignore[arg-type]
        front._app = world.app.wsgi_app.long  # type: ignore[attr-defined]
        calls = []
        for number, body in enumerate(bodies):
            raw = json.dumps(body).encode()
            more = {"idempotency-key": f'"crowd-{number}"', "host": HOST, "content-length": str(len(raw))}
            protos.append(Proto([raw]))
            scope = Scope(headers=Headers({name: [value] for name, value in fields(world, more).items()}))
            calls.append(front.__rsgi__(scope, protos[-1]))  # type: ignore[arg-type]
        await asyncio.wait_for(asyncio.gather(*calls), 60)

    asyncio.run(crowd())
    statuses = [proto.answers[0][0] for proto in protos]
    assert statuses == [422 if number == 40 else 202 for number in range(60)]
    assert all(len(proto.answers) == 1 for proto in protos)
    for number, proto in enumerate(protos):
        if number != 40:
            row = world.rows("SELECT body FROM comity.comment WHERE id = %s", json.loads(proto.answers[0][2])["id"])
            assert row == [(bodies[number]["body"],)]
    assert stored(world)["comity.comment"] == 60
    transactions = world.rows("SELECT count(DISTINCT xmin::text) FROM comity.comment")[0][0]
    assert transactions < 30

"""Every operation with every kind of credential: what its declared right says, and nothing else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from werkzeug.test import TestResponse

from service import embedded
from service.store import sites
from service.web.api import ROUTES
from service.web.auth import Right
from service.web.routing import Operation, Routes
from tests.service.web.asking import look, problem
from tests.world import World

OPERATIONS = {operation.name: operation for room in ROUTES for operation in room.operations}


@dataclass
class House:
    """A world with a token of every kind, and another site beside the usual one."""

    world: World
    other_id: UUID
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def house(new_database: Callable[[], str], servers: embedded.Servers) -> Iterator[House]:
    """One house for all pairs."""
    world = World.make(new_database(), servers.broker_url, limit_prefix=(100_000, 60), limit_site=(1_000_000, 60))
    other_id, other_key = world.add_site("other")
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:

        def key(*scopes: str) -> str:
            return sites._add(connection, "secret_key", "x", world.site.id, scopes, {}, None)[1]

        def moderator(rights: dict[UUID | None, str]) -> str:
            return sites.add_moderator(connection, "x", rights, None)[1]

        def ended(token: str, column: str) -> str:
            connection.execute(f"UPDATE comity.token SET {column} = now() WHERE id = %s", [token.split("_")[2]])
            return token

        mine, every = {world.site.id: "moderator"}, ("submit", "read", "manage")
        tokens = {
            "no token": "",
            "garbage": "garbage",
            "an unknown key": f"comity_sk_{'a' * 10}_{'b' * 32}",
            "a key with another's secret": world.secret_key[:21] + other_key[21:],
            "status token": "",
            "status token of another comment": world.settings.keys.status_token(uuid4()),
            "key: all scopes": world.secret_key,
            "key: submit": key("submit"),
            "key: read": key("read"),
            "key: manage": key("manage"),
            "key of another site": other_key,
            "expired key": ended(key(*every), "expires_at"),
            "revoked key": ended(key(*every), "revoked_at"),
            "viewer": moderator({world.site.id: "viewer"}),
            "moderator": world.moderator_token,
            "lead": moderator({world.site.id: "lead"}),
            "viewer elsewhere": moderator({other_id: "viewer"}),
            "moderator elsewhere": moderator({other_id: "moderator"}),
            "viewer here, lead elsewhere": moderator({world.site.id: "viewer", other_id: "lead"}),
            "lead everywhere": moderator({None: "lead"}),
            "moderator without rights": moderator({}),
            "expired moderator": ended(moderator(mine), "expires_at"),
            "revoked moderator": ended(moderator(mine), "revoked_at"),
            "admin": world.admin_token,
            "expired admin": ended(sites.add_admin(connection, "x", None)[1], "expires_at"),
            "revoked admin": ended(sites.add_admin(connection, "x", None)[1], "revoked_at"),
        }
    yield House(world, other_id, tokens)
    world.close()


KINDS = (
    "no token", "garbage", "an unknown key", "a key with another's secret", "status token",
    "status token of another comment", "key: all scopes", "key: submit", "key: read", "key: manage",
    "key of another site", "expired key", "revoked key", "viewer", "moderator", "lead", "viewer elsewhere",
    "moderator elsewhere", "viewer here, lead elsewhere", "lead everywhere", "moderator without rights",
    "expired moderator", "revoked moderator", "admin", "expired admin", "revoked admin",
)  # fmt: skip

#: The kinds that are nobody: they are asked to authenticate.
NOBODY = {
    "no token", "garbage", "an unknown key", "a key with another's secret", "status token",
    "status token of another comment", "expired key", "revoked key", "expired moderator", "revoked moderator",
    "expired admin", "revoked admin",
}  # fmt: skip

_ALL = {"key: all scopes", "key of another site"}

#: Who may use a route of each right; those of the other site find only what is theirs.
MAY: dict[Right, set[str]] = {
    Right.PUBLIC: set(KINDS),
    Right.PUBLIC_OR_READ: {"no token", "key: read", *_ALL},
    Right.SUBMIT: {"key: submit", *_ALL},
    Right.READ: {"key: read", *_ALL},
    Right.MANAGE: {"key: manage", *_ALL},
    Right.STATUS: {"status token", "key: read", *_ALL},
    Right.VIEW: {
        "viewer", "moderator", "lead", "viewer elsewhere", "moderator elsewhere", "viewer here, lead elsewhere",
        "lead everywhere",
    },
    Right.MODERATE: {"moderator", "lead", "moderator elsewhere", "viewer here, lead elsewhere", "lead everywhere"},
    Right.ADMIN: {"admin"},
}  # fmt: skip

#: Those who may, but not here: an object of this site is not found.
ELSEWHERE = {"key of another site", "viewer elsewhere", "moderator elsewhere"}


def expected(operation: Operation, kind: str) -> int:
    """The status that the declared right asks for."""
    if kind not in MAY[operation.right]:
        return 401 if kind in NOBODY else 403
    of_a_site = "{comment_id}" in operation.path or "{thread_id}" in operation.path
    if of_a_site and (kind in ELSEWHERE or (kind, operation.right) == ("viewer here, lead elsewhere", Right.MODERATE)):
        return 404
    return min(operation.answers)


@dataclass
class Target:
    """What the requests of one pair work on."""

    world: World
    comment: dict[str, Any]
    thread: str


#: How each operation is asked so that it succeeds for whoever may: path values and what else is sent.
REQUESTS: dict[str, Callable[[Target], dict[str, Any]]] = {
    "submit_comment": lambda t: {"body": t.world.comment()},
    "submit_batch": lambda t: {"body": {"comments": [t.world.comment()]}},
    "comment_status": lambda t: {"comment_id": t.comment["id"]},
    "edit_comment": lambda t: {"comment_id": t.comment["id"], "body": {"body": f"New {uuid4()}"}},
    "withdraw_comment": lambda t: {"comment_id": t.comment["id"]},
    "list_comments": lambda t: {"query_string": {"site": "blog", "thread_key": "rights"}},
    "count_comments": lambda t: {"query_string": {"site": "blog", "thread_key": "rights"}},
    "get_thread": lambda t: {"thread_id": t.thread},
    "change_thread": lambda t: {"thread_id": t.thread, "body": {"title": str(uuid4())}},
    "list_queue": lambda t: {},
    "review_comment": lambda t: {"comment_id": t.comment["id"]},
    "decide_comment": lambda t: {"comment_id": t.comment["id"], "body": {"action": "flag", "version": 1}},
    "list_sites": lambda t: {},
    "make_site": lambda t: {"body": {"name": f"s-{uuid4()}", "title": "New"}},
    "get_site": lambda t: {"site": "blog"},
    "change_site": lambda t: {"site": "blog", "body": {"title": "A blog"}},
    "list_keys": lambda t: {"site": "blog"},
    "make_key": lambda t: {"site": _new_site(t.world), "body": {}},
    "revoke_key": lambda t: _new_key(t.world),
    "list_moderators": lambda t: {},
    "make_moderator": lambda t: {"body": {"name": "x", "rights": [{"site": "blog", "may": "viewer"}]}},
    "revoke_moderator": lambda t: {"moderator": _new_moderator(t.world)},
    "get_policy": lambda t: {"site": "blog"},
    "put_policy": lambda t: {"site": "blog", "body": {}},
    "list_policies": lambda t: {"site": "blog"},
    "get_policy_version": lambda t: {"site": "blog", "version": "0"},
    "roll_back_policy": lambda t: {"site": "blog", "body": {"version": 0}},
    "try_policy": lambda t: {"site": "blog", "body": {"policy": {}}},
    "list_lists": lambda t: {"site": "blog"},
    "put_list": lambda t: {"site": "blog", "list": "words", "body": {"words": ["casino"]}},
    "remove_list": lambda t: {"site": "blog", "list": _new_list(t.world)},
    "list_bans": lambda t: {"site": "blog"},
    "make_ban": lambda t: {"site": "blog", "body": {"domain": "spam.example", "reason": "x"}},
    "lift_ban": lambda t: {"site": "blog", "ban_id": _new_ban(t.world)},
    "list_webhooks": lambda t: {"site": "blog"},
    "make_webhook": lambda t: {"site": _new_site(t.world), "body": {"url": "https://blog.example/new"}},
    "get_webhook": lambda t: _new_webhook(t.world),
    "change_webhook": lambda t: {**_new_webhook(t.world), "body": {"description": "x"}},
    "remove_webhook": lambda t: _new_webhook(t.world),
    "get_webhook_secret": lambda t: _new_webhook(t.world),
    "rotate_webhook": lambda t: _new_webhook(t.world),
    "test_webhook": lambda t: _new_webhook(t.world),
    "list_deliveries": lambda t: _new_webhook(t.world),
    "get_delivery": lambda t: _new_delivery(t.world),
    "retry_delivery": lambda t: _new_delivery(t.world),
    "drop_delivery": lambda t: _new_delivery(t.world),
    "retry_deliveries": lambda t: {**_new_webhook(t.world), "body": {"since": "2026-01-01T00:00:00Z"}},
    "drop_deliveries": lambda t: _new_webhook(t.world),
}


def _new_site(world: World) -> str:
    name = f"s-{uuid4()}"
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        return sites.add_site(connection, name, "New", [], {}).name


def _new_key(world: World) -> dict[str, str]:
    name = f"s-{uuid4()}"
    return {"key": world.add_site(name)[1].split("_")[2], "site": name}


def _new_list(world: World) -> str:
    name = f"l-{uuid4()}"
    world.request("PUT", f"/v1/sites/blog/lists/{name}", world.admin_token, {"words": ["casino"]})
    return name


def _new_ban(world: World) -> str:
    body = {"domain": f"d{uuid4().hex}.example", "reason": "x"}
    return world.request("POST", "/v1/sites/blog/bans", world.admin_token, body).json["id"]  # type: ignore[index,no-any-return]


def _new_webhook(world: World) -> dict[str, str]:
    name = f"s-{uuid4()}"
    world.add_site(name)
    path = f"/v1/sites/{name}/webhooks"
    made = world.request("POST", path, world.admin_token, {"url": "https://blog.example/hook"})
    return {"site": name, "webhook_id": made.json["id"]}  # type: ignore[index]


def _new_delivery(world: World) -> dict[str, str]:
    made = _new_webhook(world)
    path = f"/v1/sites/{made['site']}/webhooks/{made['webhook_id']}/test"
    return {**made, "delivery_id": world.request("POST", path, world.admin_token).json["id"]}  # type: ignore[index]


def _new_moderator(world: World) -> str:
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        return sites.add_moderator(connection, "x", {None: "viewer"}, None)[0].id


def ask(world: World, operation: Operation, given: dict[str, Any], token: str) -> TestResponse:
    """One request of an operation."""
    names = {name: value for name, value in given.items() if f"{{{name}}}" in operation.path}
    rest = {name: value for name, value in given.items() if name not in names}
    return world.request(operation.method, operation.path.format(**names), token or None, **rest)


#: Who may do what, in the words of the product: a route's right is not changed by accident.
RIGHTS: dict[Right, set[str]] = {
    Right.PUBLIC: {"count_comments"},
    Right.PUBLIC_OR_READ: {"list_comments"},
    Right.STATUS: {"comment_status"},
    Right.SUBMIT: {"submit_comment", "submit_batch"},
    Right.READ: {"get_thread"},
    Right.MANAGE: {"edit_comment", "withdraw_comment", "change_thread"},
    Right.VIEW: {"list_queue", "review_comment"},
    Right.MODERATE: {"decide_comment"},
    Right.ADMIN: {
        "list_sites", "make_site", "get_site", "change_site", "list_keys", "make_key", "revoke_key", "list_moderators",
        "make_moderator", "revoke_moderator", "get_policy", "put_policy", "list_policies", "get_policy_version",
        "roll_back_policy", "try_policy", "list_lists", "put_list", "remove_list", "list_bans", "make_ban", "lift_ban",
        "list_webhooks", "make_webhook", "get_webhook", "change_webhook", "remove_webhook", "get_webhook_secret",
        "rotate_webhook", "test_webhook", "list_deliveries", "get_delivery", "retry_delivery", "drop_delivery",
        "retry_deliveries", "drop_deliveries",
    },
}  # fmt: skip


def test_every_operation_has_the_right_it_should_have() -> None:
    """Submitting, reading and changing for secret keys; review for viewers, decisions for moderators; the rest for admins."""
    declared: dict[Right, set[str]] = {right: set() for right in Right}
    for name, operation in OPERATIONS.items():
        declared[operation.right].add(name)
    assert declared == RIGHTS


def test_every_operation_is_asked() -> None:
    """A new route belongs into this matrix."""
    assert set(REQUESTS) == set(OPERATIONS)
    assert set(MAY) == set(Right)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_declared_right_decides(house: House, name: str, kind: str) -> None:
    """401 for nobody, 403 for the wrong one, 404 for what is another site's, and else what was asked for."""
    world, operation = house.world, OPERATIONS[name]
    made = world.submit(thread={"key": "rights"})
    target = Target(world, made, str(look(world, "SELECT id FROM comity.thread WHERE key = 'rights'")[0][0]))
    given = REQUESTS[name](target)
    token = made["status_token"] if kind == "status token" else house.tokens[kind]
    before = look(world, "SELECT version, state FROM comity.comment WHERE id = %s", made["id"])

    answer = ask(world, operation, given, token)

    status = expected(operation, kind)
    assert answer.status_code == status, answer.text
    if status == 401:
        problem(answer, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if status == 403:
        problem(answer, "forbidden")
    if status >= 400:
        assert look(world, "SELECT version, state FROM comity.comment WHERE id = %s", made["id"]) == before


@pytest.mark.parametrize("kind", KINDS)
def test_changes_of_a_site_are_for_its_read_key_alone(house: House, kind: str) -> None:
    """The list that is public without updated_since asks for the site's key with it; each key sees its own site."""
    world = house.world
    mine = world.submit()
    token = mine["status_token"] if kind == "status token" else house.tokens[kind]
    answer = world.request("GET", "/v1/comments", token or None, query_string={"updated_since": "2020-01-01T00:00:00Z"})
    may = MAY[Right.READ]
    assert answer.status_code == (200 if kind in may else 401 if kind in NOBODY else 403)
    if kind in may:
        found = {one["id"] for one in answer.json["comments"]}
        owner = house.other_id if kind == "key of another site" else world.site.id
        assert found <= {str(row[0]) for row in world.rows("SELECT id FROM comity.comment WHERE site_id = %s", owner)}


def test_a_route_without_a_right_cannot_be_declared() -> None:
    """Leaving it out, or naming something else, is an error when the module is imported."""
    with pytest.raises(TypeError):
        Routes("x").add("GET", "/v1/x", answers={200: None})  # type: ignore[call-arg]
    assert all(isinstance(operation.right, Right) for operation in OPERATIONS.values())


def test_nothing_is_served_under_v1_that_is_not_declared(house: House) -> None:
    """Every rule of the application below /v1 is one of the declared operations, or the OpenAPI document."""
    declared = {(op.method, op.path) for op in OPERATIONS.values()}
    served = {
        (method, re.sub(r"<(?:uuid:)?(\w+)>", r"{\1}", rule.rule))
        for rule in house.world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1")
    }
    assert served == declared | {("GET", "/v1/openapi.json")}


def test_the_record_names_no_token_of_another_kind(house: House) -> None:
    """A site's key may not review, a moderator may not submit: the two sets of routes do not meet."""
    keys = {name for name, op in OPERATIONS.items() if op.right in (Right.SUBMIT, Right.READ, Right.MANAGE)}
    people = {name for name, op in OPERATIONS.items() if op.right in (Right.VIEW, Right.MODERATE)}
    assert keys
    assert people
    assert not any(MAY[OPERATIONS[name].right] & {"moderator", "lead", "admin"} for name in keys)
    assert not any(MAY[OPERATIONS[name].right] & {"key: all scopes", "admin"} for name in people)

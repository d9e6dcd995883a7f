"""Endpoints over the API: made, shown, changed, ended; their secrets; what they were told."""

import base64
from typing import Any

import pytest
from werkzeug.test import TestResponse

from service.store import deliveries
from service.store.endpoints import MOST
from service.web.api import webhooks
from tests.service.web.asking import problem
from tests.world import World

URL = "https://hooks.example/comity"
ROOT = "/v1/sites/blog/webhooks"
ROUTES = webhooks.routes.operations


def ask(world: World, method: str, path: str = "", body: Any = None, **more: Any) -> TestResponse:
    """As the admin; `path` below the site's webhooks."""
    return world.request(method, ROOT + path, world.admin_token, body, **more)


def make(world: World, **members: Any) -> dict[str, Any]:
    """An endpoint of the usual site, with its secret."""
    answer = ask(world, "POST", "", {"url": URL, **members})
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def test_an_endpoint_is_made_shown_changed_and_ended(world: World) -> None:
    """With the defaults spelt out; its secret is in the first answer, and nowhere else but at its own place."""
    made = make(world)
    secret = made.pop("signing_secret")
    assert secret.startswith("whsec_")
    assert (made["url"], made["events"], made["scores"], made["enabled"]) == (URL, ["comment.*"], False, True)
    shown = ask(world, "GET", f"/{made['id']}")
    assert shown.json == made
    assert ask(world, "GET").json == {"webhooks": [made]}

    change = {"description": "The blog's back end", "events": ["comment.published"], "scores": True, "enabled": False}
    changed = ask(world, "PATCH", f"/{made['id']}", change).json
    assert {name: changed[name] for name in change} == change
    assert changed["disabled_reason"] == "asked"
    assert ask(world, "PATCH", f"/{made['id']}", {"enabled": True}).json["disabled_reason"] is None

    assert ask(world, "DELETE", f"/{made['id']}").status_code == 204
    problem(ask(world, "GET", f"/{made['id']}"), "not-found")
    problem(ask(world, "DELETE", f"/{made['id']}"), "not-found")
    assert ask(world, "GET").json == {"webhooks": []}
    assert make(world)["id"] != made["id"]  # its URL is free again


def test_what_is_wrong_with_an_endpoint_is_said(world: World) -> None:
    """A URL that must not be called, one that is there already, events that there are not, nothing at all."""
    for url, code in (
        ("http://hooks.example/", "scheme"), ("https://127.0.0.1/", "address"), ("https://hooks.example:22/", "port"),
        ("https://ann:secret@hooks.example/", "userinfo"), ("https://localhost/", "host"),
    ):  # fmt: skip
        document = problem(ask(world, "POST", "", {"url": url}), "validation-error", "#/url")
        assert document["errors"][0]["code"] == code
    for body, place in (
        ({}, "#/url"), ({"url": ""}, "#/url"), ({"url": 5}, "#/url"), ({"url": URL, "events": []}, "#/events"),
        ({"url": URL, "events": ["comment.created"]}, "#/events/0"), ({"url": URL, "scores": "yes"}, "#/scores"),
        ({"url": URL, "secret": "x"}, "#/secret"),
    ):  # fmt: skip
        problem(ask(world, "POST", "", body), "validation-error", place)
    made = make(world)
    problem(ask(world, "POST", "", {"url": "https://HOOKS.example:443/comity"}), "conflict", "#/url")
    other = make(world, url=URL + "2")
    problem(ask(world, "PATCH", f"/{other['id']}", {"url": URL}), "conflict", "#/url")
    problem(ask(world, "PATCH", f"/{other['id']}", {"url": "https://[::1]/"}), "validation-error", "#/url")
    problem(ask(world, "PATCH", f"/{made['id']}", {}), "validation-error", "#")


def test_a_site_has_so_many_endpoints_and_no_more(world: World) -> None:
    """One that is removed makes room."""
    ids = [make(world, url=f"{URL}/{number}")["id"] for number in range(MOST)]
    problem(ask(world, "POST", "", {"url": URL}), "conflict")
    ask(world, "DELETE", f"/{ids[0]}")
    make(world)


def test_another_sites_endpoint_is_not_there(world: World) -> None:
    """By whatever route one asks for it, and for its deliveries."""
    made = make(world)
    delivery = ask(world, "POST", f"/{made['id']}/test").json["id"]
    sibling = make(world, url=URL + "2")
    world.add_site("other")
    for operation in ROUTES:
        path = operation.path.replace("{webhook_id}", made["id"]).replace("{delivery_id}", delivery)
        body = {"description": "x"} if operation.method == "PATCH" else {"since": "2026-01-01T00:00:00Z"}
        given = None if operation.body is None else body
        if "{webhook_id}" in operation.path:
            answer = world.request(operation.method, path.replace("{site}", "other"), world.admin_token, given)
            problem(answer, "not-found")
        if "{delivery_id}" in operation.path:
            elsewhere = path.replace("{site}", "blog").replace(made["id"], sibling["id"])
            problem(world.request(operation.method, elsewhere, world.admin_token, given), "not-found")
    assert ask(world, "GET", f"/{made['id']}").json["waiting"] == 1


def test_a_secret_is_shown_rotated_and_stored_sealed(world: World) -> None:
    """Two sign for a day, never three; the database holds neither, and with another key nothing opens."""
    made = make(world)
    place, first = f"/{made['id']}", made["signing_secret"]
    assert [one["signing_secret"] for one in ask(world, "GET", place + "/secret").json["secrets"]] == [first]
    second, old = ask(world, "POST", place + "/rotate").json["secrets"]
    assert (old["signing_secret"], second["ends_at"]) == (first, None)
    assert old["ends_at"] > old["created_at"]
    third = ask(world, "POST", place + "/rotate").json["secrets"]
    assert [one["signing_secret"] for one in third[1:]] == [second["signing_secret"]]
    assert third == ask(world, "GET", place + "/secret").json["secrets"]
    world.execute("UPDATE comity.endpoint_secret SET ends_at = now() WHERE ends_at IS NOT NULL")
    assert ask(world, "GET", place + "/secret").json["secrets"] == third[:1]

    rows = world.rows("SELECT sealed FROM comity.endpoint_secret")
    dump = b"".join(row[0] for row in rows) + repr(world.rows("SELECT * FROM comity.endpoint")).encode()
    for one in (first, *(shown["signing_secret"] for shown in third)):
        assert one.encode() not in dump
        assert base64.b64decode(one.removeprefix("whsec_")) not in dump
    world.execute("UPDATE comity.endpoint_secret SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)")
    problem(ask(world, "GET", place + "/secret"), "conflict")
    assert len(ask(world, "POST", place + "/rotate").json["secrets"]) == 1


def test_a_secret_moved_to_another_endpoint_does_not_open(world: World) -> None:
    """Whoever can write rows cannot have another endpoint's messages signed with a secret they know."""
    one, two = make(world), make(world, url=URL + "2")
    world.execute(
        "UPDATE comity.endpoint_secret SET sealed = (SELECT sealed FROM comity.endpoint_secret WHERE endpoint_id = %s) "
        "WHERE endpoint_id = %s", one["id"], two["id"],
    )  # fmt: skip
    problem(ask(world, "GET", f"/{two['id']}/secret"), "conflict")


def test_deliveries_are_listed_in_pages_and_by_state(world: World) -> None:
    """Newest event first, each once, whatever is added meanwhile; a cursor belongs to its list."""
    made = make(world)
    comments = [world.published() for _ in range(7)]
    world.decide(comments[0], "reject")
    listed = f"/{made['id']}/deliveries"
    world.execute("UPDATE comity.delivery SET state = 'dead', done_at = now() WHERE event = 'comment.rejected'")
    seen, query = [], {"limit": 3}
    while True:
        page = ask(world, "GET", listed, query_string=query)
        seen += page.json["deliveries"]
        world.published()
        if page.json["next_cursor"] is None:
            break
        assert 'rel="next"' in page.headers["Link"]
        query = {"limit": 3, "cursor": page.json["next_cursor"]}
    assert [one["comment_id"] for one in seen] == [comments[0]["id"], *[one["id"] for one in reversed(comments)]]
    dead = ask(world, "GET", listed, query_string={"state": "dead"}).json["deliveries"]
    assert [(one["event"], one["state"], one["due_at"]) for one in dead] == [("comment.rejected", "dead", None)]
    cursor = ask(world, "GET", listed, query_string={"limit": 3}).json["next_cursor"]
    problem(ask(world, "GET", listed, query_string={"cursor": cursor, "state": "dead"}), "not-found", "cursor")
    problem(ask(world, "GET", listed, query_string={"state": "lost"}), "validation-error", "state")
    assert ask(world, "GET", f"/{made['id']}").json["dead"] == 1


def test_a_time_is_sent_again(world: World) -> None:
    """What did not arrive, and what the endpoint was never told; what waits or arrived is left alone."""
    before = world.published()
    made = make(world)
    place = f"/{made['id']}"
    told = [world.published() for _ in range(3)]
    for state, comment in zip(("delivered", "dead", "dropped"), told, strict=True):
        world.execute(
            "UPDATE comity.delivery SET state = %s, done_at = now(), attempts = 10 WHERE comment_id = %s",
            state, comment["id"],
        )  # fmt: skip
    world.published()
    far = {"since": "2026-01-01T00:00:00Z"}
    assert ask(world, "POST", place + "/retry", {**far, "until": "2026-01-02T00:00:00Z"}).json["count"] == 0
    answer = ask(world, "POST", place + "/retry", far)
    assert (answer.status_code, answer.json) == (202, {"count": 3, "next_since": None})
    rows = world.rows("SELECT comment_id::text, state, attempts FROM comity.delivery ORDER BY at")
    assert [row[1] for row in rows] == ["pending", "delivered", "pending", "pending", "pending"]
    assert rows[0][0] == before["id"]
    assert {row[2] for row in rows} == {0, 10}
    assert ask(world, "POST", place + "/retry", far).json["count"] == 0
    assert ask(world, "POST", place + "/retry", {**far, "delivered": True}).json["count"] == 1
    ask(world, "PATCH", place, {"enabled": False})
    problem(ask(world, "POST", place + "/retry", far), "conflict")
    problem(ask(world, "POST", place + "/test"), "conflict")


def test_a_long_time_is_sent_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part says where the next one begins; together they are the whole, each event once."""
    for _ in range(7):
        world.published()
    made = make(world)
    monkeypatch.setattr(deliveries, "AT_ONCE", 3)
    since, counts = "2026-01-01T00:00:00Z", []
    while since is not None:
        part = ask(world, "POST", f"/{made['id']}/retry", {"since": since, "delivered": True}).json
        counts.append(part["count"])
        since = part["next_since"]
    assert sum(counts) == 7
    assert len(counts) > 2
    assert world.rows("SELECT count(*), count(DISTINCT event_id) FROM comity.delivery") == [(7, 7)]


def test_one_is_sent_again_or_dropped(world: World) -> None:
    """Whatever became of it it can be sent again, unless it is on its way; only what waits can be dropped."""
    made = make(world)
    world.published()
    (one,) = ask(world, "GET", f"/{made['id']}/deliveries").json["deliveries"]
    place = f"/{made['id']}/deliveries/{one['id']}"
    world.execute("UPDATE comity.delivery SET lease = id, lease_until = now() + interval '30 seconds'")
    problem(ask(world, "POST", place + "/retry"), "conflict")
    dropped = ask(world, "POST", place + "/drop")
    assert (dropped.status_code, dropped.json["state"]) == (200, "dropped")
    problem(ask(world, "POST", place + "/drop"), "conflict")
    assert ask(world, "POST", place + "/retry").json["state"] == "pending"
    world.published()
    assert ask(world, "POST", f"/{made['id']}/drop").json == {"count": 2}
    assert ask(world, "GET", place).json["records"] == []


def test_answers_of_receivers_are_shown_as_text(world: World) -> None:
    """Whatever bytes they sent."""
    made = make(world)
    delivery = ask(world, "POST", f"/{made['id']}/test").json["id"]
    world.execute(
        "INSERT INTO comity.attempt (id, delivery_id, number, status, took, answer) "
        "VALUES (gen_random_uuid(), %s, 1, 500, 0.25, '\\x00ff3c623e')", delivery,
    )  # fmt: skip
    (record,) = ask(world, "GET", f"/{made['id']}/deliveries/{delivery}").json["records"]
    assert (record["status"], record["seconds"], record["answer"]) == (500, 0.25, "\x00\ufffd<b>")

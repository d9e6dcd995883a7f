"""The admin's routes: sites, keys and moderators."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.service.web.asking import problem
from tests.world import World


def ask(world: World, method: str, path: str, body: Any = None) -> TestResponse:
    """A request of the admin."""
    return world.request(method, path, world.admin_token, body)


def test_a_site_is_made_shown_and_changed(world: World) -> None:
    """Name, title, origins and limits; what a change leaves out stays."""
    given = {"name": "news", "title": "News", "origins": ["https://News.example"], "limits": {"author": [5, 60]}}
    answer = ask(world, "POST", "/v1/sites", given)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/v1/sites/news"
    made = answer.json
    assert made == {**given, "origins": ["https://news.example"], "created_at": made["created_at"]}
    assert ask(world, "GET", "/v1/sites/news").json == made
    assert [site["name"] for site in ask(world, "GET", "/v1/sites").json["sites"]] == ["blog", "news"]

    changed = ask(world, "PATCH", "/v1/sites/news", {"title": "Old news"}).json
    assert changed == {**made, "title": "Old news"}
    changed = ask(world, "PATCH", "/v1/sites/news", {"origins": [], "limits": {}}).json
    assert changed == {**made, "title": "Old news", "origins": [], "limits": {}}
    assert ask(world, "PATCH", "/v1/sites/news", {}).json == changed


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://other.example:443", "https://other.example"),
        ("HTTP://Other.example:80", "http://other.example"),
        ("https://other.example:8443", "https://other.example:8443"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
    ],
)
def test_an_origin_is_kept_as_browsers_name_it(shared: World, page: str, given: str, kept: str) -> None:
    """Lower case, without a default port; so pages of the site may read its comments."""
    made = ask(shared, "POST", "/v1/sites", {"name": page, "title": "Other", "origins": [given]})
    assert made.json["origins"] == [kept]
    answer = shared.request("GET", f"/v1/comments?site={page}&thread_key=x", headers={"Origin": kept})
    assert answer.headers["Access-Control-Allow-Origin"] == kept
    assert ask(shared, "PATCH", f"/v1/sites/{page}", {"origins": [given]}).json["origins"] == [kept]


def test_a_name_is_taken_once(world: World) -> None:
    """409 that names the member; the first site stays as it was."""
    problem(ask(world, "POST", "/v1/sites", {"name": "blog", "title": "Another"}), "conflict", "#/name")
    assert ask(world, "GET", "/v1/sites/blog").json["title"] == "A blog"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/sites/{0}", None),
        ("PATCH", "/v1/sites/{0}", {"title": "x"}),
        ("GET", "/v1/sites/{0}/keys", None),
        ("POST", "/v1/sites/{0}/keys", {}),
        ("DELETE", "/v1/sites/{0}/keys/abcdefghij", None),
        ("DELETE", "/v1/sites/blog/keys/{0}", None),
        ("DELETE", "/v1/moderators/{0}", None),
        ("GET", "/v1/sites/{0}/policy", None),
        ("PUT", "/v1/sites/{0}/policy", {}),
        ("GET", "/v1/sites/{0}/policy/versions", None),
        ("GET", "/v1/sites/blog/policy/versions/{0}", None),
        ("POST", "/v1/sites/{0}/policy/rollback", {"version": 0}),
        ("POST", "/v1/sites/{0}/policy/try", {"policy": {}}),
        ("GET", "/v1/sites/{0}/lists", None),
        ("DELETE", "/v1/sites/blog/lists/{0}", None),
        ("GET", "/v1/sites/{0}/bans", None),
        ("POST", "/v1/sites/{0}/bans", {"domain": "spam.example", "reason": "x"}),
        ("DELETE", "/v1/sites/blog/bans/{0}", None),
    ],
)
@pytest.mark.parametrize(
    "name", ["nowhere", "a%00b", "..", "%2e%2e", "BLOG", "blog%20", "x" * 300, "%ff", "bl'og", "é"]
)
def test_unknown_names_are_not_found(shared: World, method: str, path: str, body: Any, name: str) -> None:
    """Whatever stands in the path: a 404 and never a fault."""
    answer = ask(shared, method, path.format(name), body)
    assert answer.status_code == 404, answer.text
    problem(answer, "not-found")


def test_keys_rotate_without_a_gap(world: World) -> None:
    """Two live at once; a third only after one is revoked; a revoked one stops at once, the other goes on."""
    old = ask(world, "GET", "/v1/sites/blog/keys").json["keys"]
    assert [(key["name"], key["live"], "token" in key) for key in old] == [("key", True, False)]

    answer = ask(world, "POST", "/v1/sites/blog/keys", {"name": "next"})
    assert answer.status_code == 201
    fresh = answer.json
    assert fresh["token"].startswith("comity_sk_" + fresh["id"] + "_")
    problem(ask(world, "POST", "/v1/sites/blog/keys", {"name": "third"}), "conflict")
    for token in (world.secret_key, fresh["token"]):
        assert world.request("POST", "/v1/comments", token, world.comment()).status_code == 202

    assert ask(world, "DELETE", f"/v1/sites/blog/keys/{old[0]['id']}").status_code == 204
    problem(world.request("POST", "/v1/comments", world.secret_key, world.comment()), "unauthorized")
    assert world.request("POST", "/v1/comments", fresh["token"], world.comment()).status_code == 202
    assert ask(world, "DELETE", f"/v1/sites/blog/keys/{old[0]['id']}").status_code == 204
    assert ask(world, "POST", "/v1/sites/blog/keys", {}).status_code == 201
    listed = ask(world, "GET", "/v1/sites/blog/keys").json["keys"]
    assert [(key["name"], key["live"]) for key in listed] == [("key", True), ("next", True), ("key", False)]


def test_an_expired_key_makes_room_for_another(world: World) -> None:
    """Only live keys count to the two."""
    made = ask(world, "POST", "/v1/sites/blog/keys", {"expires_in_days": 1}).json
    assert made["expires_at"] > made["created_at"]
    world.execute("UPDATE comity.token SET expires_at = now() WHERE id = %s", made["id"])
    assert ask(world, "POST", "/v1/sites/blog/keys", {}).status_code == 201


def test_however_many_ask_at_once_two_keys_live(world: World) -> None:
    """Eight admins make a key at the same moment: one is made, since one lived already."""
    gate = threading.Barrier(8)

    def make(_: int) -> int:
        client = world.app.test_client()
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.admin_token}"}
        gate.wait()
        return client.post("/v1/sites/blog/keys", json={}, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(make, range(8)))
    assert codes == [201] + [409] * 7
    assert world.rows("SELECT count(*) FROM comity.token WHERE site_id = %s AND revoked_at IS NULL", world.site.id) == [
        (2,)
    ]


def test_a_key_of_another_site_is_not_revoked_by_this_name(world: World) -> None:
    """404, and it still works."""
    _, other = world.add_site("other")
    key_id = other.split("_")[2]
    problem(ask(world, "DELETE", f"/v1/sites/blog/keys/{key_id}"), "not-found")
    assert world.request("POST", "/v1/comments", other, world.comment()).status_code == 202


def test_of_a_token_only_a_digest_is_stored(world: World) -> None:
    """No column of any table holds a token or its secret half, in text or bytes; it is shown once."""
    made = ask(world, "POST", "/v1/sites/blog/keys", {}).json["token"]
    moderator = ask(world, "POST", "/v1/moderators", {"name": "Mo", "rights": [{"may": "lead"}]}).json["token"]
    dump = str(world.rows("SELECT t.*, encode(digest, 'escape') FROM comity.token t"))
    for token in (made, moderator, world.secret_key, world.admin_token, world.moderator_token):
        assert token.rpartition("_")[2] not in dump
        assert token not in ask(world, "GET", "/v1/sites/blog/keys").text + ask(world, "GET", "/v1/moderators").text


def test_moderators_are_made_listed_and_revoked(world: World) -> None:
    """A token names sites and what it may there; revoked, it stops."""
    given = {"name": "Mo", "rights": [{"site": "blog", "may": "viewer"}], "expires_in_days": 30}
    made = ask(world, "POST", "/v1/moderators", given).json
    assert (made["kind"], made["name"], made["live"]) == ("moderator", "Mo", True)
    assert world.request("GET", "/v1/queue", made["token"]).status_code == 200
    assert [one["name"] for one in ask(world, "GET", "/v1/moderators").json["keys"]] == ["Mo", "moderator"]

    assert ask(world, "DELETE", f"/v1/moderators/{made['id']}").status_code == 204
    problem(world.request("GET", "/v1/queue", made["token"]), "unauthorized")
    problem(
        ask(world, "POST", "/v1/moderators", {"name": "X", "rights": [{"site": "nowhere", "may": "lead"}]}), "not-found"
    )


def test_the_moderators_route_revokes_moderators_only(world: World) -> None:
    """A key's or an admin's id is not found there."""
    for token in (world.secret_key, world.admin_token):
        problem(ask(world, "DELETE", f"/v1/moderators/{token.split('_')[2]}"), "not-found")
    assert ask(world, "GET", "/v1/sites").status_code == 200

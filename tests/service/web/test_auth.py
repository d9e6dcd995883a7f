"""Credentials: how they are sent, how long they live, and how little they tell."""

import time
from typing import Any
from uuid import UUID

import pytest

from service.app import create_app
from tests.service.web.asking import problem
from tests.world import World


def authorized(world: World, header: str, path: str = "/v1/queue") -> Any:
    """A request with this Authorization field."""
    return world.request("GET", path, headers={"Authorization": header})


def test_a_token_travels_as_bearer(shared: World) -> None:
    """Case of the scheme and spaces around the token do not matter."""
    for header in ("Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "):
        assert authorized(shared, header.format(shared.moderator_token)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Bearer ", "Basic {}", "Token {}", "{}", "Bearer,{}", "Bearer {}x", "Bearer x{}", "Bearer {} {}",
        'Bearer "{}"', "Bearer comity_mod_", "Bearer comity_mod__", "Bearer é", "Bearer comity_mod_aaaaaaaaaé_" + "b" * 32,
        "Bearer " + "x" * 5000, "Bearer comity_st_x", "Bearer \x7f",
    ],
)  # fmt: skip
def test_anything_else_is_asked_to_authenticate(shared: World, header: str) -> None:
    """401 with a challenge; the answer repeats nothing of what was sent."""
    answer = authorized(shared, header.replace("{}", shared.moderator_token))
    problem(answer, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="comity"'
    assert shared.moderator_token not in answer.text


def test_a_token_in_the_query_or_body_is_none(shared: World) -> None:
    """Only the Authorization field counts: URLs end up in logs."""
    for name in ("token", "access_token", "api_key", "key"):
        answer = shared.request("GET", "/v1/queue", query_string={name: shared.moderator_token})
        problem(answer, "unauthorized")


def test_every_wrong_secret_gets_the_same_answer(shared: World) -> None:
    """A known id with another secret and an unknown id cannot be told apart."""
    known = shared.moderator_token[:-1] + ("a" if shared.moderator_token[-1] != "a" else "b")
    unknown = f"comity_mod_{'a' * 10}_{'b' * 32}"
    answers = [authorized(shared, f"Bearer {token}") for token in (known, unknown)]
    documents = [{**problem(answer, "unauthorized"), "instance": None} for answer in answers]
    assert documents[0] == documents[1]


@pytest.mark.parametrize("swap", [("comity_mod", "comity_adm"), ("comity_mod", "comity_sk")])
def test_the_prefix_is_part_of_the_secret(shared: World, swap: tuple[str, str]) -> None:
    """A token with another kind's prefix is unknown."""
    problem(authorized(shared, f"Bearer {shared.moderator_token.replace(*swap)}"), "unauthorized")


def test_a_status_token_is_derived_and_opens_one_comment(shared: World, page: str) -> None:
    """The same for the same comment, another for another; nothing of it is stored anywhere."""
    one, two = shared.submit(thread={"key": page}), shared.submit(thread={"key": page})
    assert one["status_token"] != two["status_token"]
    assert one["status_token"].startswith("comity_st_")
    assert shared.status(one)["id"] == one["id"]
    problem(shared.request("GET", f"/v1/comments/{two['id']}", one["status_token"]), "unauthorized")
    for table in shared.rows(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('comity', 'contacts')"
    ):
        assert one["status_token"] not in str(shared.rows(f"SELECT t::text FROM {table[0]} t"))


def test_tokens_of_another_secret_key_open_nothing(shared: World, make_world: Any, page: str) -> None:
    """With another COMITY_SECRET_KEY the same comment has another status token."""
    made = shared.submit(thread={"key": page})
    stranger = make_world(secret_key=bytes(range(100, 132)))
    forged = stranger.settings.keys.status_token(UUID(made["id"]))
    problem(shared.request("GET", f"/v1/comments/{made['id']}", forged), "unauthorized")


def test_an_expired_and_a_revoked_token_say_which(world: World) -> None:
    """Their owner learns why, and what to do."""
    for column, words in (("expires_at", "has expired"), ("revoked_at", "was revoked")):
        world.execute(f"UPDATE comity.token SET {column} = now() WHERE kind = 'moderator'")
        world.app.extensions["comity"].gate.forget()
        assert words in problem(world.request("GET", "/v1/queue", world.moderator_token), "unauthorized")["detail"]


def test_another_process_forgets_a_revoked_token_within_two_seconds(world: World) -> None:
    """What one web process revokes, another lets in for two seconds at most."""
    other = create_app(world.settings)
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.moderator_token}"}
    assert other.test_client().get("/v1/queue", headers=headers).status_code == 200
    token_id = world.moderator_token.split("_")[2]
    assert world.request("DELETE", f"/v1/moderators/{token_id}", world.admin_token).status_code == 204
    revoked = time.monotonic()

    while other.test_client().get("/v1/queue", headers=headers).status_code == 200:
        assert time.monotonic() - revoked < 3.0
        time.sleep(0.02)

    assert time.monotonic() - revoked < 2.5
    assert world.request("GET", "/v1/queue", world.moderator_token).status_code == 401
    other.extensions["comity"].database.close()


def test_a_public_route_looks_at_no_credential(shared: World) -> None:
    """Counts are for everybody, whatever a browser or proxy adds."""
    for header in ("Basic eDp5", "Bearer garbage", "Bearer " + shared.secret_key):
        assert authorized(shared, header, "/v1/threads/counts?site=blog&thread_key=x").status_code == 200


def test_a_level_is_enough_for_what_lies_below_it(world: World) -> None:
    """A viewer sees and does not decide; lead and moderator do both."""
    made = world.flagged()
    for may, decides in (("viewer", 403), ("moderator", 200), ("lead", 200)):
        rights = {"name": may, "rights": [{"site": "blog", "may": may}]}
        token = world.request("POST", "/v1/moderators", world.admin_token, rights).json["token"]
        review = world.request("GET", f"/v1/comments/{made['id']}/review", token)
        assert review.status_code == 200
        body = {"action": "flag", "version": review.json["version"]}
        answer = world.request("POST", f"/v1/comments/{made['id']}/decisions", token, body)
        assert answer.status_code == decides


# Every answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/v1/queue", "/v1/comments?site=blog&thread_key=x", "/healthz", "/nowhere", "/v1/openapi.json", "/v1/sites"],
)
def test_every_answer_carries_the_safe_headers(shared: World, path: str) -> None:
    """No sniffing, no referrer, nothing runs or frames it, no cookie, and the request's id."""
    answer = shared.request("GET", path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    assert len(answer.headers["X-Request-Id"]) >= 8


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abcd-1234_5.6", True),
        ("x" * 128, True),
        ("short", False),
        ("x" * 129, False),
        ("a b c d e f", False),
        ("ünïcödé-id", False),
    ],
)
def test_a_well_formed_request_id_is_kept(shared: World, given: str, kept: bool) -> None:
    """8 to 128 plain characters come back; anything else is replaced."""
    answer = shared.request("GET", "/healthz", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is kept


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "",
        "a b",
        "[::1",
        "127.0.0.1:x",
        "127.0.0.1:0",
        "::1",
        "[::2]",
    ],
)
def test_a_host_that_is_not_ours_is_refused(shared: World, host: str) -> None:
    """The Host field names a host of COMITY_PUBLIC_URL or COMITY_TRUSTED_HOSTS, or the request ends there."""
    answer = shared.request("GET", "/v1/comments?site=blog&thread_key=x", headers={"Host": host})
    problem(answer, "malformed-request")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9999", "localhost", "LOCALHOST:80", "[::1]", "[0:0::1]:8080"])
def test_our_own_hosts_are_served(shared: World, host: str) -> None:
    """With any port."""
    assert shared.request("GET", "/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["[2001:db8::1]", "[2001:DB8::1]:8080"])
def test_a_public_address_of_version_6_is_served(make_world: Any, host: str) -> None:
    """COMITY_PUBLIC_URL may be an IPv6 address, written in brackets as in a Host field; others stay strangers."""
    world = make_world(public_url="http://[2001:db8::1]:8080")
    assert world.request("GET", "/healthz", headers={"Host": host}).status_code == 200
    problem(world.request("GET", "/v1/openapi.json", headers={"Host": "[2001:db8::2]"}), "malformed-request")


def test_x_forwarded_for_counts_only_behind_trusted_proxies(make_world: Any) -> None:
    """Without one, a visitor cannot choose the network that is counted; behind one, the proxy's word does."""
    alone, behind = make_world(limit_visitor=(4, 3600)), make_world(limit_visitor=(4, 3600), trusted_proxies=1)

    def codes(world: World) -> list[int]:
        return [
            world.request(
                "GET", "/v1/threads/counts?site=blog&thread_key=x", headers={"X-Forwarded-For": f"10.{n}.0.1"}
            ).status_code
            for n in range(6)
        ]

    assert codes(alone) == [200] * 4 + [429] * 2
    assert codes(behind) == [200] * 6
    spoofed = [
        behind.request(
            "GET", "/v1/threads/counts?site=blog&thread_key=x", headers={"X-Forwarded-For": f"10.9.{n}.1, 192.0.2.1"}
        ).status_code
        for n in range(6)
    ]
    assert spoofed == [200] * 4 + [429] * 2

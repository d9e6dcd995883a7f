"""Idempotency-Key: the same request sent again stores nothing twice and is answered the same."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from werkzeug.test import TestResponse

from tests.service.web.asking import problem, stored
from tests.world import World


def send(world: World, key: str, body: Any, token: str | None = None) -> TestResponse:
    """One submission under a key, given as it stands in the header."""
    return world.request("POST", "/v1/comments", token or world.secret_key, body, headers={"Idempotency-Key": key})


def quoted() -> str:
    """A new key in quotes."""
    return f'"{uuid4()}"'


def test_a_replay_gets_the_first_answer_and_says_so(shared: World, page: str) -> None:
    """Same status, same bytes, marked as replayed; one comment, one contact, one key."""
    body, key = shared.comment(thread={"key": page}), quoted()
    first = send(shared, key, body)
    before = stored(shared)

    again = send(shared, key, body)

    assert (again.status_code, again.data) == (first.status_code, first.data) == (202, first.data)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stored(shared) == before


def test_a_replay_is_the_same_after_the_comment_was_decided(shared: World, page: str) -> None:
    """The answer is the first one, whatever became of the comment."""
    body, key = shared.comment(thread={"key": page}), quoted()
    first = send(shared, key, body)
    shared.settle()
    assert send(shared, key, body).data == first.data


def test_another_body_under_the_key_is_refused(shared: World, page: str) -> None:
    """422, and nothing is stored: one byte of difference is another body."""
    body, key = shared.comment(thread={"key": page}), quoted()
    send(shared, key, body)
    before = stored(shared)
    problem(send(shared, key, {**body, "name": body["name"] + "!"}), "idempotency-key-reused")
    assert stored(shared) == before


def test_with_and_without_quotes_is_the_same_key(shared: World, page: str) -> None:
    """The draft's quoted form and the bare one name the same key."""
    body, key = shared.comment(thread={"key": page}), str(uuid4())
    assert send(shared, f'"{key}"', body).data == send(shared, key, body).data


@pytest.mark.parametrize("key", ["", '""', '"', '"x', '"x"y', "\x7f", "é", "x" * 256, f'"{"x" * 256}"', "\t"])
def test_a_malformed_key_is_refused(shared: World, page: str, key: str) -> None:
    """1 to 255 printable ASCII characters, with both quotes or none."""
    before = stored(shared)
    problem(send(shared, key, shared.comment(thread={"key": page})), "malformed-request")
    assert stored(shared) == before


@pytest.mark.parametrize("length", [1, 255])
def test_keys_from_1_to_255_characters_work(shared: World, page: str, length: int) -> None:
    """Both ends are taken."""
    key = (uuid4().hex * 8)[:length]
    answer = send(shared, key, shared.comment(thread={"key": page}))
    assert answer.status_code == 202


def test_a_key_belongs_to_its_site(shared: World, page: str) -> None:
    """Two sites may choose the same key for different comments."""
    _, other = shared.add_site(f"site-{page}")
    key = quoted()
    first, second = (
        send(shared, key, shared.comment(thread={"key": page}), token) for token in (shared.secret_key, other)
    )
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["id"] != second.json["id"]


def test_a_key_outlives_the_rotation_of_the_secret_key(shared: World, page: str) -> None:
    """The scope is the site, not the credential."""
    made = shared.request("POST", "/v1/sites/blog/keys", shared.admin_token, {"name": "next"})
    body, key = shared.comment(thread={"key": page}), quoted()
    assert send(shared, key, body).data == send(shared, key, body, made.json["token"]).data
    shared.request("DELETE", f"/v1/sites/blog/keys/{made.json['id']}", shared.admin_token)


def test_a_key_belongs_to_its_route(shared: World, page: str) -> None:
    """One comment and a batch under one key are two requests."""
    key, body = quoted(), shared.comment(thread={"key": page})
    assert send(shared, key, body).status_code == 202
    batch = shared.request(
        "POST", "/v1/comments/batch", shared.secret_key, {"comments": [shared.comment(thread={"key": page})]},
        headers={"Idempotency-Key": key},
    )  # fmt: skip
    assert [result["code"] for result in batch.json["results"]] == [202]


def test_a_refused_comment_frees_its_key(shared: World, page: str) -> None:
    """After a 409 or 422 the same key may come with a corrected body."""
    key = quoted()
    problem(send(shared, key, shared.comment(thread={"key": page}, parent_id=str(uuid4()))), "conflict", "#/parent_id")
    problem(send(shared, key, shared.comment(thread={"key": page}, email="x")), "validation-error", "#/email")
    assert send(shared, key, shared.comment(thread={"key": page})).status_code == 202


def test_a_key_is_kept_for_a_day(shared: World, page: str) -> None:
    """Older than 24 hours it is free again, whether or not retention has passed by."""
    key, thread = quoted(), {"key": page}
    first = send(shared, key, shared.comment(thread=thread))
    shared.execute(
        "UPDATE comity.idempotency SET created_at = now() - interval '24 hours 1 second' WHERE key = %s", key[1:-1]
    )
    second = send(shared, key, shared.comment(thread=thread))
    assert second.status_code == 202
    assert second.json["id"] != first.json["id"]


def test_neither_body_nor_answer_is_kept(shared: World, page: str) -> None:
    """The row holds a keyed digest of 32 bytes and the comment's id."""
    body, key = shared.comment(thread={"key": page}), quoted()
    made = send(shared, key, body).json
    row = shared.rows("SELECT fingerprint, outcomes FROM comity.idempotency WHERE key = %s", key[1:-1])
    assert row == [(shared.settings.keys.fingerprint(json.dumps(body).encode()), [made["id"]])]


def test_the_same_text_twice_without_a_key_is_a_duplicate(shared: World, page: str) -> None:
    """Within ten minutes, by the same author on the same page; with a key, or later, it is the sender's will."""
    body = shared.comment(thread={"key": page})
    assert shared.request("POST", "/v1/comments", shared.secret_key, body).status_code == 202
    before = stored(shared)
    problem(shared.request("POST", "/v1/comments", shared.secret_key, body), "conflict", "#/body")
    assert stored(shared) == before

    assert send(shared, quoted(), body).status_code == 202
    shared.execute(
        "UPDATE comity.comment SET created_at = created_at - interval '11 minutes' WHERE body = %s", body["body"]
    )
    assert shared.request("POST", "/v1/comments", shared.secret_key, body).status_code == 202


def test_the_same_text_of_another_author_or_page_is_no_duplicate(shared: World, page: str) -> None:
    """Only all of author, page and text together make one."""
    body = shared.comment(thread={"key": page}, body="The same words.")
    others = [body, {**body, "email": shared.comment()["email"]}, {**body, "thread": {"key": f"{page}-b"}}]
    answers = [shared.request("POST", "/v1/comments", shared.secret_key, one) for one in others]
    assert [answer.status_code for answer in answers] == [202, 202, 202]


# Races ---------------------------------------------------------------------------------------------------------------


def test_twenty_threads_with_one_key_store_one_comment(shared: World, page: str) -> None:
    """All get the same answer, 19 of them as a replay."""
    for _ in range(3):
        body, key, gate = shared.comment(thread={"key": page}), quoted(), threading.Barrier(20)
        before = stored(shared)

        def post(body: Any = body, key: str = key, gate: threading.Barrier = gate) -> TestResponse:
            client = shared.app.test_client()
            headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}", "Idempotency-Key": key}
            gate.wait()
            return client.post("/v1/comments", json=body, headers=headers)

        with ThreadPoolExecutor(20) as pool:
            answers = [future.result() for future in [pool.submit(post) for _ in range(20)]]

        assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
        assert len({answer.data for answer in answers}) == 1
        assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == 19
        after = stored(shared)
        grown = {table: after[table] - before[table] for table in after}
        assert (grown["comity.comment"], grown["contacts.contact"], grown["comity.idempotency"]) == (1, 1, 1)


def test_a_request_whose_twin_still_runs_is_told_so(shared: World, page: str) -> None:
    """After two seconds of waiting for the first: 409 with Retry-After; once the first has ended, its answer."""
    body, key = shared.comment(thread={"key": page}), quoted()
    with psycopg.connect(shared.owner_url) as first:
        first.execute(
            "INSERT INTO comity.idempotency (site_id, route, key, fingerprint) VALUES (%s, 'POST /v1/comments', %s, '')",
            [shared.site.id, key[1:-1]],
        )
        answer = send(shared, key, body)
        problem(answer, "idempotency-in-progress")
        assert answer.headers["Retry-After"] == "1"
        first.rollback()
    assert send(shared, key, body).status_code == 202


def test_of_equal_comments_at_once_without_a_key_one_is_taken(shared: World, page: str) -> None:
    """Six in a thread that is there, round after round: 202 once, 409 for the others; other texts do not wait."""
    shared.submit(thread={"key": page})
    for _ in range(8):
        body, gate = shared.comment(thread={"key": page}), threading.Barrier(6)

        def post(body: Any = body, gate: threading.Barrier = gate) -> int:
            headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}"}
            client = shared.app.test_client()
            gate.wait()
            return client.post("/v1/comments", json=body, headers=headers).status_code

        with ThreadPoolExecutor(6) as pool:
            codes = sorted(future.result() for future in [pool.submit(post) for _ in range(6)])
        assert codes == [202] + [409] * 5

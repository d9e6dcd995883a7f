"""Threads: found by key or URL, closed, opened and named."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.service.web.asking import problem, stored
from tests.world import World


def change(world: World, thread_id: str, **members: Any) -> Any:
    """A change that must be taken; the thread as it is then."""
    answer = world.request("PATCH", f"/v1/threads/{thread_id}", world.secret_key, members)
    assert answer.status_code == 200, answer.text
    return answer.json


def thread_of(world: World, page: str) -> Any:
    """The thread of a page, made when it is new."""
    world.submit(thread={"key": page, "title": "First"})
    return world.read(thread_key=page).json["thread"]


def test_a_thread_is_closed_opened_and_named(shared: World, page: str) -> None:
    """Each alone leaves the other as it is, and the public list shows both."""
    thread = thread_of(shared, page)
    assert (thread["title"], thread["closed"]) == ("First", False)

    changed = change(shared, thread["id"], closed=True)
    assert (changed["title"], changed["closed"]) == ("First", True)
    changed = change(shared, thread["id"], title="Second")
    assert (changed["title"], changed["closed"]) == ("Second", True)
    changed = change(shared, thread["id"], closed=False)
    assert (changed["title"], changed["closed"]) == ("Second", False)

    assert shared.read(thread_key=page).json["thread"] == changed
    assert shared.request("GET", f"/v1/threads/{thread['id']}", shared.secret_key).json == changed


def test_a_closed_thread_takes_no_comment_until_it_is_opened(shared: World, page: str) -> None:
    """409 that names the thread, and nothing is stored; afterwards it takes comments again."""
    thread = thread_of(shared, page)
    change(shared, thread["id"], closed=True)
    before = stored(shared)
    answer = shared.request("POST", "/v1/comments", shared.secret_key, shared.comment(thread={"key": page}))
    problem(answer, "conflict", "#/thread")
    assert stored(shared) == before

    change(shared, thread["id"], closed=False)
    shared.submit(thread={"key": page})


def test_a_closed_thread_takes_no_changes_until_it_is_opened(shared: World, page: str) -> None:
    """An edit would take a published comment off the page: 409, and it stays as it is. Taking it back goes on."""
    made = shared.published(thread={"key": page}, body="Old.")
    thread = shared.read(thread_key=page).json["thread"]
    change(shared, thread["id"], closed=True)
    before = stored(shared)

    answer = shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "New."})

    assert [error["code"] for error in problem(answer, "conflict")["errors"]] == ["thread_closed"]
    assert stored(shared) == before
    shared.settle()
    assert [comment["body"] for comment in shared.read(thread_key=page).json["comments"]] == ["Old."]
    change(shared, thread["id"], closed=False)
    answer = shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "New."})
    assert answer.status_code == 202
    change(shared, thread["id"], closed=True)
    assert shared.request("DELETE", f"/v1/comments/{made['id']}", shared.secret_key).status_code == 200


def test_an_edit_waits_for_a_closing_that_is_under_way(shared: World, page: str) -> None:
    """Somebody closes the thread and has not committed yet: the edit is refused once they have."""
    made = shared.published(thread={"key": page})
    with ThreadPoolExecutor(1) as pool, psycopg.connect(shared.owner_url) as closing:
        closing.execute("UPDATE comity.thread SET closed_at = now() WHERE key = %s", [page])
        edit = pool.submit(shared.request, "PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "New."})
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not edit.done() and shared.rows(waiting) == [(0,)]:
            pass
        closing.commit()
        problem(edit.result(), "conflict")
    assert shared.rows("SELECT content_version FROM comity.comment WHERE id = %s", made["id"]) == [(1,)]


@pytest.mark.parametrize("first", ["key", "url"])
def test_a_thread_without_a_title_gains_it(shared: World, page: str, first: str) -> None:
    """Known by its key or its URL alone, it is named by the first comment that brings a title; a later one is let be."""
    place = {"key": page, "url": f"https://blog.example/{page}"}
    made = shared.published(thread={first: place[first]})
    thread_id = shared.rows("SELECT thread_id FROM comity.comment WHERE id = %s", made["id"])[0][0]
    refused = shared.comment(thread={**place, "title": "Refused"}, parent_id=str(uuid4()))
    problem(shared.request("POST", "/v1/comments", shared.secret_key, refused), "conflict", "#/parent_id")
    for title in (None, "First", "Second"):
        shared.submit(thread={**place, "title": title})
    found = shared.rows("SELECT key, url, title FROM comity.thread WHERE id = %s", thread_id)
    assert found == [(place["key"], place["url"], "First")]


@pytest.mark.parametrize(
    "same",
    [
        "https://blog.example/{page}",
        "https://BLOG.example/{page}",
        "https://blog.example:443/{page}",
        "https://blog.example/{page}#comments",
        "https://blog.example/{page}?utm_source=mail&fbclid=1",
    ],
)
def test_forms_of_one_url_are_one_page(shared: World, page: str, same: str) -> None:
    """Case of the host, default port, fragment and tracking parameters do not matter; path and query do."""
    made = shared.published(thread={"url": f"https://blog.example/{page}"})
    query = {"site": "blog", "url": same.format(page=page)}
    answer = shared.request("GET", "/v1/comments", query_string=query)
    assert [comment["id"] for comment in answer.json["comments"]] == [made["id"]]
    for other in (f"https://blog.example/{page}/", f"https://blog.example/{page}?id=1", f"http://blog.example/{page}"):
        answer = shared.request("GET", "/v1/comments", query_string={"site": "blog", "url": other})
        assert answer.json["comments"] == []


def test_the_key_decides_and_a_thread_known_by_url_gains_it(shared: World, page: str) -> None:
    """URL first, then key and URL, then key alone: one thread. Another key at the URL is another thread."""
    url = f"https://blog.example/{page}"
    for thread in ({"url": url}, {"key": page, "url": url}, {"key": page}):
        shared.submit(thread=thread)
    assert (
        len(
            set(
                shared.rows(
                    "SELECT thread_id FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id WHERE t.key = %s",
                    page,
                )
            )
        )
        == 1
    )

    shared.submit(thread={"key": f"{page}-b", "url": url})
    found = shared.rows("SELECT key, url FROM comity.thread WHERE key LIKE %s ORDER BY key", f"{page}%")
    assert found == [(page, url), (f"{page}-b", None)]


def test_a_thread_known_by_key_gains_its_url(shared: World, page: str) -> None:
    """Key first, then key and URL: readers who ask by URL find it. A second URL changes nothing, nor does a taken one."""
    url = f"https://blog.example/{page}"
    made = shared.published(thread={"key": page})
    shared.submit(thread={"key": page, "url": url})
    shared.submit(thread={"key": page, "url": f"{url}/moved"})
    answer = shared.request("GET", "/v1/comments", query_string={"site": "blog", "url": url})
    assert [comment["id"] for comment in answer.json["comments"]] == [made["id"]]
    assert shared.rows("SELECT url, version FROM comity.thread WHERE key = %s", page) == [(url, 3)]

    shared.submit(thread={"key": f"{page}-b"})
    shared.submit(thread={"key": f"{page}-b", "url": url})
    assert shared.rows("SELECT url FROM comity.thread WHERE key = %s", f"{page}-b") == [(None,)]


def test_a_refused_comment_names_no_thread(shared: World, page: str) -> None:
    """A thread known by its URL keeps being so when the comment that brings a key is refused."""
    url = f"https://blog.example/{page}"
    shared.submit(thread={"url": url})
    before = shared.rows("SELECT key, version FROM comity.thread WHERE url = %s", url)
    body = shared.comment(thread={"key": page, "url": url}, parent_id=str(uuid4()))
    problem(shared.request("POST", "/v1/comments", shared.secret_key, body), "conflict", "#/parent_id")
    assert shared.rows("SELECT key, version FROM comity.thread WHERE url = %s", url) == before == [(None, 1)]


def test_two_sites_may_use_one_key_or_url(shared: World, page: str) -> None:
    """Threads belong to their site."""
    _, other = shared.add_site(f"site-{page}")
    thread = {"key": page, "url": "https://blog.example/both"}
    for token in (shared.secret_key, other):
        answer = shared.request("POST", "/v1/comments", token, shared.comment(thread=thread))
        assert answer.status_code == 202
    assert shared.rows("SELECT count(DISTINCT site_id) FROM comity.thread WHERE key = %s", page) == [(2,)]


@pytest.mark.parametrize("known", [False, True])
def test_many_first_comments_at_once_make_one_thread(shared: World, page: str, known: bool) -> None:
    """Twelve visitors come first, some by key, some by URL, some by both: all are taken, on one page."""
    for round_ in range(4):
        key, url = f"{page}-{round_}", f"https://blog.example/{page}/{round_}"
        if known:
            shared.submit(thread={"url": url})
        both = {"key": key, "url": url}
        places = [both, {"url": url}, both] * 4 if known else [{"key": key}] * 6 + [both] * 6
        gate = threading.Barrier(len(places))

        def post(place: dict[str, str], gate: threading.Barrier = gate) -> int:
            body = shared.comment(thread=place)
            headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}"}
            client = shared.app.test_client()
            gate.wait()
            return client.post("/v1/comments", json=body, headers=headers).status_code

        with ThreadPoolExecutor(len(places)) as pool:
            assert set(pool.map(post, places)) == {202}
        assert shared.rows("SELECT count(*) FROM comity.thread WHERE key = %s OR url = %s", key, url) == [(1,)]


def test_nothing_is_published_into_a_thread_that_is_being_closed(shared: World, page: str) -> None:
    """Comments sent while it closes are refused, or taken and then held: none is published after the closing."""
    for round_ in range(6):
        key = f"{page}-{round_}"
        thread = thread_of(shared, key)
        shared.settle()
        gate = threading.Barrier(5)

        def post(key: str = key, gate: threading.Barrier = gate) -> tuple[int, Any]:
            body = shared.comment(thread={"key": key})
            headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}"}
            client = shared.app.test_client()
            gate.wait()
            answer = client.post("/v1/comments", json=body, headers=headers)
            return answer.status_code, answer.json

        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(post) for _ in range(4)]
            gate.wait()
            change(shared, thread["id"], closed=True)
            answers = [future.result() for future in sent]
        shared.settle()

        assert {code for code, _ in answers} <= {202, 409}
        taken = [made for code, made in answers if code == 202]
        assert {shared.status(made)["status"] for made in taken} <= {"flagged"}
        count = shared.rows("SELECT count(*) FROM comity.comment WHERE thread_id = %s", thread["id"])
        assert count == [(1 + len(taken),)]

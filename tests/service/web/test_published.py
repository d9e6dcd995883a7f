"""What everybody may read, and how it may be cached."""

import itertools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from werkzeug.test import TestResponse

from service.store import threads
from service.web import shown
from tests.service.web.asking import bodies, problem
from tests.world import World

PAGE_CACHE = "public, max-age=0, s-maxage=10, must-revalidate"


def insert(world: World, page: str, how_many: int, root: UUID | None = None) -> list[UUID]:
    """Published comments put straight into the tables, a second apart; all answer `root`, if one is given."""
    ids = [uuid4() for _ in range(how_many)]
    given = {"root": root, "ids": ids, "page": page, "site": world.site.id, "thread": uuid4(), "n": how_many}
    with psycopg.connect(world.owner_url) as connection:
        for statement in _INSERT:
            connection.execute(statement, given)
    return ids


_INSERT = (
    "INSERT INTO comity.thread (id, site_id, key) VALUES (%(thread)s, %(site)s, %(page)s) ON CONFLICT DO NOTHING",
    "INSERT INTO comity.comment (id, site_id, thread_id, parent_id, root_id, depth, name, body, digest, state, "
    "due_at, created_at, published_at) "
    "SELECT u.id, t.site_id, t.id, %(root)s, coalesce(%(root)s, u.id), (%(root)s::uuid IS NOT NULL)::int, 'Ann', "
    "'b' || u.n - 1, '', 'published', NULL, timestamptz '2026-01-01' + make_interval(secs => u.n), now() "
    "FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS u (id, n), comity.thread t WHERE t.key = %(page)s",
    "INSERT INTO comity.tree AS t SELECT root_id, thread_id, min(created_at), count(*) FROM comity.comment "
    "WHERE id = ANY(%(ids)s) GROUP BY root_id, thread_id "
    "ON CONFLICT (root_id) DO UPDATE SET published = t.published + excluded.published",
    "UPDATE comity.thread SET published = published + %(n)s WHERE key = %(page)s",
)


def follow(world: World, page: str, **query: Any) -> list[TestResponse]:
    """All pages of a list, by the Link field."""
    answers = [world.read(thread_key=page, **query)]
    while link := answers[-1].headers.get("Link"):
        found = re.fullmatch(r'<([^>]+)>; rel="next"', link)
        assert found is not None
        answers.append(world.request("GET", found[1]))
        assert len(answers) < 100
    return answers


# What is shown -------------------------------------------------------------------------------------------------------

SHOWN = {"id", "parent_id", "name", "website", "body", "html", "published_at", "edited", "removed", "replies"}
THREAD = {"id", "key", "url", "title", "closed", "published"}


def test_only_published_comments_are_shown(shared: World, page: str) -> None:
    """Pending, flagged, rejected and withdrawn ones are nowhere in the answer, in neither view."""
    thread = {"key": page}
    shown = shared.published(thread=thread, body="Shown.")
    shared.flagged(thread=thread)
    shared.submit(thread=thread, body="score:spam=0.99 rejected")
    gone = shared.published(thread=thread, body="Withdrawn.")
    shared.settle()
    shared.request("DELETE", f"/v1/comments/{gone['id']}", shared.secret_key)
    shared.submit(thread=thread, body="Pending.")

    for view in ("flat", "tree"):
        answer = shared.read(thread_key=page, view=view)
        assert [comment["id"] for comment in answer.json["comments"]] == [shown["id"]]
        assert set(answer.json["comments"][0]) == SHOWN
        assert set(answer.json["thread"]) == THREAD
        assert answer.json["thread"]["published"] == 1


def test_addresses_in_texts_are_masked(shared: World, page: str) -> None:
    """An address in a name or a body is not shown, in body or html."""
    body = "Write to Ann.Other+tag@mail.leak.example, or <bob@leak.example>."
    shared.published(thread={"key": page}, name="ann@leak.example", body=body)
    answer = shared.read(thread_key=page)
    assert "leak.example" not in answer.text
    shown = answer.json["comments"][0]
    assert (shown["name"], shown["body"]) == ("[address hidden]", "Write to [address hidden], or <[address hidden]>.")


def test_a_body_becomes_html_once_and_anew_when_it_changes(
    shared: World, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers of both views share one rendering; an edited comment shows its new links."""
    made: list[str] = []

    def html(body: str) -> str:
        made.append(body)
        return rendering(body)

    rendering = shown.html
    monkeypatch.setattr(shown, "html", html)
    one = shared.published(thread={"key": page}, body="See https://a.example/")
    for view in ("flat", "tree", "flat"):
        assert 'href="https://a.example/"' in shared.read(thread_key=page, view=view).json["comments"][0]["html"]
    assert made == ["See https://a.example/"]
    path = f"/v1/comments/{one['id']}"
    assert shared.request("PATCH", path, shared.secret_key, {"body": "See https://b.example/"}).status_code == 202
    shared.settle()
    assert 'href="https://b.example/"' in shared.read(thread_key=page).json["comments"][0]["html"]
    assert made == ["See https://a.example/", "See https://b.example/"]


def test_a_page_nobody_commented_on_is_empty(shared: World, page: str) -> None:
    """200 with no thread, cacheable like any other; nothing is made by asking."""
    answer = shared.read(thread_key=page)
    assert answer.json == {"thread": None, "comments": [], "next_cursor": None, "truncated": False}
    assert answer.headers["Cache-Control"] == PAGE_CACHE
    assert answer.headers["ETag"] == '"none"'
    assert shared.rows("SELECT FROM comity.thread WHERE key = %s", page) == []


def test_trees_hold_replies_below_what_they_answer(shared: World, page: str) -> None:
    """First comments in order, replies oldest first below each; flat is the order of arrival."""
    thread = {"key": page}
    one = shared.published(thread=thread, body="1")
    two = shared.published(thread=thread, body="2")
    below = shared.published(thread=thread, body="1.1", parent_id=one["id"])
    shared.published(thread=thread, body="2.1", parent_id=two["id"])
    shared.published(thread=thread, body="1.1.1", parent_id=below["id"])
    shared.published(thread=thread, body="1.2", parent_id=one["id"])

    def outline(comments: Any) -> list[Any]:
        return [[comment["body"], outline(comment["replies"])] for comment in comments]

    tree = shared.read(thread_key=page, view="tree").json["comments"]
    assert outline(tree) == [["1", [["1.1", [["1.1.1", []]]], ["1.2", []]]], ["2", [["2.1", []]]]]
    newest = shared.read(thread_key=page, view="tree", order="newest").json["comments"]
    assert [comment["body"] for comment in newest] == ["2", "1"]
    assert bodies(shared.read(thread_key=page)) == ["1", "2", "1.1", "2.1", "1.1.1", "1.2"]
    assert bodies(shared.read(thread_key=page, order="newest")) == ["1.2", "1.1.1", "2.1", "1.1", "2", "1"]


def test_a_reply_below_a_removed_reply_keeps_its_place(shared: World, page: str) -> None:
    """The chain up to a published comment stands as tombstones; a removed leaf is simply gone."""
    thread = {"key": page}
    one = shared.published(thread=thread, body="1")
    two = shared.published(thread=thread, body="1.1", parent_id=one["id"])
    shared.published(thread=thread, body="1.1.1", parent_id=two["id"])
    leaf = shared.published(thread=thread, body="1.2", parent_id=one["id"])
    for made in (one, two, leaf):
        assert shared.decide(made, "reject", reason="insult").status_code == 200

    tree = shared.read(thread_key=page, view="tree").json["comments"]
    assert [(one["removed"], one["body"]) for one in tree] == [(True, None)]
    assert [(two["removed"], two["body"]) for two in tree[0]["replies"]] == [(True, None)]
    assert [leaf["body"] for leaf in tree[0]["replies"][0]["replies"]] == ["1.1.1"]
    assert bodies(shared.read(thread_key=page)) == ["1.1.1"]


# Paging --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("view", ["flat", "tree"])
def test_pages_hold_every_comment_once_and_in_order(shared: World, page: str, view: str, order: str) -> None:
    """23 comments by 5: five pages, the last one without a Link."""
    insert(shared, page, 23)
    answers = follow(shared, page, view=view, order=order, limit=5)
    assert [len(answer.json["comments"]) for answer in answers] == [5, 5, 5, 5, 3]
    expected = [f"b{number}" for number in range(23)]
    found = [body for answer in answers for body in bodies(answer)]
    assert found == (expected if order == "oldest" else expected[::-1])
    assert len({answer.headers["ETag"] for answer in answers}) == 5


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_short_and_long_comments_stand_in_one_order(shared: World, page: str, order: str) -> None:
    """At and beyond the length at which they are kept in another place; and one whose edit waits shows its old text."""
    thread = {"key": page}

    def words(length: int) -> str:
        return " ".join(str(uuid4()) for _ in range(17))[:length]

    long = [shared.published(thread=thread, name="N", body=words(599) + more) for more in ("x", "é", "xx")]
    edited = shared.published(thread=thread, name="N", body="before", website="https://old.example/")
    short = shared.published(thread=thread, name="N", body=words(599))
    change = {"body": "after", "website": ""}
    path = f"/v1/comments/{edited['id']}"
    assert shared.request("PATCH", path, shared.secret_key, change).status_code == 202
    shown = [comment for answer in follow(shared, page, order=order, limit=2) for comment in answer.json["comments"]]
    ids = [one["id"] for one in (*long, edited, short)]
    assert [comment["id"] for comment in shown] == (ids if order == "oldest" else ids[::-1])
    [waiting] = [comment for comment in shown if comment["id"] == edited["id"]]
    assert (waiting["body"], waiting["website"]) == ("before", "https://old.example/")
    shared.settle()
    [judged] = [one for one in shared.read(thread_key=page).json["comments"] if one["id"] == edited["id"]]
    assert (judged["body"], judged["website"]) == ("after", None)


def test_a_new_comment_moves_nothing_on_later_pages(shared: World, page: str) -> None:
    """A cursor is a place, not a number: what is published meanwhile is neither doubled nor does it hide another."""
    insert(shared, page, 6)
    first = shared.read(thread_key=page, order="newest", limit=3)
    shared.published(thread={"key": page}, body="Meanwhile.")
    rest = shared.read(thread_key=page, order="newest", limit=3, cursor=first.json["next_cursor"])
    assert bodies(first) + bodies(rest) == ["b5", "b4", "b3", "b2", "b1", "b0"]


@pytest.mark.parametrize("other", [{"view": "tree"}, {"order": "newest"}, {"thread_key": "another"}])
def test_a_cursor_belongs_to_its_list(shared: World, page: str, other: dict[str, str]) -> None:
    """In another view, order or thread it is refused."""
    insert(shared, page, 3)
    insert(shared, "another", 1)
    cursor = shared.read(thread_key=page, limit=1).json["next_cursor"]
    problem(shared.read(**{"thread_key": page, "limit": 1, "cursor": cursor, **other}), "not-found", "cursor")


def test_a_tree_too_large_is_cut_and_says_so(shared: World, page: str) -> None:
    """A thousand comments of one tree at most, marked; smaller trees around it stay whole, on pages of their own."""
    first = insert(shared, page, 2)
    insert(shared, page, 1100, root=first[1])

    small, large = follow(shared, page, view="tree", limit=10)

    assert [len(small.json["comments"]), small.json["truncated"]] == [1, False]
    tree = large.json["comments"]
    assert [len(tree), len(tree[0]["replies"]), large.json["truncated"]] == [1, 999, True]


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize(("replies", "cut"), [(999, False), (1000, True), (1045, True)])
def test_trees_beside_a_large_one_are_all_there(shared: World, page: str, replies: int, cut: bool, order: str) -> None:
    """A first tree of exactly a thousand comments is whole, a larger one is cut: the next trees follow either way."""
    roots = insert(shared, page, 4)
    first = roots[0 if order == "oldest" else 3]
    insert(shared, page, replies, root=first)

    for limit in (1, 10):
        answers = follow(shared, page, view="tree", order=order, limit=limit)
        shown = [[comment["id"] for comment in answer.json["comments"]] for answer in answers]
        expected = [str(root) for root in (roots if order == "oldest" else roots[::-1])]
        assert [root for page_ in shown for root in page_] == expected
        assert shown[0] == expected[:1]
        assert [answer.json["truncated"] for answer in answers] == [cut] + [False] * (len(answers) - 1)
        assert len(answers[0].json["comments"][0]["replies"]) == 999


# Caching -------------------------------------------------------------------------------------------------------------


def test_a_reader_who_holds_the_answer_gets_304(shared: World, page: str) -> None:
    """A strong ETag, alone or among others, for the same part; no body, and the same fields for caches."""
    shared.published(thread={"key": page})
    first = shared.read(thread_key=page)
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[!-~]+"', etag)
    assert first.headers["Cache-Control"] == PAGE_CACHE
    assert "Set-Cookie" not in first.headers
    assert datetime.now(UTC) - parsedate_to_datetime(first.headers["Last-Modified"]) < timedelta(minutes=1)

    for held in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = shared.request(
            "GET", "/v1/comments", query_string={"site": "blog", "thread_key": page}, headers={"If-None-Match": held}
        )
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy"):
            assert again.headers.get(name) == first.headers.get(name)
    other = shared.request(
        "GET", "/v1/comments", query_string={"site": "blog", "thread_key": page, "view": "tree"},
        headers={"If-None-Match": etag},
    )  # fmt: skip
    assert other.status_code == 200


def test_every_visible_change_changes_the_etag_and_nothing_else_does(shared: World, page: str) -> None:
    """Publishing, editing, removing, closing and naming do; submitting, flagging and a decision on hidden text do not."""
    thread = {"key": page}
    made = shared.published(thread=thread)
    held = shared.submit(thread=thread, body="score:toxicity=0.8")
    thread_id = shared.read(thread_key=page).json["thread"]["id"]

    def edit() -> None:
        shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "Changed."})

    def close() -> None:
        shared.request("PATCH", f"/v1/threads/{thread_id}", shared.secret_key, {"closed": True})

    def name() -> None:
        shared.request("PATCH", f"/v1/threads/{thread_id}", shared.secret_key, {"title": "Named"})

    def withdraw() -> None:
        shared.request("DELETE", f"/v1/comments/{made['id']}", shared.secret_key)

    steps = [
        (lambda: shared.submit(thread=thread, body="score:spam=0.99"), False),
        (lambda: shared.settle(), False),
        (lambda: shared.decide(held, "reject"), False),
        (lambda: shared.decide(held, "publish"), True),
        (edit, False),
        (lambda: shared.settle(), True),
        (close, True),
        (name, True),
        (lambda: shared.decide(held, "flag"), True),
        (withdraw, True),
    ]
    seen = [shared.read(thread_key=page).headers["ETag"]]
    for step, visible in steps:
        step()
        etag = shared.read(thread_key=page).headers["ETag"]
        assert (etag not in seen) is visible
        seen.append(etag)


def test_the_same_etag_means_the_same_bytes(shared: World, page: str) -> None:
    """Two readers at different times, and one with the site's key, get equal answers."""
    shared.published(thread={"key": page})
    query = {"site": "blog", "thread_key": page}
    anonymous = shared.request("GET", "/v1/comments", query_string=query)
    shared.submit(thread={"key": page})
    keyed = shared.request("GET", "/v1/comments", shared.secret_key, query_string=query)
    assert (anonymous.data, anonymous.headers["ETag"]) == (keyed.data, keyed.headers["ETag"])


def test_an_answer_tells_of_one_moment_only(shared: World, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is renamed and closed after it was found is shown as it is named by the ETag and dated.

    It is looked for before its comments when a reader holds something already.
    """
    shared.published(thread={"key": page, "title": "Old"})
    find = threads.find

    def look(*arguments: Any) -> Any:
        found = find(*arguments)
        shared.execute(
            "UPDATE comity.thread SET title = 'New', closed_at = now(), version = version + 1, "
            "changed_at = now() + interval '1 hour' WHERE key = %s AND title = 'Old'",
            page,
        )
        return found

    monkeypatch.setattr(threads, "find", look)
    held = {"If-None-Match": '"another"'}
    path = f"/v1/comments?site=blog&thread_key={page}"
    between, after = (shared.request("GET", path, headers=held) for _ in range(2))
    assert (between.json["thread"]["title"], between.json["thread"]["closed"]) == ("New", True)
    for name in ("ETag", "Last-Modified"):
        assert between.headers[name] == after.headers[name]
    assert between.data == after.data


def test_one_etag_is_one_body_while_its_thread_changes(shared: World, page: str) -> None:
    """One renames it over and over, three read: whatever they get under one ETag is the same."""
    shared.published(thread={"key": page})
    thread_id = shared.read(thread_key=page).json["thread"]["id"]
    seen: dict[str, set[bytes]] = {}
    done = threading.Event()

    def rename() -> None:
        client, number = shared.app.test_client(), itertools.count()
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}"}
        while not done.is_set():
            answer = client.patch(f"/v1/threads/{thread_id}", json={"title": f"T{next(number)}"}, headers=headers)
            assert answer.status_code == 200

    def look() -> None:
        client = shared.app.test_client()
        for _ in range(100):
            answer = client.get(f"/v1/comments?site=blog&thread_key={page}", headers={"Host": "127.0.0.1"})
            seen.setdefault(answer.headers["ETag"], set()).add(answer.data)

    with ThreadPoolExecutor(4) as pool:
        renaming = pool.submit(rename)
        for reading in [pool.submit(look) for _ in range(3)]:
            reading.result()
        done.set()
        renaming.result()
    assert len(seen) > 10
    assert {len(given) for given in seen.values()} == {1}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/comments?site=blog", 404),
        ("/v1/comments?site=blog&thread_key=page&limit=0", 422),
        ("/v1/comments?site=blog&thread_key=page&cursor=" + "A" * 54, 404),
        ("/v1/comments?site=blog&updated_since=2026-01-01T00:00:00Z", 401),
        ("/v1/threads/counts?site=blog&thread_key=%00", 422),
    ],
)
def test_pages_of_the_sites_own_origins_may_read_what_went_wrong(shared: World, path: str, status: int) -> None:
    """Problems carry the same fields as answers; another origin gets none, nor does an unknown site."""
    own, other = (shared.request("GET", path, headers={"Origin": f"https://{o}.example"}) for o in ("blog", "evil"))
    assert own.status_code == other.status_code == status
    assert own.headers["Access-Control-Allow-Origin"] == "https://blog.example"
    assert {"Retry-After", "RateLimit"} <= set(own.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Origin" not in other.headers
    assert own.headers["Vary"] == other.headers["Vary"] == "Origin"
    unknown = shared.request("GET", path.replace("blog", "nowhere"), headers={"Origin": "https://blog.example"})
    assert "Access-Control-Allow-Origin" not in unknown.headers


def test_a_page_may_read_when_to_come_back(make_world: Any) -> None:
    """429 to the site's own origin, for a list and for counts alike; no name that is asked for costs a query."""
    world = make_world(limit_visitor=(4, 86_400))
    for _ in range(4):
        world.read()
    for path in ("/v1/comments?site=blog&thread_key=page", "/v1/threads/counts?site=blog&thread_key=page"):
        answer = world.request("GET", path, headers={"Origin": "https://blog.example"})
        problem(answer, "quota-exceeded")
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Access-Control-Allow-Origin"] == "https://blog.example"
    world.app.extensions["comity"].database.close()
    problem(world.read(site="nowhere"), "quota-exceeded")


def test_problems_say_where_a_visitor_stands(shared: World) -> None:
    """A request without a key is counted, whatever its answer is; one with a key is not."""
    for answer in (shared.read(limit=0), shared.read(site="nowhere"), shared.request("GET", "/v1/queue", "x")):
        assert answer.headers["RateLimit"].startswith('"visitor";r=')
    assert "RateLimit" not in shared.request("GET", f"/v1/comments/{uuid4()}", shared.secret_key).headers


def test_pages_of_the_sites_own_origins_may_read_it(shared: World, page: str) -> None:
    """The exact origin is echoed; any other gets nothing, and caches are told that the answer varies."""
    shared.published(thread={"key": page})
    for origin, allowed in (
        ("https://blog.example", "https://blog.example"),
        ("https://evil.example", None),
        ("https://blog.example.evil.example", None),
        ("http://blog.example", None),
        ("null", None),
        (None, None),
    ):
        headers = {} if origin is None else {"Origin": origin}
        answer = shared.request("GET", f"/v1/comments?site=blog&thread_key={page}", headers=headers)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


# Counts --------------------------------------------------------------------------------------------------------------


def count(world: World, *pairs: tuple[str, str], **headers: str) -> TestResponse:
    """Published comments of pages."""
    return world.request("GET", "/v1/threads/counts", query_string=[("site", "blog"), *pairs], headers=headers)


def test_counts_say_how_many_are_published(shared: World, page: str) -> None:
    """By URL, in any of its forms, and by key; 0 for unknown pages, and for what is not published."""
    url = f"https://blog.example/{page}"
    for _ in range(2):
        shared.published(thread={"key": page, "url": url})
    shared.flagged(thread={"key": page})
    shared.flagged(thread={"key": f"{page}-held"})

    answer = count(
        shared, ("url", url), ("url", f"{url}?utm_medium=x#c"), ("url", "https://blog.example/never"),
        ("thread_key", page), ("thread_key", f"{page}-held"), ("url", "not a url"),
    )  # fmt: skip

    assert answer.json == {
        "urls": {url: 2, f"{url}?utm_medium=x#c": 2, "https://blog.example/never": 0, "not a url": 0},
        "thread_keys": {page: 2, f"{page}-held": 0},
    }
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert count(shared, ("thread_key", page)).json["thread_keys"] == {page: 2}


def test_counts_answer_304_until_one_changes(shared: World, page: str) -> None:
    """The ETag names the numbers."""
    made = shared.published(thread={"key": page})
    first = count(shared, ("thread_key", page))
    etag = first.headers["ETag"]
    assert count(shared, ("thread_key", page), **{"If-None-Match": etag}).status_code == 304
    shared.decide(made, "reject", reason="other")
    again = count(shared, ("thread_key", page), **{"If-None-Match": etag})
    assert (again.status_code, again.json["thread_keys"]) == (200, {page: 0})


def test_a_hundred_pages_are_counted_at_once_and_no_more(shared: World) -> None:
    """A hundred by URL and a hundred by key; none is fine, too."""
    for name in ("url", "thread_key"):
        pairs = [(name, f"https://blog.example/{n}") for n in range(101)]
        assert count(shared, *pairs[:100]).status_code == 200
        problem(count(shared, *pairs), "validation-error", name)
    assert count(shared).json == {"urls": {}, "thread_keys": {}}


def test_other_sites_comments_are_not_shown_or_counted(shared: World, page: str) -> None:
    """The same key in another site is another thread."""
    _, other = shared.add_site(f"site-{page}")
    shared.request("POST", "/v1/comments", other, shared.comment(thread={"key": page}))
    shared.settle()
    assert shared.read(thread_key=page).json["thread"] is None
    assert count(shared, ("thread_key", page)).json["thread_keys"] == {page: 0}
    theirs = shared.read(site=f"site-{page}", thread_key=page)
    assert len(theirs.json["comments"]) == 1
    assert "Vary" not in theirs.headers


def test_a_site_with_an_international_domain_is_known_by_what_browsers_send(shared: World) -> None:
    """Given in its own letters it is kept as DNS has it; one kept as written by an earlier release is read so too."""
    body = {"title": "Books", "origins": ["https://bücher.example", "http://xn--bcher-kva.example"]}
    for name in ("buecher", "buecher-kept"):
        assert shared.request("POST", "/v1/sites", shared.admin_token, {"name": name, **body}).status_code == 201
    assert shared.rows("SELECT origins FROM comity.site WHERE name = 'buecher'") == [
        (["https://xn--bcher-kva.example", "http://xn--bcher-kva.example"],)
    ]
    shared.execute("UPDATE comity.site SET origins = %s WHERE name = %s", ["https://bücher.example"], "buecher-kept")
    for name in ("buecher", "buecher-kept"):
        for page in ("https://bücher.example/a", "https://xn--bcher-kva.example/a"):
            shown = shared.request("GET", "/thread", query_string={"site": name, "url": page})
            assert (shown.status_code, "<form" in shown.text) == (200, True)
        for sent, allowed in (("https://xn--bcher-kva.example", True), ("https://xn--other.example", False)):
            answer = shared.request(
                "GET", "/v1/comments", query_string={"site": name, "thread_key": "page"}, headers={"Origin": sent}
            )
            assert (answer.headers.get("Access-Control-Allow-Origin") == sent) is allowed

"""Submitting over HTTP, and what becomes of a comment."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.domain.reasons import PUBLIC_WORDS, Reason
from service.store import comments
from tests.service.web.asking import bodies, problem
from tests.world import World

STATUS = {"id", "status", "reason", "edit_pending", "version", "created_at", "updated_at", "published_at"}


def test_a_comment_goes_in_pending_and_comes_out_published(world: World) -> None:
    """A harmless comment is taken, judged and shown."""
    made = world.submit(body="What a good article.")
    assert made["status"] == "pending"
    assert world.status(made)["status"] == "pending"

    world.settle()

    assert world.status(made)["status"] == "published"
    shown = world.read().json
    assert [comment["body"] for comment in shown["comments"]] == ["What a good article."]
    assert shown["thread"]["published"] == 1


def test_the_answer_is_a_receipt_and_nothing_else(shared: World, page: str) -> None:
    """202 gives id, status, where to ask for it and the token to ask with; nobody may keep the answer."""
    answer = shared.request("POST", "/v1/comments", shared.secret_key, shared.comment(thread={"key": page}))

    assert answer.status_code == 202
    made = answer.json
    assert set(made) == {"id", "status", "status_url", "status_token"}
    assert made["status_url"] == f"http://127.0.0.1:8080/v1/comments/{made['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    asked = shared.request("GET", made["status_url"].removeprefix("http://127.0.0.1:8080"), made["status_token"])
    assert asked.json["status"] == "pending"


def test_everything_optional_is_kept_but_the_address_of_the_visitor(shared: World, page: str) -> None:
    """What a website tells is stored; of the IP address only the network, of the e-mail address nothing in clear."""
    above = shared.published(thread={"key": page})
    members: dict[str, Any] = {
        "thread": {"key": page, "url": "https://Blog.example/a?utm_source=x#top", "title": "A page"},
        "parent_id": above["id"],
        "website": "https://ann.example/",
        "author_ip": "203.0.113.77",
        "user_agent": "Mozilla/5.0",
        "referrer": "https://search.example/?q=blog",
        "language": "pt-BR",
        "submitted_at": "2026-01-02T03:04:05+01:00",
        "author_verified": True,
        "notify": True,
    }
    made = shared.submit(**members)

    kept = shared.rows(
        "SELECT parent_id::text, website, author_prefix::text, user_agent, referrer, language, submitted_at, "
        "author_verified, notify FROM comity.comment WHERE id = %s",
        made["id"],
    )
    assert kept == [
        (
            above["id"], "https://ann.example/", "203.0.113.0/24", "Mozilla/5.0", "https://search.example/?q=blog",
            "pt-BR", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC), True, True,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("192.0.2.200", "192.0.2.0/24"),
        ("::ffff:192.0.2.200", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
    ],
)
def test_of_an_ip_address_only_the_network_is_kept(shared: World, page: str, given: str, kept: str) -> None:
    """/24 of IPv4, /48 of IPv6; IPv4 inside IPv6 counts as IPv4, and a zone is dropped."""
    made = shared.submit(thread={"key": page}, author_ip=given)
    assert shared.rows("SELECT author_prefix::text FROM comity.comment WHERE id = %s", made["id"]) == [(kept,)]


HTML = [
    ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
    ("a & b &amp; c", "a &amp; b &amp;amp; c"),
    ("\"quotes\" 'both'", "&#34;quotes&#34; &#39;both&#39;"),
    ("one\ntwo\r\nthree\rfour", "one<br>\ntwo<br>\nthree<br>\nfour"),
    (
        "see https://ok.example/a?b=1&c=2.",
        'see <a href="https://ok.example/a?b=1&amp;c=2" rel="nofollow ugc noopener noreferrer">'
        "https://ok.example/a?b=1&amp;c=2</a>.",
    ),
    ("javascript:alert(1)", "javascript:alert(1)"),
    ("JaVaScRiPt:alert(1) data:text/html,x", "JaVaScRiPt:alert(1) data:text/html,x"),
    (
        'https://ok.example/"onmouseover="alert(1)',
        '<a href="https://ok.example/&#34;onmouseover=&#34;alert(1)" rel="nofollow ugc noopener noreferrer">'
        "https://ok.example/&#34;onmouseover=&#34;alert(1)</a>",
    ),
    ("[click](javascript:alert(1))", "[click](javascript:alert(1))"),
    ("  leading and trailing \t ", "  leading and trailing \t "),
    ("\U0001f469\u200d\U0001f469\u200d\U0001f467 \u0627\u0644\u0639\u0631\u0628\u064a\u0629", None),
]


@pytest.mark.parametrize(("body", "html"), HTML)
def test_html_in_a_body_is_text(shared: World, page: str, body: str, html: str | None) -> None:
    """A body is stored as it was sent, and shown escaped, with line breaks and safe links."""
    made = shared.submit(thread={"key": page}, body=body)
    shared.settle()

    assert shared.rows("SELECT body FROM comity.comment WHERE id = %s", made["id"]) == [(body,)]
    shown = shared.read(thread_key=page).json["comments"][0]
    assert shown["body"] == body
    assert shown["html"] == (body if html is None else html)


def test_bidirectional_overrides_are_made_harmless(shared: World, page: str) -> None:
    """Text cannot be shown backwards, and what is opened is closed at the end of its line, in name and body alike."""
    made = shared.submit(thread={"key": page}, name="\u202eevil\u202c", body="\u202etxt.exe\nnext \u2067line")
    name, body = shared.rows("SELECT name, body FROM comity.comment WHERE id = %s", made["id"])[0]
    assert name == "\u202bevil\u202c"
    assert body == "\u202btxt.exe\u202c\nnext \u2067line\u2069"


def test_the_author_sees_state_and_reason_in_public_words_and_never_a_score(shared: World, page: str) -> None:
    """The status answer has these members and no others, whoever asks and whatever the state."""
    flagged = shared.flagged(thread={"key": page})
    rejected = shared.submit(thread={"key": page}, body="score:spam=0.99 buy")
    shared.settle()

    for made, state, reason in ((flagged, "flagged", Reason.TOXICITY), (rejected, "rejected", Reason.SPAM)):
        for token in (made["status_token"], shared.secret_key):
            answer = shared.request("GET", f"/v1/comments/{made['id']}", token)
            assert set(answer.json) == STATUS
            assert answer.json["status"] == state
            assert answer.json["reason"] == {"code": str(reason), "text": PUBLIC_WORDS[reason]}
            assert answer.headers["Cache-Control"] == "no-store"
            told = str([value for name, value in answer.json.items() if not name.endswith("_at")])
            assert "0.8" not in told
            assert "0.99" not in told


def test_times_are_rfc_3339_in_utc(shared: World, page: str) -> None:
    """Every time ends in Z, and publication is not before creation."""
    status = shared.status(shared.published(thread={"key": page}))
    for name in ("created_at", "updated_at", "published_at"):
        assert status[name].endswith("Z")
    assert status["created_at"] <= status["published_at"] <= status["updated_at"]


# Editing -------------------------------------------------------------------------------------------------------------


def edit(world: World, made: dict[str, Any], **members: Any) -> dict[str, Any]:
    """An edit that must be taken; the status it answers."""
    answer = world.request("PATCH", f"/v1/comments/{made['id']}", world.secret_key, members)
    assert answer.status_code == 202, answer.text
    return answer.json  # type: ignore[no-any-return]


def test_a_published_comment_keeps_its_old_text_until_the_new_one_is_judged(shared: World, page: str) -> None:
    """Name, body and website of the old text stay public while an edit waits, and give way when it is published."""
    made = shared.published(thread={"key": page}, name="Ann", body="Old words.", website="https://old.example/")

    answered = edit(shared, made, name="Anna", body="New words.", website="https://new.example/")

    assert (answered["status"], answered["edit_pending"], answered["version"]) == ("published", True, 3)
    shown = shared.read(thread_key=page).json["comments"][0]
    assert (shown["name"], shown["body"], shown["website"]) == ("Ann", "Old words.", "https://old.example/")
    assert shown["edited"] is False

    shared.settle()

    shown = shared.read(thread_key=page).json["comments"][0]
    assert (shown["name"], shown["body"], shown["website"]) == ("Anna", "New words.", "https://new.example/")
    assert shown["edited"] is True
    assert shared.status(made)["edit_pending"] is False


def test_a_second_edit_before_the_verdict_keeps_the_first_text_public(shared: World, page: str) -> None:
    """Readers never see a text that was not judged, however often it is edited."""
    made = shared.published(thread={"key": page}, body="First.", website="https://one.example/")
    edit(shared, made, body="Second.", website=None)
    edit(shared, made, body="Third.")

    shown = shared.read(thread_key=page).json["comments"][0]
    assert (shown["body"], shown["website"]) == ("First.", "https://one.example/")
    shared.settle()
    shown = shared.read(thread_key=page).json["comments"][0]
    assert (shown["body"], shown["website"]) == ("Third.", None)


def test_an_edit_that_is_flagged_takes_the_comment_away(shared: World, page: str) -> None:
    """Neither the old nor the new text is public once the new one is flagged."""
    made = shared.published(thread={"key": page})
    edit(shared, made, body="score:toxicity=0.8 now")
    shared.settle()

    assert shared.status(made)["status"] == "flagged"
    assert bodies(shared.read(thread_key=page)) == []


def test_an_edit_does_not_free_a_flagged_comment(shared: World, page: str) -> None:
    """What waits for a moderator still does after its author has made it harmless."""
    made = shared.flagged(thread={"key": page})
    edit(shared, made, body="Harmless now.")
    shared.settle()

    status = shared.status(made)
    assert (status["status"], status["reason"]["code"]) == ("flagged", "held")


def test_a_comment_edited_before_its_first_verdict_is_judged_once_with_the_new_text(shared: World, page: str) -> None:
    """The old text of a pending comment is never judged."""
    made = shared.submit(thread={"key": page}, body="score:spam=0.99")
    edit(shared, made, body="Harmless after all.")
    shared.settle()

    assert shared.status(made)["status"] == "published"
    actions = shared.rows("SELECT action FROM comity.decision WHERE comment_id = %s ORDER BY seq", made["id"])
    assert actions == [("edit",), ("publish",)]


def test_scores_are_those_of_the_text_that_is_shown_with_them(world: World) -> None:
    """After an edit a moderator sees no scores until there are some of the new text, and none if there never are."""
    made = world.flagged()
    assert world.review(made)["scores"]["toxicity"] == 0.8
    edit(world, made, body="Other words.")
    world.judge.model = None

    for step in (lambda: None, world.settle):
        step()
        review = world.review(made)
        assert (review["body"], review["model"], review["language"]) == ("Other words.", None, None)
        assert set(review["scores"].values()) == {None}
    listed = world.request("GET", "/v1/queue", world.moderator_token).json["comments"]
    assert [set(one["scores"].values()) for one in listed] == [{None}]


@pytest.mark.parametrize(
    ("method", "body", "status"), [("PATCH", {"body": "New words."}, "published"), ("DELETE", None, "withdrawn")]
)
def test_a_verdict_that_comes_in_between_is_no_conflict_for_the_author(
    shared: World, page: str, monkeypatch: pytest.MonkeyPatch, method: str, body: Any, status: str
) -> None:
    """The worker decides after the route looked: it looks again, and the author's change is made."""
    made, see = shared.submit(thread={"key": page}), comments.see

    def look(*arguments: Any) -> comments.Seen:
        seen = see(*arguments)
        shared.settle()
        return seen

    monkeypatch.setattr(comments, "see", look)
    answer = shared.request(method, f"/v1/comments/{made['id']}", shared.secret_key, body)
    assert answer.status_code in (200, 202), answer.text
    assert shared.status(made)["status"] == status
    actors = shared.rows("SELECT actor FROM comity.decision WHERE comment_id = %s ORDER BY seq", made["id"])
    assert actors[:2] == [("policy",), ("website",)]


def test_an_author_is_told_of_a_comment_that_never_stands_still(
    shared: World, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five looks it is a conflict, and the comment is as the others left it."""
    made, see = shared.published(thread={"key": page}), comments.see

    def look(*arguments: Any) -> comments.Seen:
        seen = see(*arguments)
        shared.execute("UPDATE comity.comment SET version = version + 1 WHERE id = %s", made["id"])
        return seen

    monkeypatch.setattr(comments, "see", look)
    answer = shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "New words."})
    assert problem(answer, "conflict")["version"] == 2 + 5
    assert shared.rows("SELECT version, content_version FROM comity.comment WHERE id = %s", made["id"]) == [(7, 1)]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_website_removes_it(shared: World, page: str, empty: str | None) -> None:
    """null and "" take the website away; leaving it out keeps it."""
    made = shared.published(thread={"key": page}, website="https://ann.example/")
    edit(shared, made, name="Ann B.")
    shared.settle()
    assert shared.read(thread_key=page).json["comments"][0]["website"] == "https://ann.example/"

    edit(shared, made, website=empty)
    shared.settle()
    assert shared.read(thread_key=page).json["comments"][0]["website"] is None


def test_a_rejected_comment_cannot_be_edited_or_withdrawn(shared: World, page: str) -> None:
    """The table has no such moves: 409 with the state."""
    made = shared.submit(thread={"key": page}, body="score:spam=0.99")
    shared.settle()
    for method, body in (("PATCH", {"body": "Harmless."}), ("DELETE", None)):
        answer = shared.request(method, f"/v1/comments/{made['id']}", shared.secret_key, body)
        assert problem(answer, "conflict")["state"] == "rejected"


# Withdrawing ---------------------------------------------------------------------------------------------------------


def test_a_withdrawn_comment_is_gone_at_once_and_is_not_judged(shared: World, page: str) -> None:
    """From published and from pending; a second withdrawal finds nothing to take back."""
    published, pending = shared.published(thread={"key": page}), shared.submit(thread={"key": page})
    for made in (published, pending):
        answer = shared.request("DELETE", f"/v1/comments/{made['id']}", shared.secret_key)
        assert (answer.status_code, answer.json["status"]) == (200, "withdrawn")
    shared.settle()

    assert bodies(shared.read(thread_key=page)) == []
    assert shared.status(pending)["status"] == "withdrawn"
    again = shared.request("DELETE", f"/v1/comments/{published['id']}", shared.secret_key)
    assert problem(again, "conflict")["state"] == "withdrawn"


def test_a_withdrawn_parent_leaves_a_tombstone_while_replies_stand(shared: World, page: str) -> None:
    """Its place stays without name or text, and goes with the last reply."""
    above = shared.published(thread={"key": page}, name="Ann", body="Above.")
    below = shared.published(thread={"key": page}, body="Below.", parent_id=above["id"])
    shared.request("DELETE", f"/v1/comments/{above['id']}", shared.secret_key)

    tree = shared.read(thread_key=page, view="tree").json["comments"]
    assert [(tree[0]["removed"], tree[0]["name"], tree[0]["body"], tree[0]["html"])] == [(True, None, None, None)]
    assert [reply["body"] for reply in tree[0]["replies"]] == ["Below."]

    shared.request("DELETE", f"/v1/comments/{below['id']}", shared.secret_key)
    assert shared.read(thread_key=page, view="tree").json["comments"] == []


# What policy makes of it ---------------------------------------------------------------------------------------------


def reason_of(world: World, made: dict[str, Any]) -> tuple[str, str | None]:
    """State and reason of a comment."""
    status = world.status(made)
    return status["status"], status["reason"] and status["reason"]["code"]


def test_links_over_the_allowance_are_held(shared: World, page: str) -> None:
    """Three links pass, four are flagged."""
    three, four = ((" ".join(f"https://x{n}.example/{page}" for n in range(count))) for count in (3, 4))
    made = [shared.submit(thread={"key": page}, body=text) for text in (three, four)]
    shared.settle()
    assert [reason_of(shared, one) for one in made] == [("published", None), ("flagged", "too_many_links")]


def test_the_same_text_again_is_held(shared: World, page: str) -> None:
    """On another page by another author, with other case and punctuation; a short text may come twice."""
    first = shared.submit(thread={"key": page}, body=f"I have read this on {page} with pleasure.")
    short = shared.submit(thread={"key": page}, body="Thanks!")
    shared.settle()
    again = shared.submit(thread={"key": f"{page}-b"}, body=f"i have READ this, on {page} - with pleasure!!")
    short_again = shared.submit(thread={"key": f"{page}-b"}, body="thanks")
    shared.settle()

    assert [reason_of(shared, one) for one in (first, short, again, short_again)] == [
        ("published", None), ("published", None), ("flagged", "repeat"), ("published", None),
    ]  # fmt: skip


def test_trust_is_what_the_site_vouches_for_and_a_typed_address_earns_none(shared: World, page: str) -> None:
    """A typed address with a long good record is held for links like any other; a verified author is not."""
    address = shared.comment()["email"]
    for number in range(5):
        shared.published(thread={"key": page}, email=address, body=f"Number {number} on {page}.")
    links = " ".join(f"https://y{n}.example/{page}" for n in range(5))

    typed = shared.submit(thread={"key": page}, email=address, body=links)
    vouched = shared.submit(thread={"key": page}, body=f"{links} v", author_verified=True)
    shared.settle()
    assert reason_of(shared, typed) == ("flagged", "too_many_links")
    assert reason_of(shared, vouched) == ("published", None)


def test_no_score_is_no_publication(make_world: Any) -> None:
    """Without a model every comment goes to a human."""
    world = make_world()
    world.judge.model = None
    made = world.submit()
    world.settle()
    assert reason_of(world, made) == ("flagged", "no_score")


def test_a_language_the_model_has_no_opinion_on_is_held_or_left_to_the_rules(world: World) -> None:
    """The rule `language` holds it; as a draft it lets the other rules decide."""
    held = world.submit(body="language:ko one")
    world.settle()
    assert world.policy({"rule": "language", "status": "draft"})["version"] == 1
    free, many = world.submit(body="language:ko two"), world.submit(body="language:ko " + "http://a.example " * 4)
    world.settle()

    assert reason_of(world, held) == ("flagged", "language")
    assert reason_of(world, free) == ("published", None)
    assert reason_of(world, many) == ("flagged", "too_many_links")


def test_a_new_policy_holds_for_the_next_comment(world: World) -> None:
    """Two thresholds per label: below both it is published, between them flagged, above both rejected."""
    world.policy(
        {"rule": "scores", "thresholds": {"spam": {"publish_below": 0.1, "reject_above": 0.2}}},
        {"rule": "links", "most": 0},
    )
    made = [world.submit(body=f"score:spam={score}") for score in ("0.05", "0.1", "0.15", "0.2", "0.9")]
    made.append(world.submit(body="https://one.example/"))
    world.settle()

    assert [reason_of(world, one) for one in made] == [
        ("published", None), ("flagged", "spam"), ("flagged", "spam"), ("rejected", "spam"), ("rejected", "spam"),
        ("flagged", "too_many_links"),
    ]  # fmt: skip
    assert world.rows("SELECT DISTINCT policy_version FROM comity.decision") == [(1,)]


def test_a_thread_closed_while_a_comment_waits_holds_it(shared: World, page: str) -> None:
    """It is not published into a closed discussion."""
    waits = shared.submit(thread={"key": page})
    thread = shared.read(thread_key=page).json["thread"]["id"]
    shared.request("PATCH", f"/v1/threads/{thread}", shared.secret_key, {"closed": True})
    shared.settle()
    assert reason_of(shared, waits) == ("flagged", "closed_thread")


def test_every_move_tells_its_event(world: World) -> None:
    """The outbox holds the event of each move, with the number of its decision, as the table of moves says."""
    made = world.published(body="One.")
    edit(world, made, body="Two.")
    world.settle()
    world.decide(made, "flag")
    world.decide(made, "reject", reason="spam")
    world.decide(made, "publish")
    world.request("DELETE", f"/v1/comments/{made['id']}", world.secret_key)

    told = world.rows("SELECT seq, event FROM comity.outbox WHERE comment_id = %s ORDER BY seq", made["id"])
    assert told == [
        (1, "comment.published"), (3, "comment.changed"), (4, "comment.flagged"), (5, "comment.rejected"),
        (6, "comment.published"), (7, "comment.withdrawn"),
    ]  # fmt: skip
    record = world.rows("SELECT seq, to_state FROM comity.decision WHERE comment_id = %s ORDER BY seq", made["id"])
    assert [seq for seq, _ in record] == [1, 2, 3, 4, 5, 6, 7]
    assert record[-1][1] == world.status(made)["status"]


# Keeping a copy in step ----------------------------------------------------------------------------------------------


def changes(world: World, since: str, key: str | None = None, **query: Any) -> list[dict[str, Any]]:
    """All changes since a time, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        answer = world.request(
            "GET", "/v1/comments", key or world.secret_key, query_string={"updated_since": since, **query, **more}
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        found += answer.json["comments"]
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return found


def test_a_copy_gets_every_change_in_order_and_text_only_while_it_is_public(world: World) -> None:
    """Each comment of the site once, at its last change, over as many pages as it takes; no text unless published."""
    published, flagged, pending = world.published(body="Hello."), world.flagged(), world.submit()
    _, other_key = world.add_site("other")
    world.request("POST", "/v1/comments", other_key, world.comment())
    world.request("DELETE", f"/v1/comments/{pending['id']}", world.secret_key)

    found = changes(world, "2020-01-01T00:00:00Z", limit=1)
    assert [(one["id"], one["status"], one["body"]) for one in found] == [
        (published["id"], "published", "Hello."), (flagged["id"], "flagged", None), (pending["id"], "withdrawn", None),
    ]  # fmt: skip
    assert [one["updated_at"] for one in found] == sorted(one["updated_at"] for one in found)
    assert "0.8" not in json.dumps(found)
    assert [one["status"] for one in changes(world, "2020-01-01T00:00:00Z", other_key)] == ["pending"]


def test_the_next_round_begins_where_nothing_can_be_missed(shared: World, page: str) -> None:
    """`next_since` lies a minute before this answer, in UTC whatever zone was asked with, and never before the question."""
    shared.published(thread={"key": page})
    ask = {"updated_since": "2020-01-01T00:00:00+05:00"}
    since = shared.request("GET", "/v1/comments", shared.secret_key, query_string=ask).json["next_since"]
    ago = datetime.now(UTC) - datetime.fromisoformat(since)
    assert timedelta(seconds=55) < ago < timedelta(seconds=90)

    ask = {"updated_since": "2100-01-01T05:00:00+05:00"}
    later = shared.request("GET", "/v1/comments", shared.secret_key, query_string=ask).json
    assert later == {"comments": [], "next_cursor": None, "next_since": "2100-01-01T00:00:00.000000Z"}

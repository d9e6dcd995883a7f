"""The moderators' queue and the review of one comment."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from werkzeug.test import TestResponse

from classifier import load
from service.domain.reasons import LABELS
from service.store import jobs, sites
from service.store.database import Database
from tests.service.web.asking import problem
from tests.world import World, as_role


def queue(world: World, token: str | None = None, **query: Any) -> TestResponse:
    """The queue, or a part of it."""
    return world.request("GET", "/v1/queue", token or world.moderator_token, query_string=query)


def ids(answer: TestResponse) -> list[str]:
    """The ids in a queue, in its order."""
    assert answer.status_code == 200, answer.text
    return [comment["id"] for comment in answer.json["comments"]]  # type: ignore[index]


def moderator(world: World, rights: dict[Any, str]) -> str:
    """A new moderator token with these rights."""
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        return sites.add_moderator(connection, "another", rights, None)[1]


ITEM = {
    "id", "site", "thread", "parent_id", "name", "website", "body", "status", "label", "rule", "scores", "language",
    "version", "created_at",
}  # fmt: skip


def test_flagged_comments_wait_in_order_of_arrival(world: World) -> None:
    """Only flagged ones, with scores and what they are held for; addresses in them are masked."""
    held = world.flagged(name="ann@leak.example", body="score:toxicity=0.8 write to bob@leak.example")
    world.published()
    world.submit(body="score:spam=0.99")
    links = world.submit(body=" ".join(f"https://x{n}.example" for n in range(4)))
    world.settle()
    world.submit()

    answer = queue(world)

    assert ids(answer) == [held["id"], links["id"]]
    assert ids(queue(world, order="newest")) == [links["id"], held["id"]]
    first = answer.json["comments"][0]
    assert set(first) == ITEM
    assert (first["status"], first["label"], first["rule"]) == ("flagged", "toxicity", "scores")
    assert first["scores"] == {label: 0.8 if label == "toxicity" else 0.01 for label in LABELS}
    assert (first["name"], first["body"]) == ("[address hidden]", "score:toxicity=0.8 write to [address hidden]")
    assert answer.headers["Cache-Control"] == "no-store"


def test_pages_of_the_queue_hold_each_comment_once(world: World) -> None:
    """By 3, in both orders; a comment decided meanwhile takes no other's place."""
    made = [world.flagged()["id"] for _ in range(8)]
    for order, expected in (("oldest", made), ("newest", made[::-1])):
        found: list[str] = []
        answer = queue(world, limit=3, order=order)
        while True:
            found += ids(answer)
            assert answer.json["count"] == 8
            if answer.json["next_cursor"] is None:
                break
            assert 'rel="next"' in answer.headers["Link"]
            answer = queue(world, limit=3, order=order, cursor=answer.json["next_cursor"])
        assert found == expected

    first = queue(world, limit=3)
    world.decide({"id": made[1]}, "publish")
    assert ids(queue(world, limit=3, cursor=first.json["next_cursor"])) == made[3:6]
    problem(queue(world, order="newest", cursor=first.json["next_cursor"]), "not-found", "cursor")


@pytest.fixture(scope="module")
def filled(shared: World) -> tuple[World, dict[str, str]]:
    """A queue with a comment of every kind; their ids by name."""
    made = {
        "toxic": shared.submit(thread={"key": "a"}, name="Zoë", body="score:toxicity=0.75 Straße"),
        "insult": shared.submit(thread={"key": "a"}, body="score:insult=0.9 score:toxicity=0.5 100% sure_thing\\"),
        "korean": shared.submit(thread={"key": "b"}, body="language:ko words"),
        "links": shared.submit(thread={"key": "b"}, body=" ".join(f"https://l{n}.example" for n in range(4))),
    }
    shared.settle()
    names = {name: one["id"] for name, one in made.items()}
    for age, name in enumerate(reversed(names)):
        shared.execute(
            "UPDATE comity.comment SET created_at = timestamptz '2026-06-30T12:00:00Z' - make_interval(days => %s) "
            "WHERE id = %s", age, names[name],
        )  # fmt: skip
    return shared, names


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["toxic", "insult", "korean", "links"]),
    ({"label": "toxicity"}, ["toxic"]),
    ({"label": "insult"}, ["insult"]),
    ({"label": "language"}, ["korean"]),
    ({"label": "too_many_links"}, ["links"]),
    ({"label": "spam"}, []),
    ({"score": "toxicity:0.5-0.75"}, ["toxic", "insult"]),
    ({"score": "toxicity:0.51-1"}, ["toxic"]),
    ({"score": "toxicity:0.9-0.1"}, []),
    ({"score": "toxicity:0.75-0.75"}, ["toxic"]),
    ({"score": "spam:0-0.02"}, ["toxic", "insult", "links"]),
    ({"language": "ko"}, ["korean"]),
    ({"language": "en"}, ["toxic", "insult", "links"]),
    ({"text": "STRASSE"}, []),
    ({"text": "straße"}, ["toxic"]),
    ({"text": "zoë"}, ["toxic"]),
    ({"text": "100%"}, ["insult"]),
    ({"text": "sure_"}, ["insult"]),
    ({"text": "thing\\"}, ["insult"]),
    ({"text": "%"}, ["insult"]),
    ({"text": "' OR true --"}, []),
    ({"older_than": "2026-06-28T12:00:00Z"}, ["toxic", "insult"]),
    ({"newer_than": "2026-06-29T12:00:00Z"}, ["korean", "links"]),
    ({"newer_than": "2026-06-28T17:30:00+05:30", "older_than": "2026-06-29T12:00:00Z"}, ["insult", "korean"]),
    ({"site": "blog"}, ["toxic", "insult", "korean", "links"]),
    ({"label": "toxicity", "score": "toxicity:0-0.5"}, []),
    ({"label": "toxicity", "language": "en", "text": "stra", "site": "blog"}, ["toxic"]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_filters_choose_what_they_name(
    filled: tuple[World, dict[str, str]], query: dict[str, str], expected: list[str]
) -> None:
    """Each alone and together; the count is that of the list, and exact."""
    world, names = filled
    answer = queue(world, **query)
    assert ids(answer) == [names[name] for name in expected]
    assert [answer.json[name] for name in ("count", "count_exact", "count_text")] == [
        len(expected), True, str(len(expected)),
    ]  # fmt: skip


def test_a_threads_queue(filled: tuple[World, dict[str, str]]) -> None:
    """The thread filter takes a thread's id; one that does not exist has an empty queue."""
    world, names = filled
    thread = world.read(thread_key="b").json["thread"]["id"]
    assert ids(queue(world, thread=thread)) == [names["korean"], names["links"]]
    assert ids(queue(world, thread=str(uuid4()))) == []


# Counts --------------------------------------------------------------------------------------------------------------


def counted(world: World) -> dict[str, dict[str, int]]:
    """Comments by state and reason, counted one by one."""
    found: dict[str, dict[str, int]] = {}
    for state, reason, n in world.rows(
        "SELECT state, CASE WHEN state = 'pending' THEN '' ELSE coalesce(reason, '') END, count(*) "
        "FROM comity.comment WHERE site_id = %s GROUP BY 1, 2", world.site.id,
    ):  # fmt: skip
        found.setdefault(state, {})[reason] = n
    return found


def test_counts_by_state_and_label_are_exact_at_every_moment(world: World) -> None:
    """After each of 80 random steps, with the summing job between them at random, they equal a count of the rows."""
    chance = random.Random(7)
    made: list[dict[str, Any]] = []
    relay = Database(as_role(world.owner_url, "comity_relay"), "relay", 1)
    texts = ("fine", "score:toxicity=0.8", "score:spam=0.99", "score:insult=0.8", "language:ko")

    def submit() -> None:
        made.append(world.submit(body=f"{chance.choice(texts)} {len(made)} {uuid4()}"))

    def decide() -> None:
        action, reason = chance.choice(("publish", "reject", "flag")), chance.choice(("spam", "other", None))
        world.decide(chance.choice(made), action, reason=reason)

    def withdraw() -> None:
        world.request("DELETE", f"/v1/comments/{chance.choice(made)['id']}", world.secret_key)

    def edit() -> None:
        body = {"body": f"{chance.choice(texts)} again {uuid4()}"}
        world.request("PATCH", f"/v1/comments/{chance.choice(made)['id']}", world.secret_key, body)

    def add_up() -> None:
        with relay.transaction() as connection:
            jobs.sum_counters(connection)

    submit()
    for _ in range(80):
        chance.choice((submit, submit, world.settle, world.settle, decide, decide, withdraw, edit, add_up))()
        answer = queue(world)
        expected = counted(world)
        assert answer.json["totals"] == expected
        assert answer.json["count"] == sum(expected.get("flagged", {}).values())
    by_label = {reason: queue(world, label=reason).json["count"] for reason in ("spam", "toxicity", "other")}
    assert by_label == {reason: expected.get("flagged", {}).get(reason, 0) for reason in by_label}
    relay.close()


def test_other_filters_are_counted_to_a_thousand(world: World) -> None:
    """Exactly up to there; beyond it the answer says "1,000+" and that it is not exact."""
    made = world.flagged()
    thread = world.rows("SELECT thread_id FROM comity.comment")[0][0]
    copy = (
        "INSERT INTO comity.comment (id, site_id, thread_id, root_id, name, body, digest, state, due_at, detected) "
        "SELECT u.id, %s, %s, u.id, 'Ann', 'text', '', 'flagged', NULL, 'fr' "
        "FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, %s)) AS u"
    )
    world.execute(copy, world.site.id, thread, 1_000)
    answer = queue(world, language="fr", limit=1)
    assert [answer.json[name] for name in ("count", "count_exact", "count_text")] == [1_000, True, "1,000"]

    world.execute(copy, world.site.id, thread, 1)
    answer = queue(world, language="fr", limit=1)
    assert [answer.json[name] for name in ("count", "count_exact", "count_text")] == [1_000, False, "1,000+"]
    assert ids(queue(world, language="en")) == [made["id"]]


# Whose queue ---------------------------------------------------------------------------------------------------------


def test_a_moderator_sees_the_sites_the_token_names(world: World) -> None:
    """One site, two, or all; another site's comments are nowhere, and naming that site is a 404."""
    other_id, other_key = world.add_site("other")
    third_id, third_key = world.add_site("third")
    mine = world.flagged()
    made = []
    for key in (other_key, third_key):
        answer = world.request("POST", "/v1/comments", key, world.comment(body=f"score:threat=0.5 {uuid4()}"))
        made.append(answer.json["id"])
    world.settle()

    assert ids(queue(world)) == [mine["id"]]
    both = moderator(world, {world.site.id: "viewer", other_id: "lead"})
    assert ids(queue(world, both)) == [mine["id"], made[0]]
    assert ids(queue(world, both, site="other")) == [made[0]]
    assert queue(world, both).json["totals"]["flagged"] == {"toxicity": 1, "threat": 1}
    everywhere = moderator(world, {None: "lead"})
    assert ids(queue(world, everywhere)) == [mine["id"], *made]
    third = moderator(world, {third_id: "viewer"})
    assert ids(queue(world, third)) == [made[1]]

    for token, site in ((world.moderator_token, "other"), (third, "blog"), (both, "third"), (everywhere, "nowhere")):
        problem(queue(world, token, site=site), "not-found")
    thread = world.read(thread_key="page").json["thread"]["id"]
    assert ids(queue(world, third, thread=thread)) == []

    for number in range(8):
        world.add_site(f"more-{number}")
    world.app.extensions["comity"].gate.forget()
    assert ids(queue(world, everywhere)) == [mine["id"], *made]


# The review ----------------------------------------------------------------------------------------------------------

REVIEW = ITEM | {"model", "waiting", "thread_closed", "saw", "spoke", "parent", "author", "decisions"}


def test_a_review_holds_all_that_a_moderator_needs(world: World) -> None:
    """Body, scores, verdict and what the rule saw, thread and parent, the author's record and the decisions so far."""
    address = world.comment()["email"]
    above = world.published(name="Above", body="Mail me at above@leak.example.")
    world.published(email=address)
    world.submit(email=address.upper().replace("LEAK.EXAMPLE", "leak.example"), body="score:spam=0.99 other case")
    world.settle()
    made = world.flagged(
        email=address,
        parent_id=above["id"],
        author_ip="198.51.100.7",
        user_agent="Agent",
        referrer="https://r.example/",
    )
    world.decide(made, "flag", reason="insult", note="Look again.")

    found = world.review(made)

    assert set(found) == REVIEW
    assert (found["status"], found["label"], found["rule"]) == ("flagged", "insult", "moderator")
    assert (found["model"], found["waiting"], found["thread_closed"]) == ("words-1", False, False)
    assert (found["thread"]["key"], found["site"]) == ("page", "blog")
    assert found["parent"] == {
        "id": above["id"], "name": "Above", "body": "Mail me at [address hidden].", "status": "published",
    }  # fmt: skip
    author = found["author"]
    assert author["comments"] == {"published": 1, "rejected": 1, "flagged": 1}
    assert (author["domain_class"], author["verified"], author["network"]) == ("own", False, "198.51.100.0/24")
    assert (author["user_agent"], author["referrer"]) == ("Agent", "https://r.example/")
    assert author["since"] < found["created_at"]
    policy, person = found["decisions"]
    assert (policy["seq"], policy["actor"], policy["rule"], policy["reason"]) == (
        1,
        "policy",
        "scores",
        "toxicity",
    )
    assert policy["saw"] == {"label": "toxicity", "score": 0.8, "over": {"toxicity": 0.8}}
    assert policy["scores"]["toxicity"] == 0.8
    assert (person["seq"], person["actor"], person["note"]) == (2, "moderator", "Look again.")
    assert world.moderator_token.startswith(f"comity_mod_{person['token']}_")


def test_the_author_of_another_site_is_another_author(world: World) -> None:
    """The same address elsewhere leaves no trace in the record."""
    address = world.comment()["email"]
    _, other_key = world.add_site("other")
    world.request("POST", "/v1/comments", other_key, world.comment(email=address))
    made = world.flagged(email=address)
    assert world.review(made)["author"]["comments"] == {"flagged": 1}


def test_the_review_says_which_words_spoke(world: World) -> None:
    """Words for and against with their place in the masked body, heaviest first, by the shipped model."""
    made = world.flagged(body="score:insult=0.7 You are such an idiot, idiot! Write to me: x@leak.example thanks")
    found = world.review(made)

    assert found["spoke"][0]["label"] == "insult"
    assert len(found["spoke"]) == 3
    for one in found["spoke"]:
        words = one["for"] + one["against"]
        assert [found["body"][word["start"] : word["end"]] for word in words] == [word["text"] for word in words]
        assert all(word["weight"] > 0 for word in one["for"])
        assert all(word["weight"] < 0 for word in one["against"])
        assert [abs(w["weight"]) for w in one["for"]] == sorted((abs(w["weight"]) for w in one["for"]), reverse=True)
    strongest = load().explain(found["body"], "insult", top=12).words
    assert [w["text"] for w in found["spoke"][0]["for"]] == [w.text for w in strongest if w.log_odds > 0][:6]


def test_a_review_without_a_model_still_opens(make_world: Any) -> None:
    """A model file that is refused takes away the words, not the review."""
    world = make_world(model="/nowhere")
    assert world.review(world.flagged())["spoke"] == []


def test_a_comment_of_any_state_can_be_reviewed(shared: World, page: str) -> None:
    """Pending, published, rejected and withdrawn ones too; `waiting` tells that a verdict is due."""
    pending = shared.submit(thread={"key": page})
    assert (shared.review(pending)["status"], shared.review(pending)["waiting"]) == ("pending", True)
    shared.settle()
    assert (shared.review(pending)["status"], shared.review(pending)["waiting"]) == ("published", False)
    shared.request("DELETE", f"/v1/comments/{pending['id']}", shared.secret_key)
    assert shared.review(pending)["status"] == "withdrawn"


def test_age_is_the_databases(shared: World, page: str) -> None:
    """What has just come in is not older than a second ago by the database's clock."""
    made = shared.flagged(thread={"key": page}, body=f"score:obscene=0.9 {page}")
    ago = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert made["id"] in ids(queue(shared, newer_than=ago, label="obscene"))
    assert made["id"] not in ids(queue(shared, older_than=ago, label="obscene"))

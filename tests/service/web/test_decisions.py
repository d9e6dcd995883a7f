"""A moderator's decisions, alone and against others."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.service.web.asking import bodies, problem
from tests.world import World

EVERY = [("publish", "published"), ("reject", "rejected"), ("flag", "flagged")]


@pytest.mark.parametrize(("action", "state"), EVERY)
@pytest.mark.parametrize("before", ["pending", "flagged", "published", "rejected"])
def test_a_moderator_moves_any_open_comment_anywhere(
    shared: World, page: str, before: str, action: str, state: str
) -> None:
    """From each of four states to each of three, also the one it has: that is how a decision is undone or confirmed."""
    texts = {"pending": "fine", "published": "fine", "flagged": "score:toxicity=0.8", "rejected": "score:spam=0.99"}
    made = shared.submit(thread={"key": page}, body=f"{texts[before]} {uuid4()}")
    if before != "pending":
        shared.settle()
    assert shared.status(made)["status"] == before
    version = shared.review(made)["version"]

    answer = shared.decide(made, action)

    assert answer.status_code == 200, answer.text
    assert answer.json == {"id": made["id"], "status": state, "version": version + 1, "seq": version}
    assert shared.status(made)["status"] == state
    assert len(bodies(shared.read(thread_key=page))) == (state == "published")
    assert shared.review(made)["waiting"] is False
    shared.settle()
    assert shared.status(made)["status"] == state


def test_the_record_says_who_decided_what_and_why(shared: World, page: str) -> None:
    """Action, reason and note of the moderator, the token's id and never the token."""
    made = shared.flagged(thread={"key": page})
    shared.decide(made, "reject", reason="insult", note="Second time\nthis week.")
    last = shared.review(made)["decisions"][-1]
    assert {name: last[name] for name in ("action", "actor", "rule", "reason", "note", "from_status", "to_status")} == {
        "action": "reject", "actor": "moderator", "rule": "moderator", "reason": "insult",
        "note": "Second time\nthis week.", "from_status": "flagged", "to_status": "rejected",
    }  # fmt: skip
    assert last["token"] in shared.moderator_token
    assert shared.moderator_token not in str(shared.rows("SELECT token_id FROM comity.decision"))
    assert shared.status(made)["reason"]["code"] == "insult"


def test_without_a_reason_that_of_the_flag_stays(shared: World, page: str) -> None:
    """A comment flagged for toxicity and rejected is rejected for toxicity; a published one has no reason."""
    made = shared.flagged(thread={"key": page})
    shared.decide(made, "reject")
    assert shared.status(made)["reason"]["code"] == "toxicity"
    shared.decide(made, "publish", reason="spam")
    assert shared.status(made)["reason"] is None


def test_why_a_person_had_to_look_is_no_reason_to_reject(shared: World, page: str) -> None:
    """A comment held for its language and rejected without a reason is not said to be rejected for its language."""
    made = shared.submit(thread={"key": page}, body="language:ko words")
    shared.settle()
    shared.decide(made, "reject")
    assert shared.status(made)["reason"] == {"code": "other", "text": "A moderator decided so."}


def test_whoever_is_second_gets_409_with_the_state_that_is(shared: World, page: str) -> None:
    """A decision on a version that has moved on changes nothing."""
    made = shared.flagged(thread={"key": page})
    seen = shared.review(made)["version"]
    shared.decide(made, "publish", version=seen)

    answer = shared.decide(made, "reject", version=seen)

    document = problem(answer, "conflict")
    assert (document["state"], document["version"]) == ("published", seen + 1)
    assert shared.status(made)["status"] == "published"
    problem(shared.decide(made, "reject", version=seen + 2), "conflict")


def test_a_withdrawn_comment_is_not_decided(shared: World, page: str) -> None:
    """Its author took it back; nobody brings it back."""
    made = shared.flagged(thread={"key": page})
    shared.request("DELETE", f"/v1/comments/{made['id']}", shared.secret_key)
    assert problem(shared.decide(made, "publish"), "conflict")["state"] == "withdrawn"


def test_a_moderator_decides_on_the_text_they_saw(shared: World, page: str) -> None:
    """An edit after the review makes the decision a 409: nobody publishes a text nobody read."""
    made = shared.flagged(thread={"key": page})
    seen = shared.review(made)["version"]
    shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "Something quite else."})
    problem(shared.decide(made, "publish", version=seen), "conflict")
    assert bodies(shared.read(thread_key=page)) == []


def test_a_decision_on_an_edited_comment_settles_the_edit(shared: World, page: str) -> None:
    """A moderator who has seen the new text may publish it before the verdict; then none is due."""
    made = shared.published(thread={"key": page})
    shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "score:toxicity=0.8 new"})
    assert shared.decide(made, "publish").status_code == 200
    shared.settle()
    shown = shared.read(thread_key=page).json["comments"]
    assert [(one["body"], one["edited"]) for one in shown] == [("score:toxicity=0.8 new", True)]
    events = shared.rows("SELECT event FROM comity.outbox WHERE comment_id = %s ORDER BY seq", made["id"])
    assert events == [("comment.published",), ("comment.changed",)]


def test_a_published_comment_that_is_published_again_is_no_new_one(shared: World, page: str) -> None:
    """It is told as changed, never as published once more: who counts published comments counts it once."""
    made = shared.published(thread={"key": page})
    assert shared.decide(made, "publish").status_code == 200
    told = shared.rows(
        "SELECT o.event, d.from_state, d.to_state, d.content_version FROM comity.outbox o "
        "JOIN comity.decision d USING (comment_id, seq) WHERE o.comment_id = %s ORDER BY o.seq",
        made["id"],
    )
    assert told == [
        ("comment.published", "pending", "published", 1), ("comment.changed", "published", "published", 1),
    ]  # fmt: skip
    assert [one["edited"] for one in shared.read(thread_key=page).json["comments"]] == [False]


# Races ---------------------------------------------------------------------------------------------------------------


def at_once(world: World, calls: list[Callable[[Any], TestResponse]]) -> list[TestResponse]:
    """All calls together, each with a client of its own."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[Any], TestResponse]) -> TestResponse:
        client = world.app.test_client()
        gate.wait()
        return call(client)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def decision(world: World, made: dict[str, Any], action: str, version: int) -> Callable[[Any], TestResponse]:
    """A moderator's decision, to be sent later."""
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.moderator_token}"}
    return lambda client: client.post(
        f"/v1/comments/{made['id']}/decisions", json={"action": action, "version": version}, headers=headers
    )


def no_gaps(world: World) -> None:
    """Every comment's record is numbered 1 to n, its last line is the state, and each event has its line."""
    wrong = world.rows(
        "SELECT c.id FROM comity.comment c LEFT JOIN LATERAL ("
        "  SELECT count(*) AS n, coalesce(max(seq), 0) AS last FROM comity.decision d WHERE d.comment_id = c.id"
        ") d ON true WHERE d.n <> d.last OR d.n <> c.decisions OR (d.n > 0 AND c.state <> ("
        "  SELECT to_state FROM comity.decision l WHERE l.comment_id = c.id AND l.seq = d.last))"
    )
    assert wrong == []
    assert world.rows(
        "SELECT o.id FROM comity.outbox o LEFT JOIN comity.decision d USING (comment_id, seq) WHERE d.seq IS NULL"
    ) == []  # fmt: skip


def test_of_eight_moderators_exactly_one_decides(shared: World, page: str) -> None:
    """Twenty-five rounds behind a barrier: one 200, seven 409 with the state the one has made, one line in the record."""
    for number in range(25):
        made = shared.submit(thread={"key": page}, body=f"score:toxicity=0.8 {uuid4()}")
        shared.settle()
        actions = ["publish", "reject", "publish", "reject", "publish", "reject", "publish", "reject"]
        answers = at_once(shared, [decision(shared, made, action, 2) for action in actions])

        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 7}, number
        winner = next(answer for answer in answers if answer.status_code == 200)
        lost = [answer.json for answer in answers if answer.status_code == 409]
        assert {(one["state"], one["version"]) for one in lost} == {(winner.json["status"], 3)}
        assert shared.status(made)["status"] == winner.json["status"]
        record = shared.rows("SELECT seq, to_state FROM comity.decision WHERE comment_id = %s ORDER BY seq", made["id"])
        assert record == [(1, "flagged"), (2, winner.json["status"])]
    no_gaps(shared)


def test_an_edit_and_a_decision_at_once_do_not_both_count(shared: World, page: str) -> None:
    """Whoever is second gets 409; a text that was edited under the moderator's eyes is not published."""
    outcomes: Counter[tuple[int, int]] = Counter()
    for _ in range(25):
        made = shared.submit(thread={"key": page}, body=f"score:toxicity=0.8 {uuid4()}")
        shared.settle()
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}"}

        def edit(client: Any, made: Any = made, headers: Any = headers) -> TestResponse:
            return client.patch(f"/v1/comments/{made['id']}", json={"body": f"Edited {made['id']}"}, headers=headers)

        edited, decided = at_once(shared, [edit, decision(shared, made, "publish", 2)])
        outcomes[edited.status_code, decided.status_code] += 1
        text, state, content = shared.rows(
            "SELECT body, state, published_content FROM comity.comment WHERE id = %s", made["id"]
        )[0]
        if decided.status_code == 409:
            assert (text, state, content) == (f"Edited {made['id']}", "flagged", None)
        else:
            assert (state, content) == ("published", 1)
    assert set(outcomes) <= {(202, 409), (409, 200), (202, 200)}, outcomes
    shared.settle()
    no_gaps(shared)


def test_a_decision_and_the_verdict_at_once_make_one_of_them(shared: World, page: str) -> None:
    """A moderator decides a pending comment while the worker judges it: whoever is second changes nothing."""
    for _ in range(15):
        made = shared.submit(thread={"key": page}, body=f"score:toxicity=0.8 {uuid4()}")

        def judge(client: Any) -> Any:
            return shared.judge.pass_once()

        _, answer = at_once(shared, [judge, decision(shared, made, "publish", 1)])
        record = shared.rows("SELECT actor FROM comity.decision WHERE comment_id = %s", made["id"])
        assert record == [("moderator",)] if answer.status_code == 200 else [("policy",)]
        assert shared.status(made)["status"] == ("published" if answer.status_code == 200 else "flagged")
    no_gaps(shared)

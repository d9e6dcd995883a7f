"""A sender against receivers on this machine: told once it is decided, in the same bytes however often it is told."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from service import embedded
from service.domain import retries
from service.domain.lifecycle import Action, Actor
from service.keys import Keys
from service.store import comments, jobs
from service.store.comments import Ruling
from service.store.database import Database
from tests.faults.house import ROOT, wait_for
from tests.receiver import Message, Receiver, Reply, verify
from tests.workers.hooks import LOCAL, ask, endpoint, sending
from tests.world import World, as_role


@pytest.fixture(scope="module")
def shared(new_database: Callable[[], str], servers: embedded.Servers) -> Iterator[World]:
    """A world whose endpoints may lead to this machine."""
    world = World.make(new_database(), servers.broker_url, **LOCAL)
    world.add_site("other")
    yield world
    world.close()


@pytest.fixture
def hooked(shared: World) -> World:
    """It, with nothing in it but its sites."""
    shared.execute(
        "TRUNCATE comity.comment, comity.thread, comity.tree, comity.decision, comity.outbox, contacts.contact, "
        "comity.delivery, comity.attempt, comity.endpoint, comity.endpoint_secret"
    )
    shared.addresses.clear()
    return shared


def states(world: World) -> dict[str, int]:
    """How many deliveries are in which state."""
    return dict(world.rows("SELECT state, count(*) FROM comity.delivery GROUP BY 1"))


def settled(world: World, **expected: int) -> None:
    """Wait until so many deliveries are in each state."""
    wait_for(lambda: states(world) == expected, 15, f"deliveries are {expected}, not {states(world)}")


def now_due(world: World) -> None:
    """All waits are over."""
    world.execute("UPDATE comity.delivery SET due_at = now() WHERE state = 'pending'")
    world.execute("UPDATE comity.endpoint SET paused_until = 'epoch'")


def types(receiver: Receiver) -> list[str]:
    """What a receiver was told, in alphabetical order: the order of messages is not promised."""
    return sorted(json.loads(message.body)["type"] for message in receiver.messages)


def test_what_is_decided_is_told(hooked: World) -> None:
    """Published by the policy, rejected by a moderator, withdrawn by the author: each once, signed."""
    with Receiver() as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        comment = hooked.published()
        hooked.decide(comment, "reject", reason="spam")
        other = hooked.published()
        assert hooked.request("DELETE", f"/v1/comments/{other['id']}", hooked.secret_key).status_code == 200
        settled(hooked, delivered=4)
    told = sorted((json.loads(message.body) for message in receiver.messages), key=lambda one: one["timestamp"])
    assert [one["type"] for one in told] == [
        "comment.published", "comment.rejected", "comment.published", "comment.withdrawn",
    ]  # fmt: skip
    assert all(verify(message, [made["signing_secret"]]) == [0] for message in receiver.messages)
    assert told[1]["data"] | {"thread_id": ""} == {
        "site": "blog", "comment_id": comment["id"], "thread_id": "", "seq": 2, "from_status": "published",
        "to_status": "rejected", "reason": "spam", "action": "reject", "actor": "moderator", "rule": "moderator",
        "version": 3, "content_version": 1, "policy_version": None,
    }  # fmt: skip
    (row,) = hooked.rows("SELECT at FROM comity.decision WHERE comment_id = %s AND seq = 2", comment["id"])
    assert told[1]["timestamp"] == row[0].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert receiver.messages[0].headers["Content-Type"] == "application/json"


def test_a_decision_that_is_undone_is_told_to_nobody(hooked: World) -> None:
    """Decision, event and deliveries are one transaction: all of them, or none."""
    endpoint(hooked, "http://127.0.0.1:9/hook")
    made = hooked.submit()
    database = hooked.judge.database

    def undone() -> None:
        with database.transaction() as connection:
            seen = comments.see(connection, UUID(made["id"]), None)
            ruling = Ruling(seen.id, Action.PUBLISH, Actor.POLICY, seen.state, seen.version, seen.content_version)
            assert comments.decide(connection, [ruling])
            assert connection.execute("SELECT count(*) FROM comity.delivery").fetchone() == (1,)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert states(hooked) == {}
    hooked.settle()
    assert states(hooked) == {"pending": 1}


def test_an_edit_is_told_once_it_is_judged(hooked: World) -> None:
    """As comment.changed, with the version of the new text; readers saw the old one until then."""
    with Receiver() as receiver, sending(hooked):
        endpoint(hooked, receiver.url)
        comment = hooked.published()
        settled(hooked, delivered=1)
        path = f"/v1/comments/{comment['id']}"
        assert hooked.request("PATCH", path, hooked.secret_key, {"body": "Another text."}).status_code == 202
        assert states(hooked) == {"delivered": 1}
        hooked.settle()
        settled(hooked, delivered=2)
    data = json.loads(receiver.messages[1].body)
    assert (data["type"], data["data"]["content_version"], data["data"]["seq"]) == ("comment.changed", 2, 3)


def test_nothing_private_is_told(hooked: World) -> None:
    """No address, name, text, network, or moderator's note; scores only where the endpoint asks for them."""
    with Receiver() as plain, Receiver() as scored, sending(hooked):
        endpoint(hooked, plain.url)
        endpoint(hooked, scored.url, scores=True)
        made = hooked.flagged(name="Secret Name", author_ip="203.0.113.77", website="https://own.example/")
        hooked.decide(made, "reject", reason="insult", note="A note for moderators")
        settled(hooked, delivered=4)
    everything = b"".join(message.body for receiver in (plain, scored) for message in receiver.messages)
    for word in (*hooked.addresses, "Secret Name", "203.0.113", "own.example", "score:toxicity", "note for"):
        assert word.encode() not in everything
    assert b'"scores":' not in b"".join(message.body for message in plain.messages)
    first = next(json.loads(one.body) for one in scored.messages if json.loads(one.body)["data"]["seq"] == 1)
    assert first["data"]["scores"]["toxicity"] == pytest.approx(0.8)
    assert max(len(message.body) for message in scored.messages) < 20_000
    assert plain.ids == scored.ids or sorted(plain.ids) == sorted(scored.ids)  # the same id wherever it goes


def test_each_site_and_each_filter_hears_its_own(hooked: World) -> None:
    """An endpoint of another site hears nothing of this one; one that listens to rejections hears nothing else."""
    with Receiver() as everything, Receiver() as rejected, Receiver() as elsewhere, Receiver() as disabled:
        endpoint(hooked, everything.url)
        endpoint(hooked, rejected.url, events=["comment.rejected"])
        endpoint(hooked, elsewhere.url, site="other")
        endpoint(hooked, disabled.url, enabled=False)
        comment = hooked.published()
        hooked.decide(comment, "reject")
        with sending(hooked):
            settled(hooked, delivered=3)
    assert types(everything) == ["comment.published", "comment.rejected"]
    assert types(rejected) == ["comment.rejected"]
    assert elsewhere.messages == disabled.messages == []


def test_a_receiver_that_was_down_is_told_later(hooked: World) -> None:
    """In the same bytes under the same id, signed anew; every attempt is on record."""
    replies: list[Reply] = [(500, {}, 0.0), (302, {"Location": "http://127.0.0.1:1/"}, 0.0)]
    with Receiver(lambda _: replies.pop(0) if replies else (200, {}, 0.0)) as receiver:
        made = endpoint(hooked, receiver.url, scores=True)
        with sending(hooked):
            hooked.published()
            for tries in (1, 2):
                wait_for(lambda tries=tries: len(receiver.messages) == tries, 10, "it is tried")  # type: ignore[misc]
                wait_for(
                    lambda: not hooked.rows("SELECT FROM comity.delivery WHERE lease IS NOT NULL"), 10, "it is noted"
                )
                assert states(hooked) == {"pending": 1}
                ask(hooked, "PATCH", made, "", {"scores": False})  # a retry has the same bytes all the same
                now_due(hooked)
            settled(hooked, delivered=1)
    assert len(receiver.messages) == 3
    assert len({(message.id, message.body) for message in receiver.messages}) == 1
    assert all(verify(message, [made["signing_secret"]]) == [0] for message in receiver.messages)
    (delivery,) = ask(hooked, "GET", made, "/deliveries")["deliveries"]
    assert delivery["webhook_id"] == receiver.messages[0].id
    records = ask(hooked, "GET", made, f"/deliveries/{delivery['id']}")["records"]
    assert [(one["number"], one["status"], one["answer"]) for one in records] == [
        (3, 200, "noted"), (2, 302, "noted"), (1, 500, "noted"),
    ]  # fmt: skip


def test_nobody_there_is_a_failure_like_any_other(hooked: World) -> None:
    """No connection: the attempt says so, and the next one is due after about five seconds."""
    with Receiver() as receiver:
        url = receiver.url
    made = endpoint(hooked, url)
    with sending(hooked):
        hooked.published()
        wait_for(lambda: bool(hooked.rows("SELECT FROM comity.attempt")), 10, "it is tried")
    (delivery,) = ask(hooked, "GET", made, "/deliveries")["deliveries"]
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("pending", 1, None)
    assert delivery["error"]
    (wait,) = hooked.rows("SELECT extract(epoch FROM d.due_at - a.at)::float8 FROM comity.delivery d, comity.attempt a")
    assert 4.5 <= wait[0] <= 5.5


def test_a_slow_receiver_delays_nobody_else(hooked: World) -> None:
    """It gets four messages at once and no more; the others are told as if it were not there."""
    go_on = threading.Event()

    def slowly(_: Message) -> Reply:
        go_on.wait(20)
        return 204, {}, 0.0

    with Receiver(slowly) as slow, Receiver() as fast, sending(hooked, timeout=60.0):
        endpoint(hooked, slow.url)
        endpoint(hooked, fast.url)
        for _ in range(20):
            hooked.submit()
        hooked.settle()
        wait_for(lambda: len(fast.messages) == 20, 15, "the fast one is told")
        wait_for(lambda: len(slow.messages) == retries.IN_FLIGHT, 15, "the slow one has its four")
        settled(hooked, delivered=20, pending=20)
        assert slow.at_once == len(slow.messages) == retries.IN_FLIGHT
        go_on.set()
        settled(hooked, delivered=40)
    assert slow.at_once == retries.IN_FLIGHT
    assert set(Counter(slow.ids).values()) == set(Counter(fast.ids).values()) == {1}


def test_slow_name_servers_of_a_site_delay_no_other_site(hooked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each message of the one waits for a name, and there are fewer threads than it has names."""
    monkeypatch.setattr("service.outbound.lookups.THREADS", 6)
    go_on = threading.Event()
    asked: list[str] = []

    def look_up(host: str) -> list[str]:
        asked.append(host)
        if host.startswith("slow"):
            go_on.wait(30)
        return ["127.0.0.1"]

    with Receiver() as receiver, sending(hooked, timeout=60.0, look_up=look_up):
        url = receiver.url.replace("127.0.0.1", "{}.example")
        for number in range(8):
            endpoint(hooked, url.format(f"slow-{number}"))
        for _ in range(2):
            hooked.submit()
        hooked.settle()
        wait_for(lambda: len(asked) >= 4, 10, "names are asked for")
        other = endpoint(hooked, url.format("good"), site="other")
        path = f"/v1/sites/other/webhooks/{other['id']}/test"
        assert hooked.request("POST", path, hooked.admin_token).status_code == 202
        wait_for(lambda: bool(receiver.messages), 15, "the other site is told")
        assert not go_on.is_set()
        go_on.set()
        settled(hooked, delivered=17)


def test_a_receiver_that_never_answers_times_out(hooked: World) -> None:
    """Which is a failure; its answer, when it comes, changes nothing."""
    with Receiver(lambda _: (204, {}, 1.5)) as receiver, sending(hooked, timeout=0.3):
        endpoint(hooked, receiver.url)
        hooked.published()
        wait_for(lambda: bool(hooked.rows("SELECT FROM comity.attempt")), 10, "it is tried")
        assert states(hooked) == {"pending": 1}
        assert hooked.rows("SELECT status, error FROM comity.attempt") == [(None, "timeout")]


def test_two_senders_send_nothing_twice(hooked: World) -> None:
    """And together no endpoint gets more at once than it may."""
    with Receiver(lambda _: (204, {}, 0.01)) as receiver:
        endpoint(hooked, receiver.url)
        for _ in range(150):
            hooked.submit()
        hooked.settle()
        with sending(hooked), sending(hooked):
            settled(hooked, delivered=150)
    assert len(receiver.ids) == len(set(receiver.ids)) == 150
    assert receiver.at_once <= retries.IN_FLIGHT
    assert hooked.rows("SELECT count(*), max(number) FROM comity.attempt") == [(150, 1)]


def test_a_dead_receiver_is_left_in_peace(hooked: World) -> None:
    """With many messages waiting for it, it is probed now and then, by one at a time; the first success ends that."""
    up = threading.Event()
    with Receiver(lambda _: (204, {}, 0.0) if up.is_set() else (500, {}, 0.0)) as receiver, sending(hooked):
        endpoint(hooked, receiver.url)
        for _ in range(100):
            hooked.submit()
        hooked.settle()
        paused = "SELECT FROM comity.endpoint WHERE paused_until > now() + interval '2 seconds'"
        wait_for(lambda: bool(hooked.rows(paused)), 20, "pauses grow")
        assert len(receiver.messages) < 15
        assert hooked.rows("SELECT count(*) FROM comity.delivery WHERE attempts > 0") != [(100,)]
        up.set()
        now_due(hooked)
        settled(hooked, delivered=100)
    assert hooked.rows("SELECT failures, failing_since FROM comity.endpoint") == [(0, None)]


def test_a_receiver_says_when_to_come_again(hooked: World) -> None:
    """Retry-After holds for the message and for the endpoint."""
    with Receiver(lambda _: (429, {"Retry-After": "120"}, 0.0)) as receiver, sending(hooked):
        endpoint(hooked, receiver.url)
        hooked.published()
        wait_for(lambda: bool(hooked.rows("SELECT FROM comity.attempt")), 10, "it is tried")
        (row,) = hooked.rows(
            "SELECT extract(epoch FROM d.due_at - now())::float8, extract(epoch FROM e.paused_until - now())::float8 "
            "FROM comity.delivery d, comity.endpoint e"
        )
        assert all(110 < seconds <= 120 for seconds in row)
        hooked.published()
        settled(hooked, pending=2)
    assert len(receiver.messages) == 1


def test_a_success_does_not_end_the_peace_that_was_asked_for(hooked: World) -> None:
    """What was on its way when a receiver asked for it arrives, and nothing is sent after it."""
    asked = threading.Lock()

    def reply(_: Message) -> Reply:
        return (429, {"Retry-After": "120"}, 0.0) if asked.acquire(blocking=False) else (204, {}, 0.5)

    with Receiver(reply) as receiver:
        endpoint(hooked, receiver.url)
        for _ in range(20):
            hooked.submit()
        hooked.settle()
        with sending(hooked):
            settled(hooked, delivered=3, pending=17)
        assert len(receiver.messages) == 4
        paused = "SELECT extract(epoch FROM paused_until - now())::float8, failures FROM comity.endpoint"
        ((seconds, failures),) = hooked.rows(paused)
        assert 100 < seconds <= 120
        assert failures == 0
        assert hooked.rows("SELECT count(*) FROM comity.delivery WHERE attempts > 0") == [(4,)]
        hooked.execute("UPDATE comity.endpoint SET paused_until = now()")  # two minutes later
        hooked.execute("UPDATE comity.delivery SET due_at = now() WHERE state = 'pending'")
        with sending(hooked):
            settled(hooked, delivered=20)


def test_a_receiver_that_is_gone_is_disabled(hooked: World) -> None:
    """By 410; what waits for it is kept, and sent once it is enabled again."""
    gone = threading.Event()
    gone.set()
    with Receiver(lambda _: (410, {}, 0.0) if gone.is_set() else (204, {}, 0.0)) as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        comment = hooked.published()
        wait_for(lambda: not ask(hooked, "GET", made)["enabled"], 10, "it is disabled")
        assert ask(hooked, "GET", made)["disabled_reason"] == "gone"
        hooked.decide(comment, "reject")  # while it is disabled nothing is added
        now_due(hooked)
        gone.clear()
        assert (len(receiver.messages), states(hooked)) == (1, {"pending": 1})
        ask(hooked, "PATCH", made, "", {"enabled": True})
        settled(hooked, delivered=1)
        assert ask(hooked, "POST", made, "/retry", {"since": "2026-01-01T00:00:00Z"}) == {
            "count": 1,
            "next_since": None,
        }
        settled(hooked, delivered=2)
    assert types(receiver) == ["comment.published", "comment.published", "comment.rejected"]


def test_what_waits_is_sent_as_soon_as_an_endpoint_is_enabled(hooked: World) -> None:
    """However late its next attempt was to be, and however many it had; what is being sent is left alone."""
    with Receiver() as receiver:
        made = endpoint(hooked, receiver.url)
        waits, flies = hooked.published(), hooked.published()
        late = "UPDATE comity.delivery SET due_at = now() + interval '20 hours', attempts = 9"
        hooked.execute(late)
        ask(hooked, "PATCH", made, "", {"enabled": True, "description": "It was never disabled."})
        assert hooked.rows("SELECT DISTINCT attempts, due_at > now() FROM comity.delivery") == [(9, True)]
        ask(hooked, "PATCH", made, "", {"enabled": False})
        held = "UPDATE comity.delivery SET lease = id, lease_until = now() + interval '40 s' WHERE comment_id = %s"
        hooked.execute(held, flies["id"])
        ask(hooked, "PATCH", made, "", {"enabled": True})
        shown = "SELECT attempts, due_at > now() FROM comity.delivery WHERE comment_id = %s"
        assert hooked.rows(shown, waits["id"]) == [(0, False)]
        assert hooked.rows(shown, flies["id"]) == [(9, True)]
        with sending(hooked):
            settled(hooked, delivered=1, pending=1)
    assert [json.loads(message.body)["data"]["comment_id"] for message in receiver.messages] == [waits["id"]]


def test_days_of_failures_disable_an_endpoint(hooked: World) -> None:
    """Three of them, with nothing else in between; its people see since when."""
    with Receiver(lambda _: (500, {}, 0.0)) as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        hooked.published()
        wait_for(lambda: bool(ask(hooked, "GET", made)["failing_since"]), 10, "it fails")
        for days, enabled in ((2.9, True), (3.1, False)):
            hooked.execute("UPDATE comity.endpoint SET failing_since = now() - %s", timedelta(days=days))
            hooked.execute("UPDATE comity.attempt SET at = now() - %s WHERE number = 1", timedelta(days=days))
            count = len(receiver.messages)
            now_due(hooked)
            wait_for(lambda count=count: len(receiver.messages) > count, 10, "it is tried again")  # type: ignore[misc]
            attempts = f"SELECT FROM comity.attempt HAVING count(*) > {count}"
            wait_for(lambda attempts=attempts: bool(hooked.rows(attempts)), 10, "that is on record")  # type: ignore[misc]
            assert ask(hooked, "GET", made)["enabled"] == enabled
        assert ask(hooked, "GET", made)["disabled_reason"] == "failing"


@pytest.mark.parametrize("whole", [True, False])
def test_one_failure_long_after_another_disables_nothing(hooked: World, whole: bool) -> None:
    """What failed days ago was dropped, and nothing was to be told since; so the endpoint did not fail for days."""
    with Receiver(lambda _: (500, {}, 0.0)) as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        hooked.published()
        wait_for(lambda: bool(ask(hooked, "GET", made)["failing_since"]), 10, "it fails")
        (delivery,) = ask(hooked, "GET", made, "/deliveries")["deliveries"]
        ask(hooked, "POST", made, "/drop" if whole else f"/deliveries/{delivery['id']}/drop")
        assert ask(hooked, "GET", made)["failing_since"] is None
        hooked.execute("UPDATE comity.attempt SET at = now() - interval '5 days'")
        ask(hooked, "POST", made, f"/deliveries/{delivery['id']}/retry")
        wait_for(lambda: hooked.rows("SELECT count(*) > 1 FROM comity.attempt") == [(True,)], 10, "it fails again")
        assert ask(hooked, "GET", made)["enabled"]


def test_an_old_date_alone_disables_nothing(hooked: World) -> None:
    """As when its secret did not open for days, so that nothing was sent: then the first failure is one failure."""
    with Receiver(lambda _: (500, {}, 0.0)) as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        hooked.execute("UPDATE comity.endpoint SET failing_since = now() - interval '5 days'")
        hooked.published()
        wait_for(lambda: bool(hooked.rows("SELECT FROM comity.attempt")), 10, "it is tried")
        assert ask(hooked, "GET", made)["enabled"]


def test_an_answer_from_where_an_endpoint_led_before_changes_nothing_of_it(hooked: World) -> None:
    """Its URL was changed while messages were on their way: whether 410 or 204, only the message has it."""
    for status, failures in ((410, 0), (500, 0), (204, 2)):
        go_on = threading.Event()

        def reply(_: Message, go_on: threading.Event = go_on, status: int = status) -> Reply:
            go_on.wait(20)
            return status, {}, 0.0

        with Receiver(reply) as before, Receiver() as after, sending(hooked):
            made = endpoint(hooked, before.url)
            hooked.published()
            wait_for(lambda before=before: bool(before.messages), 10, "it is on its way")  # type: ignore[misc]
            ask(hooked, "PATCH", made, "", {"url": after.url})
            hooked.execute("UPDATE comity.endpoint SET failures = %s WHERE id = %s", failures, made["id"])
            go_on.set()
            there = "SELECT status FROM comity.attempt a JOIN comity.delivery d ON d.id = a.delivery_id WHERE d.endpoint_id = %s"
            wait_for(lambda there=there, made=made: bool(hooked.rows(there, made["id"])), 10, "that is on record")  # type: ignore[misc]
            assert hooked.rows(there, made["id"]) == [(status,)]
            stands = "SELECT enabled, failures, failing_since, paused_until <= now() FROM comity.endpoint WHERE id = %s"
            assert hooked.rows(stands, made["id"]) == [(True, failures, None, True)]
            ask(hooked, "PATCH", made, "", {"enabled": False})


def test_what_was_tried_too_often_is_dead_until_somebody_asks(hooked: World) -> None:
    """After the tenth attempt; asked for, it is sent again with all its attempts before it."""
    up = threading.Event()
    with Receiver(lambda _: (204, {}, 0.0) if up.is_set() else (500, {}, 0.0)) as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        hooked.published()
        wait_for(lambda: bool(hooked.rows("SELECT FROM comity.attempt")), 10, "it is tried")
        hooked.execute("UPDATE comity.delivery SET attempts = %s", retries.TRIES - 1)
        now_due(hooked)
        settled(hooked, dead=1)
        assert hooked.rows("SELECT failing_since FROM comity.endpoint") == [(None,)]  # nothing is tried any more
        (delivery,) = ask(hooked, "GET", made, "/deliveries", state="dead")["deliveries"]
        up.set()
        hooked.execute("UPDATE comity.endpoint SET paused_until = 'epoch'")
        again = ask(hooked, "POST", made, f"/deliveries/{delivery['id']}/retry")
        assert (again["state"], again["attempts"]) == ("pending", 0)
        settled(hooked, delivered=1)
    assert len({(message.id, message.body) for message in receiver.messages}) == 1


def test_the_page_for_websites_tells_how_to_check(hooked: World) -> None:
    """The Python in docs/website/webhooks.md takes what is sent, and nothing that was altered."""
    page = (ROOT / "docs/website/webhooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import base64.*?)```", page, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    with Receiver() as receiver, sending(hooked):
        secret = endpoint(hooked, receiver.url)["signing_secret"]
        hooked.published()
        settled(hooked, delivered=1)
    (message,) = receiver.messages
    good = shown["good"]
    assert good(secret, message.headers, message.body)
    assert not good(secret, message.headers, message.body + b" ")
    assert not good("whsec_" + "A" * 43 + "=", message.headers, message.body)
    stamp = str(int(message.headers["webhook-timestamp"]) - 301)
    assert not good(secret, {**message.headers, "webhook-timestamp": stamp}, message.body)


def test_after_a_rotation_both_secrets_sign_for_a_day(hooked: World) -> None:
    """The new one first; then the old one ends."""
    with Receiver() as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        old = made["signing_secret"]
        new = ask(hooked, "POST", made, "/rotate")["secrets"][0]["signing_secret"]
        hooked.published()
        settled(hooked, delivered=1)
        hooked.execute("UPDATE comity.endpoint_secret SET ends_at = now() WHERE ends_at IS NOT NULL")
        hooked.published()
        settled(hooked, delivered=2)
    assert verify(receiver.messages[0], [new, old]) == [0, 1]
    assert verify(receiver.messages[1], [new, old]) == [0]


def test_a_test_goes_to_its_endpoint_alone(hooked: World) -> None:
    """Whatever the endpoint listens to, and whoever else listens."""
    with Receiver() as receiver, Receiver() as other, sending(hooked):
        made = endpoint(hooked, receiver.url, events=["comment.erased"])
        endpoint(hooked, other.url)
        ask(hooked, "POST", made, "/test")
        settled(hooked, delivered=1)
    (message,) = receiver.messages
    told = json.loads(message.body)
    assert (told["type"], told["data"]) == ("endpoint.test", {"site": "blog", "endpoint_id": made["id"]})
    assert verify(message, [made["signing_secret"]]) == [0]
    assert other.messages == []


def test_an_endpoint_that_was_removed_is_told_nothing(hooked: World) -> None:
    """What was waiting for it goes with the next retention, and the endpoint after that."""
    with Receiver() as receiver:
        made = endpoint(hooked, receiver.url)
        hooked.published()
        assert states(hooked) == {"pending": 1}
        path = f"/v1/sites/blog/webhooks/{made['id']}"
        assert hooked.request("DELETE", path, hooked.admin_token).status_code == 204
        with sending(hooked, idle=0.5) as sender:
            sender.join(20)
        assert receiver.messages == []
    assert hooked.rows("SELECT attempts, failing_since FROM comity.delivery, comity.endpoint") == [(0, None)]
    assert hooked.rows("SELECT * FROM comity.endpoint_secret") == []
    hooked.execute("UPDATE comity.endpoint SET removed_at = removed_at - interval '2 hours'")
    retain(hooked)
    assert hooked.rows("SELECT * FROM comity.endpoint") == hooked.rows("SELECT * FROM comity.delivery") == []


def test_what_waits_outlives_the_outbox(hooked: World) -> None:
    """Told after any time; what was told is forgotten after a month, with its attempts."""
    with Receiver() as receiver:
        endpoint(hooked, receiver.url)
        hooked.published()
        hooked.execute("UPDATE comity.outbox SET at = now() - interval '40 days'")
        hooked.execute(
            "UPDATE comity.delivery SET at = now() - interval '40 days', due_at = now() - interval '39 days'"
        )
        retain(hooked)
        assert hooked.rows("SELECT * FROM comity.outbox") == []
        with sending(hooked):
            settled(hooked, delivered=1)
        assert types(receiver) == ["comment.published"]
    retain(hooked)
    assert states(hooked) == {"delivered": 1}
    hooked.execute("UPDATE comity.delivery SET done_at = now() - interval '31 days'")
    retain(hooked)
    assert hooked.rows("SELECT * FROM comity.delivery") == hooked.rows("SELECT * FROM comity.attempt") == []


def retain(world: World) -> None:
    """Run the retention as a relay does."""
    database = Database(as_role(world.owner_url, "comity_relay"), "relay", 1)
    with database.connection() as connection:
        while not jobs.retention(connection).done:
            pass
    database.close()


def test_of_an_erased_comment_only_that_is_told(hooked: World) -> None:
    """What was still waiting becomes one comment.erased."""
    with Receiver() as receiver:
        endpoint(hooked, receiver.url)
        made, other = hooked.published(), hooked.published()
        erase(hooked, UUID(made["id"]))
        with sending(hooked):
            settled(hooked, delivered=2, dropped=1)
    assert types(receiver) == ["comment.erased", "comment.published"]
    told = {json.loads(message.body)["type"]: json.loads(message.body) for message in receiver.messages}
    assert told["comment.published"]["data"]["comment_id"] == other["id"]


def test_of_an_erased_comment_nothing_else_is_told_again(hooked: World) -> None:
    """Neither with a time nor by itself; that it was erased is."""
    made = endpoint(hooked, "http://127.0.0.1:9/hook")
    gone, stays = hooked.published(), hooked.published()
    hooked.decide(gone, "reject")
    erase(hooked, UUID(gone["id"]))
    hooked.execute("UPDATE comity.delivery SET state = 'dropped', done_at = now() WHERE state = 'pending'")
    wished = {"since": "2026-01-01T00:00:00Z", "delivered": True}
    assert ask(hooked, "POST", made, "/retry", wished) == {"count": 2, "next_since": None}
    told = "SELECT event, comment_id::text FROM comity.delivery WHERE state = 'pending' ORDER BY event"
    assert hooked.rows(told) == [("comment.erased", gone["id"]), ("comment.published", stays["id"])]
    of_it = "SELECT id, event FROM comity.delivery WHERE comment_id = %s"
    answers = {}
    for delivery_id, event in hooked.rows(of_it, gone["id"]):
        path = f"/v1/sites/blog/webhooks/{made['id']}/deliveries/{delivery_id}/retry"
        answers[event] = hooked.request("POST", path, hooked.admin_token).status_code
    assert answers == {"comment.published": 409, "comment.rejected": 409, "comment.erased": 202}
    assert len(hooked.rows(told)) == 2


def erase(world: World, comment_id: UUID) -> None:
    """Erase a comment, as its operator."""
    with world.app.extensions["comity"].database.transaction() as connection:
        seen = comments.see(connection, comment_id, None)
        ruling = Ruling(seen.id, Action.ERASE, Actor.OPERATOR, seen.state, seen.version, seen.content_version)
        comments.decide_one(connection, ruling)


def test_without_the_right_key_nothing_is_sent(hooked: World) -> None:
    """It waits, and no attempt counts: nobody gets a message that they cannot check. The endpoint counts as failing."""
    with Receiver() as receiver:
        endpoint(hooked, receiver.url)
        hooked.published()
        other = replace(hooked.settings, secret_key=bytes(range(100, 132)))
        with sending(replace(hooked, settings=other)):
            late = "SELECT FROM comity.endpoint WHERE paused_until > now() + interval '50 seconds'"
            wait_for(lambda: bool(hooked.rows(late)), 10, "it was looked at")
        assert receiver.messages == []
        assert hooked.rows("SELECT attempts, state, lease FROM comity.delivery") == [(0, "pending", None)]
        assert hooked.rows("SELECT failing_since IS NOT NULL, failures FROM comity.endpoint") == [(True, 0)]
        now_due(hooked)
        with sending(hooked):
            settled(hooked, delivered=1)
        assert Keys(other.secret_key).of("webhooks") != hooked.settings.keys.of("webhooks")


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_wrong_signs_at_the_right_time(
    hooked: World, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The database's: receivers refuse what is five minutes off."""
    real = time.time
    monkeypatch.setattr("workers.delivery.time.time", lambda: real() + hours * 3600)
    with Receiver() as receiver, sending(hooked):
        secret = endpoint(hooked, receiver.url)["signing_secret"]
        hooked.published()
        settled(hooked, delivered=1)
    assert abs(int(receiver.messages[0].headers["webhook-timestamp"]) - real()) < 30
    monkeypatch.undo()
    assert verify(receiver.messages[0], [secret]) == [0]


def test_a_sender_ends_when_there_is_nothing_to_send(hooked: World) -> None:
    """So that a service that tells nobody spends nothing on it."""
    with Receiver() as receiver, sending(hooked, idle=0.5) as sender:
        endpoint(hooked, receiver.url)
        hooked.published()
        settled(hooked, delivered=1)
        sender.join(20)
        assert not sender.is_alive()


def test_a_sender_that_is_stopped_finishes_what_it_sends(hooked: World) -> None:
    """So that a restart repeats nothing."""
    with Receiver(lambda _: (204, {}, 1.0)) as receiver:
        endpoint(hooked, receiver.url)
        hooked.published()
        with sending(hooked):
            wait_for(lambda: bool(receiver.messages), 10, "it is being sent")
        assert states(hooked) == {"delivered": 1}
    assert len(receiver.messages) == 1


@pytest.mark.parametrize("role", ["comity_worker", "comity_web", "comity_relay"])
def test_no_role_reads_a_secret_that_opens_anything(hooked: World, role: str) -> None:
    """Secrets are sealed for all; workers do not even see them so."""
    made: Any = endpoint(hooked, "http://127.0.0.1:80/hook")
    with psycopg.connect(as_role(hooked.owner_url, role)) as connection:
        if role == "comity_worker":
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM comity.endpoint_secret")
            return
        ((sealed,),) = connection.execute("SELECT sealed FROM comity.endpoint_secret").fetchall()
        assert made["signing_secret"].encode() not in sealed

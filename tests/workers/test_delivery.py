"""A sender against a receiver on this machine: told once it is decided, in the same bytes however often it is told."""

import json
from collections.abc import Callable

import pytest

from tests.faults.house import wait_for
from tests.receiver import Receiver, verify
from tests.workers.hooks import LOCAL, ask, endpoint, sending
from tests.world import World


@pytest.fixture
def hooked(make_world: Callable[..., World]) -> World:
    """A world whose endpoints may lead to this machine."""
    return make_world(**LOCAL)


def test_what_is_decided_is_told(hooked: World) -> None:
    """Published by the policy, rejected by a moderator, edited, withdrawn by the author: each once, signed."""
    with Receiver() as receiver, sending(hooked):
        made = endpoint(hooked, receiver.url)
        comment = hooked.published()
        hooked.decide(comment, "reject", reason="spam")
        wait_for(lambda: len(receiver.messages) == 2, 10, "both are told")
        other = hooked.published()
        assert hooked.request("DELETE", f"/v1/comments/{other['id']}", hooked.secret_key).status_code == 200
        wait_for(lambda: len(receiver.messages) == 4, 10, "all are told")
        states = lambda: {one["state"] for one in ask(hooked, "GET", made, "/deliveries")["deliveries"]}  # noqa: E731
        wait_for(lambda: states() == {"delivered"}, 10, "all are delivered")
    told = sorted((json.loads(message.body) for message in receiver.messages), key=lambda one: one["timestamp"])
    assert [one["type"] for one in told] == [
        "comment.published", "comment.rejected", "comment.published", "comment.withdrawn",
    ]  # fmt: skip
    assert all(verify(message, [made["secret"]]) == [0] for message in receiver.messages)
    assert told[1]["data"] | {"thread_id": ""} == {
        "site": "blog", "comment_id": comment["id"], "thread_id": "", "seq": 2, "from_status": "published",
        "to_status": "rejected", "reason": "spam", "action": "reject", "actor": "moderator", "rule": "moderator",
        "version": 3, "content_version": 1, "policy_version": None,
    }  # fmt: skip

"""Addresses that somebody wrote into any other field than the one for them: masked for moderators as well."""

import json

from service.store import queue, sites
from service.store.database import single
from service.web.api import moderation
from tests.service.web.pages.browsing import Visitor, signed_in
from tests.world import World, canary


def _made(shared: World, page: str) -> tuple[str, list[str]]:
    """A flagged comment with an address in each of its fields, a note among them; and those addresses."""
    found = [canary() for _ in range(5)]
    made = shared.flagged(
        thread={"key": page}, name=f"Ann {found[0]}", website=f"https://ann.example/?mail={found[1]}",
        user_agent=f"Robot (+mailto:{found[2]})", referrer=f"https://x.example/?to={found[3].replace('@', '%40')}",
    )  # fmt: skip
    review = {"action": "flag", "version": shared.status(made)["version"], "reason": "other", "note": f"See {found[4]}"}
    shared.request("POST", f"/v1/comments/{made['id']}/decisions", shared.moderator_token, review)
    return made["id"], found


def test_addresses_in_any_field_are_masked_in_reviews(shared: World, page: str) -> None:
    """The review, the queue, the console's page and the command's view."""
    comment_id, found = _made(shared, page)
    seen = [
        shared.request("GET", f"/v1/comments/{comment_id}/review", shared.moderator_token),
        shared.request("GET", "/v1/queue", shared.moderator_token),
    ]
    assert [answer.status_code for answer in seen] == [200, 200]
    assert seen[0].json["author"]["user_agent"] == "Robot (+mailto:[address hidden])"
    assert "[address hidden]" in seen[0].json["author"]["referrer"]
    assert "[address hidden]" in seen[0].json["website"]
    visitor = signed_in(Visitor(shared), shared.moderator_token)
    pages = [visitor.get(f"/queue/{comment_id}").html, visitor.get("/queue").html]
    with single(shared.owner_url, "command") as connection:
        review = queue.review(connection, comment_id, [sites.site_named(connection, "blog").id])
    assert review.user_agent is not None
    command = json.dumps(moderation.item(review.comment), default=str)
    for address in found:
        for text in (*(answer.text for answer in seen), *pages, command):
            assert address not in text
            assert address.replace("@", "%40") not in text
            assert address.split("@")[0] not in text

"""Submitting over HTTP, and what becomes of a comment."""

from tests.world import World


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

"""Endpoints at the command line: made, changed, rotated, ended; what they were told, sent again and dropped."""

from uuid import UUID

from service.cli.exits import Exit
from service.domain.lifecycle import Action, Actor
from service.store import comments
from service.store.comments import Ruling
from tests.service.cli.conftest import Terminal, terminal
from tests.world import World

URL = "https://hooks.example/comity"


def add(at_world: Terminal, url: str = URL, *words: str) -> str:
    """An endpoint of the only site; its id."""
    return str(at_world.done("webhook", "add", url, *words, "--json").data["id"])


def test_an_endpoint_is_made_listed_changed_and_ended(at_world: Terminal) -> None:
    """Its secret is shown when it is made, and whenever somebody asks for it."""
    assert "tells nobody" in at_world.done("webhook", "list").out
    told = at_world.done("webhook", "add", URL, "--event", "comment.erased", "--description", "Ours").out
    secret = told.splitlines()[1]
    assert (told.startswith(f"Site blog tells {URL}: endpoint "), secret[:6]) == (True, "whsec_")
    row = at_world.done("webhook", "list", "--json").data
    assert (row["url"], row["events"], row["state"], row["created_by"]) == (URL, ["comment.erased"], "enabled", "cli")
    webhook_id = row["id"]
    assert secret in at_world.done("webhook", "secret", webhook_id).out

    wished = ("--scores", "--event", "comment.*", "--disable", "--yes", "--json")
    changed = at_world.done("webhook", "change", webhook_id, *wished)
    assert (changed.data["scores"], changed.data["events"], changed.data["state"]) == (
        True, ["comment.*"], "disabled (asked)",
    )  # fmt: skip
    assert "disabled (asked)" in at_world.done("webhook", "list").out
    assert "is enabled." in at_world.done("webhook", "change", webhook_id, "--enable").out

    asked = at_world("webhook", "remove", webhook_id)
    assert asked.code == Exit.UNASKED
    assert "will be told nothing more; 0 messages" in asked.err
    at_world.done("webhook", "remove", webhook_id, "--yes")
    assert at_world("webhook", "remove", webhook_id, "--yes").err.startswith("There is no such endpoint")


def test_what_is_wrong_is_said(at_world: Terminal) -> None:
    """A URL that must not be called, one that is there, nothing to change, a range without a beginning."""
    for url in ("http://hooks.example/", "https://10.0.0.1/", "nonsense"):
        wrong = at_world("webhook", "add", url)
        assert (wrong.code, wrong.err.count("Error: ")) == (Exit.USAGE, 1)
    webhook_id = add(at_world)
    assert at_world("webhook", "add", URL).code == Exit.CONFLICT
    assert at_world("webhook", "change", webhook_id).code == Exit.USAGE
    assert at_world("webhook", "retry", webhook_id).code == Exit.USAGE
    at_world.done("webhook", "change", webhook_id, "--disable", "--yes")
    for words in (("test", webhook_id), ("retry", webhook_id, "--since", "1d")):
        assert at_world("webhook", *words).code == Exit.CONFLICT


def test_another_secret_takes_a_day_to_take_over(at_world: Terminal) -> None:
    """Both are shown; without --yes nothing is changed."""
    webhook_id = add(at_world)
    (first,) = at_world.done("webhook", "secret", webhook_id, "--json").rows
    assert at_world("webhook", "rotate", webhook_id).code == Exit.UNASKED
    new, old = at_world.done("webhook", "rotate", webhook_id, "--yes", "--json").rows
    assert old["signing_secret"] == first["signing_secret"] != new["signing_secret"]
    assert (new["ends_at"], bool(old["ends_at"])) == (None, True)


def test_the_key_must_be_the_services_own(world: World, at_world: Terminal) -> None:
    """Another one, or none, makes no secret that the sender could not open."""
    webhook_id = add(at_world)
    other = "44dd" * 4 + "".join(f"{n:02x}" for n in range(120, 144))
    for key in (other, None):
        stranger = terminal(world.owner_url)
        for words in (("add", URL + "2"), ("secret", webhook_id), ("rotate", webhook_id, "--yes")):
            wrong = stranger("webhook", *words, COMITY_SECRET_KEY=key)
            assert (wrong.code, "COMITY_SECRET_KEY" in wrong.err) == (Exit.SETTINGS, True)


def test_what_was_told_is_shown_sent_again_and_dropped(world: World, at_world: Terminal) -> None:
    """By state, one by one with its attempts, or a time."""
    webhook_id = add(at_world)
    for _ in range(3):
        world.published()
    listed = ("webhook", "deliveries", webhook_id)
    rows = at_world.done(*listed, "--json").rows
    assert [(row["event"], row["state"], row["attempts"]) for row in rows] == [("comment.published", "pending", 0)] * 3
    assert len(at_world.done(*listed, "--limit", "2", "--json").rows) == 2
    one = rows[0]["id"]
    world.execute("UPDATE comity.delivery SET state = 'dead', done_at = now(), attempts = 10 WHERE id = %s", one)
    world.execute(
        "INSERT INTO comity.attempt (id, delivery_id, number, status, took, answer) "
        "VALUES (gen_random_uuid(), %s, 10, 503, 0.25, 'too busy')", one,
    )  # fmt: skip
    assert [row["id"] for row in at_world.done(*listed, "--state", "dead", "--json").rows] == [one]
    assert "too busy" in at_world.done(*listed, "--delivery", one).out
    assert at_world("webhook", "deliveries", webhook_id, "--delivery", webhook_id).code == Exit.NOTHING

    at_world.done("webhook", "retry", webhook_id, "--delivery", one)
    assert {row["state"] for row in at_world.done(*listed, "--json").rows} == {"pending"}
    at_world.done("webhook", "drop", webhook_id, "--delivery", one, "--yes")
    assert "3 messages" not in at_world("webhook", "drop", webhook_id).err
    assert at_world.done("webhook", "drop", webhook_id, "--yes").out == "Dropped 2.\n"
    assert at_world("webhook", "drop", webhook_id, "--yes").code == Exit.NOTHING
    assert at_world.done("webhook", "retry", webhook_id, "--since", "1d").out == "3 deliveries are sent again.\n"

    tested = at_world.done("webhook", "test", webhook_id)
    assert f"comity webhook deliveries {webhook_id} --delivery" in tested.out
    assert at_world.done(*listed, "--json").rows[0]["event"] == "endpoint.test"


def test_of_an_erased_comment_nothing_else_is_sent_again(world: World, at_world: Terminal) -> None:
    """Asked for by itself it is refused, and of a time it is left out."""
    webhook_id = add(at_world)
    made = world.published()
    (row,) = at_world.done("webhook", "deliveries", webhook_id, "--json").rows
    with world.app.extensions["comity"].database.transaction() as connection:
        seen = comments.see(connection, UUID(made["id"]), None)
        ruling = Ruling(seen.id, Action.ERASE, Actor.OPERATOR, seen.state, seen.version, seen.content_version)
        comments.decide_one(connection, ruling)
    refused = at_world("webhook", "retry", webhook_id, "--delivery", row["id"])
    assert (refused.code, "erased" in refused.err) == (Exit.CONFLICT, True)
    assert at_world.done("webhook", "retry", webhook_id, "--since", "1d").out == "0 deliveries are sent again.\n"

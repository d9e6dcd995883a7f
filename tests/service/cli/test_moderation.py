"""Bans, the queue, decisions and jobs at the command line."""

import json

import psycopg
import pytest

from service.cli.exits import Exit
from tests.service.cli.conftest import Terminal
from tests.world import World

NOBODY = "01a20f1f-0000-7000-8000-000000000000"


def test_the_queue_is_listed_and_filtered(at_world: Terminal, world: World) -> None:
    """As the API has it; addresses in texts are masked."""
    assert at_world.done("queue", "list").out == "No comment waits here.\n"
    first = world.flagged(body=f"score:toxicity=0.8 write to {world.comment()['email']}")
    second = world.flagged(body="score:spam=0.7 and more")
    rows = at_world.done("queue", "list", "--json").rows
    assert [row["id"] for row in rows] == [first["id"], second["id"]]
    assert "[address hidden]" in rows[0]["body"]
    table = at_world.done("queue", "list", "--newest").out
    assert table.index(second["id"]) < table.index(first["id"])
    assert "2 of 2" in table

    def ids(*words: str) -> list[str]:
        return [row["id"] for row in at_world.done("queue", "list", *words, "--json").rows]

    assert ids("--label", "spam") == [second["id"]]
    assert ids("--score", "toxicity:0.5-0.9") == [first["id"]]
    assert ids("--text", "AND MORE") == [second["id"]]
    assert ids("--newer-than", "1h", "--site", "blog", "--limit", "1") == [first["id"]]
    assert ids("--older-than", "1d") == []
    assert ids("--thread", rows[0]["thread"]["id"], "--language", "en") == [first["id"], second["id"]]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("queue", "list", "--score", "anger:0-1"), Exit.USAGE, "must be LABEL:LOW-HIGH"),
        (("queue", "list", "--score", "spam:0.9-0.1"), Exit.USAGE, "must be LABEL:LOW-HIGH"),
        (("queue", "list", "--older-than", "noon"), Exit.USAGE, "is no time"),
        (("queue", "list", "--language", "x"), Exit.USAGE, "language must"),
        (("queue", "list", "--site", "gone"), Exit.NOTHING, "There is no site 'gone'"),
        (("queue", "show", NOBODY), Exit.NOTHING, f"There is no comment {NOBODY}."),
        (("comment", "show", "7"), Exit.USAGE, "'7' is no id"),
        (("comment", "show", NOBODY), Exit.NOTHING, f"There is no comment {NOBODY}."),
        (("comment", "publish", NOBODY), Exit.NOTHING, f"There is no comment {NOBODY}."),
        (("comment", "reject", NOBODY, "--reason", "mood"), Exit.USAGE, "is not one of"),
        (("ban", "lift", NOBODY, "--yes"), Exit.NOTHING, "has no such ban"),
        (("ban", "add", "--reason", "x"), Exit.USAGE, "needs exactly one of comment_id, email, domain, network"),
        (
            ("ban", "add", "--reason", "x", "--domain", "a.example", "--network", "10.0.0.0/8"),
            Exit.USAGE,
            "exactly one",
        ),
        (("ban", "add", "--reason", "x", "--network", "10.0.0.1/32"), Exit.USAGE, "must have a prefix from /8 to /24"),
        (("ban", "add", "--reason", "x", "--comment", NOBODY), Exit.NOTHING, "This site has no such comment"),
        (("job", "run", "nap"), Exit.USAGE, "is not one of"),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence(
    at_world: Terminal, words: tuple[str, ...], code: Exit, sentence: str
) -> None:
    """And with the exit code of its kind."""
    answer = at_world(*words)
    assert (answer.code, answer.out) == (code, "")
    assert sentence in " ".join(answer.err.split())


def test_a_comment_is_decided_by_the_version_seen(at_world: Terminal, world: World) -> None:
    """Somebody else's decision is never overwritten; every step is on record as made here."""
    made = world.flagged()
    version = world.review(made)["version"]
    assert at_world.done("comment", "publish", made["id"], "--version", version, "--note", "fine").out == (
        f"The comment is published now, at version {version + 1}.\n"
    )
    late = at_world("comment", "reject", made["id"], "--version", version)
    assert (late.code, late.out) == (Exit.CONFLICT, "")
    assert late.err == (
        f"Somebody was first: the comment is published now, at version {version + 1}. Look again, then decide.\n"
    )
    decided = at_world.done("comment", "reject", made["id"], "--reason", "off_topic", "--json").data
    assert (decided["status"], decided["version"]) == ("rejected", version + 2)
    assert at_world.done("comment", "flag", made["id"]).code == 0
    decisions = world.review(made)["decisions"]
    assert [(one["action"], one["actor"], one["token"], one["reason"]) for one in decisions[-3:]] == [
        ("publish", "moderator", "cli", None),
        ("reject", "moderator", "cli", "off_topic"),
        ("flag", "moderator", "cli", "off_topic"),
    ]


def test_a_withdrawn_comment_is_left_alone(at_world: Terminal, world: World) -> None:
    """The lifecycle has no such move."""
    made = world.published()
    world.request("DELETE", f"/v1/comments/{made['id']}", world.secret_key)
    answer = at_world("comment", "publish", made["id"])
    assert (answer.code, answer.err) == (Exit.CONFLICT, "A comment that is withdrawn cannot be decided any more.\n")


def test_a_comment_is_shown_whole(at_world: Terminal, world: World) -> None:
    """With its record, its author's, and what spoke for and against."""
    parent = world.published()
    made = world.flagged(parent_id=parent["id"], body=f"score:insult=0.8 you idiot, {world.comment()['email']}")
    world.decide(made, "flag", note="look at this")
    for words in (("queue", "show"), ("comment", "show")):
        said = at_world.done(*words, made["id"]).out
        for part in (made["id"], "insult", "[address hidden]", "look at this", "moderator", "answers Ann"):
            assert part in said
        data = at_world.done(*words, made["id"], "--json").data
        assert (data["status"], data["label"], data["parent"]["id"]) == ("flagged", "insult", parent["id"])
        assert [one["action"] for one in data["decisions"]] == ["flag", "flag"]
    assert "'idiot" in at_world.done("queue", "show", made["id"]).out


def test_an_author_is_banned_by_comment_or_address(at_world: Terminal, world: World) -> None:
    """The address comes on standard input; what is kept and shown does not say it."""
    address = world.comment()["email"]
    made = at_world.done("ban", "add", "--email", "--reason", "rude", "--json", given=f"{address}\n").data
    assert (made["what"], made["label"], made["created_by"], made["state"]) == (
        "author",
        "an address",
        "cli",
        "in force",
    )
    comment = world.submit(email=address)
    world.settle()
    assert world.status(comment)["status"] == "rejected"

    fine = world.published()
    by_comment = at_world.done("ban", "add", "--comment", fine["id"], "--reason", "r", "--until", "30d", "--json").data
    assert by_comment["label"] == f"author of comment {fine['id']}"
    assert by_comment["until"] is not None
    domain = at_world.done("ban", "add", "--domain", "Bad.example", "--reason", "spam", "--json").data
    assert (domain["what"], domain["label"]) == ("domain", "bad.example")
    assert (
        "takes nothing from 192.0.2.0/24"
        in at_world.done("ban", "add", "--network", "192.0.2.9/24", "--reason", "x").out
    )
    table = at_world.done("ban", "list").out
    assert table.count("in force") == 4

    asked = at_world("ban", "lift", made["id"])
    assert (asked.code, "will take comments from an address again (banned for: rude)" in asked.err) == (
        Exit.UNASKED,
        True,
    )
    assert at_world.done("ban", "lift", made["id"], "--yes", "--json").data["state"] == "ended"
    assert len(at_world.done("ban", "list", "--json").rows) == 3
    assert len(at_world.done("ban", "list", "--all", "--json").rows) == 4


def test_no_address_is_ever_an_argument(at_world: Terminal) -> None:
    """A shell would remember it; what is no address is not repeated either."""
    answer = at_world("ban", "add", "--email", "ann@leak.example", "--reason", "x", given="")
    assert (answer.code, "An address is never an argument" in answer.err) == (Exit.USAGE, True)
    answer = at_world("ban", "add", "--email", "--reason", "x", given="no address\n")
    assert (answer.code, "email must be an e-mail address" in answer.err) == (Exit.USAGE, True)
    assert "no address" not in answer.err


def test_a_ban_by_a_foreign_key_is_refused(at_world: Terminal, world: World) -> None:
    """It would mean nobody."""
    assert world.request("GET", "/readyz").status_code == 200
    other = "33cc" * 4 + "".join(f"{n:02x}" for n in range(120, 144))
    answer = at_world("ban", "add", "--domain", "a.example", "--reason", "x", COMITY_INDEX_KEY=other)
    assert (answer.code, "is not the one the database began with" in answer.err) == (Exit.SETTINGS, True)
    answer = at_world("ban", "add", "--domain", "a.example", "--reason", "x", COMITY_INDEX_KEY=None)
    assert (answer.code, "set COMITY_INDEX_KEY" in answer.err) == (Exit.SETTINGS, True)


def test_jobs_are_listed_and_run(at_world: Terminal, world: World) -> None:
    """One that somebody does is left to them."""
    world.flagged()
    assert at_world.done("job", "run", "sum_counters").out.startswith("Did sum_counters; it is due again at ")
    assert world.rows("SELECT n FROM comity.counter WHERE state = 'flagged'") == [(1,)]
    rows = {row["name"]: row for row in at_world.done("job", "list", "--json").rows}
    assert (rows["sum_counters"]["every"], rows["retention"]["done_at"]) == (2.0, None)
    assert rows["sum_counters"]["done_at"] is not None
    assert "retention" in at_world.done("job", "list").out
    with psycopg.connect(world.owner_url) as connection:
        connection.execute("UPDATE comity.job SET lease_until = now() + interval '1 minute'")
    busy = at_world("job", "run", "retention")
    assert (busy.code, busy.err) == (Exit.BUSY, "Somebody does retention at this moment: see `comity job list`.\n")
    assert json.loads(at_world.done("job", "list", "--json").out.splitlines()[0])["lease_until"] is not None

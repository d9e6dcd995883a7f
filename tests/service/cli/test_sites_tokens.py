"""Sites, keys, tokens and moderators at the command line."""

import psycopg
import pytest

from service.cli.exits import Exit
from service.keys import token_id
from tests.service.cli.conftest import Terminal
from tests.world import World


def test_a_site_is_made_shown_changed_and_listed(comity: Terminal) -> None:
    """For people and for programs."""
    assert "no site yet" in comity.done("site", "list").out
    assert comity.done("site", "list", "--json").out == ""
    made = comity.done(
        "site",
        "add",
        "blog",
        "--title",
        "A blog",
        "--origin",
        "https://Blog.example",
        "--limit",
        "author=5/60",
        "--json",
    ).data
    assert (made["name"], made["origins"], made["limits"]) == ("blog", ["https://blog.example"], {"author": [5, 60]})
    assert "comity key add --site shop" in comity.done("site", "add", "shop", "--title", "A shop").out

    changed = comity.done("site", "change", "blog", "--title", "Ours", "--limit", "prefix=9/10", "--json").data
    assert (changed["title"], changed["limits"]) == ("Ours", {"author": [5, 60], "prefix": [9, 10]})
    assert comity.done("site", "change", "blog", "--limit", "author=default", "--json").data["limits"] == {
        "prefix": [9, 10]
    }
    assert "prefix 9 in 10 s" in comity.done("site", "show", "blog").out
    assert [row["name"] for row in comity.done("site", "list", "--json").rows] == ["blog", "shop"]
    assert "https://blog.example" in comity.done("site", "list").out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("site", "show", "gone"), Exit.NOTHING, "There is no site 'gone'"),
        (("site", "add", "No Name", "--title", "x"), Exit.USAGE, "name must be 1 to 63 of a-z"),
        (("site", "add", "a", "--title", " "), Exit.USAGE, "title must not be empty"),
        (("site", "add", "a", "--title", "x", "--origin", "blog"), Exit.USAGE, "origins/0 must be an origin"),
        (("site", "add", "a", "--title", "x", "--limit", "author=many"), Exit.USAGE, "must be NAME=COUNT/SECONDS"),
        (("site", "add", "a", "--title", "x", "--limit", "all=1/2"), Exit.USAGE, "limits/all is unknown here"),
        (("site", "change", "blog"), Exit.USAGE, "Say what to change"),
        (("site", "add", "blog", "--title", "x"), Exit.CONFLICT, "There is a site 'blog' already"),
        (("key", "revoke", "abcdefghij", "--yes"), Exit.NOTHING, "There is no such token: `comity key list`"),
        (("user", "revoke", "abcdefghij", "--yes"), Exit.NOTHING, "There is no such token: `comity user list`"),
        (("token", "revoke", "abcdefghij", "--yes"), Exit.NOTHING, "There is no such token: `comity token list`"),
        (("user", "add", "Ann"), Exit.USAGE, "Say what they may"),
        (("user", "add", "Ann", "--right", "blog=king"), Exit.USAGE, "must be SITE=RIGHT"),
        (("user", "add", "Ann", "--right", "gone=lead"), Exit.NOTHING, "There is no site 'gone'"),
        (("token", "add", "Ann", "--admin", "--everywhere", "lead"), Exit.USAGE, "An admin's token may everything"),
        (("token", "add", "a\tb", "--admin"), Exit.USAGE, "name must"),
        (("key", "add", "--days", "0"), Exit.USAGE, "is not in the range"),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence(
    at_world: Terminal, words: tuple[str, ...], code: Exit, sentence: str
) -> None:
    """And with the exit code of its kind."""
    answer = at_world(*words)
    assert (answer.code, answer.out) == (code, "")
    assert sentence in " ".join(answer.err.split())


def test_a_key_works_is_shown_once_and_ends(at_world: Terminal, world: World) -> None:
    """Two live at once; the list never holds a secret."""
    made = at_world.done("key", "add", "--name", "next", "--scope", "submit", "--json").data
    assert world.request("POST", "/v1/comments", made["token"], world.comment()).status_code == 202
    assert (made["scopes"], made["site"], made["live"]) == (["submit"], "blog", True)

    third = at_world("key", "add", "--site", "blog")
    assert (third.code, third.err) == (Exit.CONFLICT, "Site blog has 2 live keys already: revoke one first.\n")
    shown = at_world.done("key", "list").out + at_world.done("key", "list", "--json").out
    assert made["token"] not in shown
    assert made["id"] in shown

    asked = at_world("key", "revoke", made["id"])
    assert asked.code == Exit.UNASKED
    assert f"Key {made['id']} (next) of site blog will end for good." in asked.err
    assert "there is no terminal to ask at, so add --yes" in asked.err
    assert at_world.done("key", "list", "--json").rows[0]["live"] is True
    ended = at_world.done("key", "revoke", made["id"], "--yes", "--json").data
    assert (ended["state"], ended["live"]) == ("revoked", False)


def test_the_first_admin_token_opens_the_api(comity: Terminal, at_world: Terminal, world: World) -> None:
    """It is made here, shown once, and the last one is not ended without a word."""
    assert "make the first with" in comity.done("token", "list").out
    said = comity.done("token", "add", "me", "--admin").out
    assert "It is shown this once" in said

    made = at_world.done("token", "add", "me", "--admin", "--days", "30", "--json").data
    assert world.request("GET", "/v1/sites", made["token"]).status_code == 200
    assert token_id(made["token"]) == made["id"]
    assert made["expires_at"] is not None
    rows = at_world.done("token", "list", "--kind", "admin", "--json").rows
    assert (rows[0]["id"], rows[0]["kind"]) == (made["id"], "admin")
    assert not [row for row in rows if "token" in row]
    for row in rows:
        last = at_world.done("token", "revoke", row["id"], "--yes").err
    assert "It is the last live admin token" in last


def test_a_person_moderates_where_they_may(at_world: Terminal, world: World) -> None:
    """A user is a moderator's token with rights by site; `token` shows it too."""
    made = at_world.done("user", "add", "Ann", "--right", "blog=moderator", "--json").data
    assert made["rights"] == {"blog": "moderator"}
    assert world.request("GET", "/v1/queue", made["token"]).status_code == 200
    lead = at_world.done("token", "add", "Bob", "--everywhere", "lead", "--json").data
    assert (lead["kind"], lead["rights"]) == ("moderator", {"every site": "lead"})
    assert {row["name"] for row in at_world.done("user", "list", "--json").rows} >= {"Ann", "Bob"}
    table = at_world.done("user", "list").out
    assert "blog moderator" in table
    assert "every site lead" in table
    assert at_world("user", "revoke", made["id"]).code == Exit.UNASKED
    assert at_world.done("user", "revoke", made["id"], "--yes").out.startswith(f"Revoked {made['id']} (Ann)")


def test_a_site_has_to_be_named_where_there_are_several(at_world: Terminal) -> None:
    """With one, it is meant."""
    assert at_world("key", "list").code == 0
    at_world.done("site", "add", "shop", "--title", "A shop")
    answer = at_world("key", "list")
    assert (answer.code, "name one with --site" in answer.err) == (Exit.USAGE, True)
    assert at_world("key", "list", "--site", "shop").code == 0


def test_what_would_move_a_terminals_cursor_is_not_shown(comity: Terminal, owner_url: str) -> None:
    """A title from a database of old may hold anything."""
    comity.done("site", "add", "blog", "--title", "plain")
    with_psycopg(owner_url, "UPDATE comity.site SET title = E'red \\x1b[31m [bold]x[/bold]'")
    said = comity.done("site", "list").out
    assert "\x1b" not in said
    assert "[bold]x[/bold]" in said


def with_psycopg(url: str, statement: str) -> None:
    """Change something behind the service's back."""
    with psycopg.connect(url) as connection:
        connection.execute(statement)

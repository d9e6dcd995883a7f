"""What ends or replaces something asks: never without a terminal, and never inside a transaction."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from service import embedded
from service.cli import confirm
from service.cli.exits import Exit
from tests.service.cli.conftest import Terminal, terminal
from tests.service.cli.test_documents import COMMANDS
from tests.world import World

#: Words that say of a command that it ends something, replaces it or puts something in force.
VERBS = {"change", "drop", "forget", "import", "lift", "remove", "restore", "revoke", "rollback", "rotate", "set"}
URL = "https://hooks.example/comity"
POLICY = "rules:\n  - rule: links\n    most: 9\n  - rule: scores\n"
HERE, THERE = "https://blog.example", "https://other.example"
Words = tuple[object, ...]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A service with something to end, and files to read."""

    comity: Terminal
    world: World
    files: Path

    def file(self, name: str, text: str) -> Path:
        """A file of this content."""
        made = self.files / name
        made.write_text(text, encoding="utf-8")
        return made

    def webhook(self) -> str:
        """The id of an endpoint for which a message waits."""
        made = self.comity.done("webhook", "add", f"{URL}/{next(_numbers)}", "--event", "comment.published", "--json")
        self.world.published()
        return str(made.data["id"])

    def url(self, webhook_id: str) -> str:
        """Where an endpoint is."""
        return str(self.world.rows("SELECT url FROM comity.endpoint WHERE id = %s", webhook_id)[0][0])

    def ban(self) -> str:
        """The id of a ban."""
        return str(self.comity.done("ban", "add", "--domain", "bad.example", "--reason", "x", "--json").data["id"])

    def made(self, *words: object) -> Words:
        """How to revoke what this makes."""
        return words[0], "revoke", self.comity.done(*words, "--json").data["id"]

    def policy(self) -> Path:
        """A file with a policy."""
        return self.file("policy.yaml", POLICY)

    def list(self, words: str = "casino\npoker\n") -> Path:
        """A file with words."""
        return self.file("words.txt", words)

    def replaced(self) -> Words:
        """An import of a list that is there."""
        self.comity.done("policy", "import", "games", self.list(), "--kind", "words")
        return "policy", "import", "games", self.list("roulette\n"), "--kind", "words"

    def forgotten(self) -> Words:
        """A list that is there."""
        self.comity.done("policy", "import", "slurs", self.list(), "--kind", "words")
        return "policy", "forget", "slurs"

    def rolled_back(self) -> Words:
        """A version that is there."""
        self.comity.done("policy", "set", self.policy(), "--yes")
        return "policy", "rollback", 0


#: Every command that asks, by name: what is typed, with whatever has to be there first.
ASKING: dict[str, list[Callable[[Place], Words]]] = {
    "site change": [lambda _: ("site", "change", "blog", "--origin", THERE, "--title", "Ours")],
    "key revoke": [lambda at: at.made("key", "add")],
    "token revoke": [lambda at: at.made("token", "add", "me", "--admin")],
    "user revoke": [lambda at: at.made("user", "add", "Ann", "--everywhere", "lead")],
    "policy set": [lambda at: ("policy", "set", at.policy())],
    "policy rollback": [Place.rolled_back],
    "policy import": [Place.replaced],
    "policy forget": [Place.forgotten],
    "ban lift": [lambda at: ("ban", "lift", at.ban())],
    "webhook change": [
        lambda at: ("webhook", "change", at.webhook(), "--disable"),
        lambda at: ("webhook", "change", at.webhook(), "--url", URL + "/new"),
        lambda at: ("webhook", "change", at.webhook(), "--event", "comment.rejected"),
    ],
    "webhook remove": [lambda at: ("webhook", "remove", at.webhook())],
    "webhook rotate": [lambda at: ("webhook", "rotate", at.webhook())],
    "webhook drop": [
        lambda at: ("webhook", "drop", at.webhook()),
        lambda at: ("webhook", "drop", (one := at.webhook()), "--delivery", at.world.rows(
            "SELECT id FROM comity.delivery WHERE endpoint_id = %s", one)[0][0]),
    ],
}  # fmt: skip
CASES = [pytest.param(make, id=f"{name} {at}") for name, makes in ASKING.items() for at, make in enumerate(makes)]
_EVERYTHING = "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {} t"


@pytest.fixture(scope="module")
def place(
    new_database: Callable[[], str], servers: embedded.Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One service for all tests: each makes what it ends."""
    world = World.make(new_database(), servers.broker_url)
    yield Place(terminal(world.owner_url, world.broker_url), world, tmp_path_factory.mktemp("files"))
    world.close()


def everything(world: World) -> dict[str, Any]:
    """All rows of what commands change; threads of the service change some others at any time."""
    tables = [name for (name,) in world.rows(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('comity', 'contacts') "
        "AND tablename NOT IN ('job', 'pulse', 'presence', 'hit') ORDER BY 1"
    )]  # fmt: skip
    return {name: world.rows(_EVERYTHING.format(name))[0][0] for name in tables}


def asks(command: click.Command) -> bool:
    """Whether a command has the option --yes."""
    return any("--yes" in parameter.opts for parameter in command.params)


def test_every_command_that_ends_or_replaces_something_asks() -> None:
    """By its verb: it has --yes, and stands in the table of this file; `restore` has a test of its own below."""
    named = {name for name in COMMANDS if name.split()[-1] in VERBS}
    assert named == {name for name, command in COMMANDS.items() if asks(command)} == {*ASKING, "restore"}


@pytest.mark.parametrize("make", CASES)
def test_what_ends_or_replaces_something_asks(place: Place, states: list[str], make: Callable[[Place], Words]) -> None:
    """Without a terminal and without --yes nothing is changed, and the exit code says so.

    Nobody is asked inside a transaction: the server ends one that is idle for ten seconds, and people think for longer.
    """
    words = make(place)
    states.clear()
    before = everything(place.world)
    asked = place.comity(*words)
    assert (asked.code, asked.out) == (Exit.UNASKED, "")
    assert "there is no terminal to ask at, so add --yes" in asked.err
    assert everything(place.world) == before
    place.comity.done(*words, "--yes")
    assert everything(place.world) != before
    assert states == ["idle", "idle"]


def test_what_takes_nothing_away_is_done_without_a_question(place: Place) -> None:
    """Another title, an origin more, an event more, an endpoint that is disabled already."""
    comity, webhook_id = place.comity, place.webhook()
    url = place.url(webhook_id)
    comity.done("site", "change", "blog", "--origin", HERE, "--yes")
    assert comity.done("site", "change", "blog", "--title", "Ours", "--origin", HERE, "--origin", THERE).err == ""
    for words in (
        ("--description", "ours"), ("--url", url), ("--event", "comment.*"), ("--event", "comment.*", "--scores"),
    ):  # fmt: skip
        assert comity.done("webhook", "change", webhook_id, *words).err == ""
    place.world.execute("UPDATE comity.endpoint SET url = 'http://10.0.0.1/' WHERE id = %s", webhook_id)
    comity.done("webhook", "change", webhook_id, "--disable", "--yes")  # also where it may not lead any more
    assert comity.done("webhook", "change", webhook_id, "--disable").err == ""
    assert comity.done("webhook", "change", webhook_id, "--enable").err == ""


def test_a_question_says_what_goes(place: Place) -> None:
    """By name, before it is gone."""
    webhook_id = place.webhook()
    url = place.url(webhook_id)
    place.comity.done("site", "change", "blog", "--origin", HERE, "--yes")
    asked = place.comity("site", "change", "blog", "--origin", THERE).err
    assert f"Pages of {HERE} will read and send no comments of site blog any more." in asked
    change = ("webhook", "change", webhook_id, "--disable", "--url", f"{url}/new", "--event", "comment.rejected")
    asked = place.comity(*change).err
    assert f"{url} will be told nothing until it is enabled again" in asked
    assert f"Messages go to {url}/new instead of {url}, those that wait included." in asked
    assert "It is not told of comment.published any more." in asked


def test_what_is_gone_when_the_answer_comes_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody removed the endpoint while somebody else was asked: a sentence, and nothing else happens."""
    ask = confirm.ask

    def meanwhile(what: str, yes: bool) -> None:
        ask(what, yes)
        place.world.execute("UPDATE comity.endpoint SET removed_at = now(), url = ''")

    monkeypatch.setattr(confirm, "ask", meanwhile)
    for words in (("remove",), ("rotate",), ("drop",), ("change", "--disable")):
        answer = place.comity("webhook", words[0], place.webhook(), *words[1:], "--yes")
        assert (answer.code, "There is no such endpoint" in answer.err) == (Exit.NOTHING, True)

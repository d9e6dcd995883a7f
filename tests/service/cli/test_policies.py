"""Policies at the command line: checked, tested, tried, put in force, compared, rolled back; word lists."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service import word_lists
from service.cli.exits import Exit
from service.domain.matching import Lexicon, words
from service.evidence import normal
from service.store import lists, sites
from service.store.database import single
from service.web.policy_schemas import NewList
from tests.service.cli.conftest import Terminal
from tests.world import World

Write = Callable[[str], Path]
CASINO = """\
rules:
  - rule: match
    name: casino
    words: [casino*, poker room]
    then: reject
    reason: spam
  - rule: scores
examples:
  - body: What a lovely article, thank you for it.
    expect: publish
  - body: The best CAS1NO in town
    expect: reject
"""
WRONG = CASINO.replace("expect: reject", "expect: publish")


def test_a_file_is_checked_without_a_database(comity: Terminal, write: Write) -> None:
    """What is wrong has its line, what is doubtful too."""
    nowhere = {"COMITY_DATABASE_URL": None}
    fine = comity.done("policy", "check", write(CASINO), **nowhere)
    assert fine.out.endswith("is a policy: 2 rules, 2 examples, 0 doubts.\n")
    file = write(CASINO.replace("[casino*, poker room]", "[the, casino*]"))
    doubtful = comity.done("policy", "check", file, **nowhere).out
    assert f"{file}:2: the rule match: casino holds 'the', which stands in ordinary comments" in doubtful
    told = comity.done("policy", "check", file, "--json", **nowhere).data
    assert (told["ok"], told["warnings"][0]["line"]) == (True, 2)

    file = write(CASINO.replace("then: reject", "then: explode"))
    bad = comity("policy", "check", file, **nowhere)
    assert (bad.code, bad.out) == (Exit.NOTHING, "")
    assert bad.err == f"{file}:5: /rules/0/then: must be one of flag, reject\n"
    told = comity("policy", "check", file, "--json", **nowhere)
    assert (told.code, told.data["errors"][0]["place"]) == (Exit.NOTHING, "/rules/0/then")


def test_its_lists_are_looked_for_in_a_site_that_is_named(at_world: Terminal, write: Write, tmp_path: Path) -> None:
    """Without a site they are taken for granted, and that is said."""
    file = write(CASINO.replace("words: [casino*, poker room]", "lists:\n      - bad words"))
    assert "Its lists were not looked at" in at_world.done("policy", "check", file).out
    missing = at_world("policy", "check", file, "--site", "blog")
    assert missing.code == Exit.NOTHING
    assert missing.err == f"{file}:5: /rules/0/lists/0: the site has no list 'bad words': import it first\n"
    assert at_world("policy", "set", file, "--yes").err == missing.err

    (tmp_path / "bad.txt").write_text("casino*\n")
    at_world.done("policy", "import", "bad words", tmp_path / "bad.txt", "--kind", "words")
    assert "0 doubts" in at_world.done("policy", "check", file, "--site", "blog").out
    assert "2 of 2" in at_world.done("policy", "test", file, "--site", "blog").out


def test_examples_are_judged(comity: Terminal, write: Write) -> None:
    """By the model that is shipped, without a database; disguises do not help."""
    nowhere = {"COMITY_DATABASE_URL": None}
    fine = comity.done("policy", "test", write(CASINO), **nowhere)
    assert fine.out == "2 of 2 examples get the verdict they expect.\n"
    file = write(WRONG)
    wrong = comity("policy", "test", file, **nowhere)
    line = f"{file}:12: /examples/1/expect: expected publish, got reject by the rule match: casino\n"
    assert (wrong.code, wrong.out) == (Exit.NOTHING, f"{line}1 of 2 examples get the verdict they expect.\n")
    told = comity("policy", "test", file, "--json", **nowhere)
    assert (told.code, told.data["failed"], told.data["errors"][0]["line"]) == (Exit.NOTHING, 1, 12)
    assert "no examples" in comity.done("policy", "test", write("rules:\n  - rule: scores\n"), **nowhere).out


def test_a_broken_model_is_said_to_be_one(comity: Terminal, write: Write, tmp_path: Path) -> None:
    """Rather than taken for a failed example."""
    answer = comity("policy", "test", write(CASINO), COMITY_MODEL=str(tmp_path / "none.model"))
    assert (answer.code, "none.model" in answer.err) == (Exit.DATA, True)


def test_a_policy_is_put_in_force_compared_and_rolled_back(at_world: Terminal, world: World, write: Write) -> None:
    """With a preview and a question; who, when and why stay on record."""
    file = write(CASINO)
    asked = at_world("policy", "set", file)
    assert asked.code == Exit.UNASKED
    assert "+    name: casino" in asked.err
    assert "This becomes the policy of site blog" in asked.err
    assert "never had another" in at_world.done("policy", "history").out

    stored = at_world.done("policy", "set", file, "--note", "no games", "--yes", "--json").data
    assert (stored["version"], stored["note"], stored["created_by"]) == (1, "no games", "cli")
    made = world.submit(body="Come to our casino")
    world.settle()
    assert world.status(made)["status"] == "rejected"

    at_world.done("policy", "set", write("rules:\n  - rule: scores\n"), "--yes")
    assert [row["version"] for row in at_world.done("policy", "history", "--json").rows] == [2, 1]
    assert "no games" in at_world.done("policy", "history").out
    assert "-    name: casino" in at_world.done("policy", "diff", 1, 2).out
    assert at_world.done("policy", "diff", 1, write(CASINO), "--json").data["same"] is True

    assert at_world("policy", "rollback", 1).code == Exit.UNASKED
    assert at_world.done("policy", "rollback", 1, "--yes", "--json").data["note"] == "back to version 1"
    assert at_world.done("policy", "rollback", 0, "--yes").out == "Version 4 is the policy of blog now.\n"
    for asking in (
        ("policy", "rollback", "9", "--yes"),
        ("policy", "show", "--version", "9"),
        ("policy", "diff", "9", "1"),
    ):
        answer = at_world(*asking)
        assert (answer.code, answer.out) == (Exit.NOTHING, "")
        assert answer.err.startswith("Site blog never had a policy of version 9: `comity policy history`")


def test_what_is_shown_is_a_file(at_world: Terminal, write: Write) -> None:
    """`comity policy show > policy.yaml` begins a repository's copy."""
    at_world.done("policy", "set", write(CASINO), "--yes")
    file = write(at_world.done("policy", "show").out)
    assert at_world.done("policy", "diff", 1, file).out == "There is no difference.\n"
    shown = at_world.done("policy", "show", "--json").data
    assert (shown["version"], shown["policy"]["rules"][0]["name"]) == (1, "casino")


def test_a_policy_with_a_failing_example_is_not_put_in_force(at_world: Terminal, write: Write) -> None:
    """As the API has it."""
    answer = at_world("policy", "set", write(WRONG), "--yes")
    assert (answer.code, "expected publish, got reject" in answer.err) == (Exit.NOTHING, True)
    assert at_world.done("policy", "history", "--json").rows == []


def test_a_policy_is_tried_on_the_past(at_world: Terminal, world: World, write: Write) -> None:
    """What would change, against what moderators decided; nothing is saved."""
    file = write(CASINO)
    assert "Nothing would change for the last 0" in at_world.done("policy", "try", file).out
    made = [world.published(body=f"Come to casino number {number}") for number in range(3)]
    world.decide(made[0], "reject", reason="spam")
    told = at_world.done("policy", "try", file).out
    assert "1 more" not in told
    assert "3 more rejected that were published; moderators had rejected 1 of them." in told
    assert made[0]["id"] in told
    data = at_world.done("policy", "try", file, "--last", 2, "--json").data
    assert (data["total"], data["same"], data["changes"][0]["count"]) == (2, 0, 2)
    assert at_world.done("policy", "history", "--json").rows == []


# Lists ---------------------------------------------------------------------------------------------------------------


def test_a_list_is_imported_replaced_and_forgotten(at_world: Terminal, write: Write, tmp_path: Path) -> None:
    """Counted, with the reason for every line that was not taken."""
    file = tmp_path / "words.txt"
    file.write_text("# bad words\ncasino*\nPOKER room\npoker  room # again\n\n!!!\nhttp://x.example\n???\nviag*ra\n")
    said = at_world.done("policy", "import", "games", file, "--kind", "words")
    assert said.out.splitlines() == [
        "List games of site blog has 2 words now (version 1).",
        "1 line says what another one says: dropped.",
        "2 lines were refused: an entry must hold a letter or digit (first on line 6).",
        "1 line was refused: an entry must be words, not an address, link, number or name: links go to domains (first "
        "on line 7).",
        "1 line was refused: an entry may have a * only at the end of a single word (first on line 9).",
    ]
    file.write_text("spam.example\n*.Bad.example\nno domain\n")
    asked = at_world("policy", "import", "games", file, "--kind", "domains")
    assert asked.code == Exit.UNASKED
    assert "List games of site blog has 2 words; 2 domains take their place." in asked.err
    made = at_world.done("policy", "import", "games", file, "--kind", "domains", "--yes", "--json").data
    assert (made["version"], made["entries"], made["created_by"]) == (2, 2, "cli")
    assert made["refused"] == [{"why": "must be a domain, such as spam.example", "count": 1, "first_line": 3}]
    assert "games" in at_world.done("policy", "lists").out

    at_world.done(
        "policy",
        "set",
        write(CASINO.replace("words: [casino*, poker room]", "lists: [games]").partition("examples")[0]),
        "--yes",
    )
    named = at_world("policy", "forget", "games", "--yes")
    assert (named.code, "names this list" in named.err) == (Exit.CONFLICT, True)
    at_world.done("policy", "rollback", 0, "--yes")
    assert at_world("policy", "forget", "games").code == Exit.UNASKED
    at_world.done("policy", "forget", "games", "--yes")
    assert at_world("policy", "forget", "games", "--yes").code == Exit.NOTHING
    gone = at_world("policy", "rollback", 1, "--yes")
    assert (gone.code, "names the list 'games', which is gone" in gone.err) == (Exit.NOTHING, True)


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        (b"!!!\n???\n", Exit.DATA, "has no entry that can be taken"),
        (b"caf\xe9\n", Exit.DATA, "is not UTF-8"),
    ],
)
def test_a_file_without_entries_changes_nothing(
    at_world: Terminal, tmp_path: Path, content: bytes, code: Exit, sentence: str
) -> None:
    """And says why."""
    file = tmp_path / "words.txt"
    file.write_bytes(content)
    answer = at_world("policy", "import", "games", file, "--kind", "words")
    assert (answer.code, sentence in answer.err) == (code, True)
    assert at_world.done("policy", "lists", "--json").rows == []


def test_more_than_a_million_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on entries, not on lines."""
    monkeypatch.setattr(word_lists, "ENTRIES_MOST", 10)
    assert len(word_lists.read(["casino"] * 50, "words", lambda _: None).lexicon) == 1
    with pytest.raises(word_lists.TooMany):
        word_lists.read([f"casino {'abcdefghijk'[number]}" for number in range(11)], "words", lambda _: None)


@pytest.mark.parametrize(
    "entry", ["casino", "casino*", "Poker Room", "a b c", "a b*", "viagra", "ONLINE pharmacy", "lol", "x" * 91]
)
def test_what_is_seen_at_a_glance_is_what_the_schema_says(entry: str) -> None:
    """The quick way takes no entry that the API would refuse, and keeps it as the API would."""
    found = word_lists.read([entry], "words", lambda _: None)
    wrong = NewList().validate({"words": [entry]})
    assert bool(found.refused) == bool(wrong)
    if not wrong:
        assert found.lexicon.dump() == Lexicon.of([entry], normal).dump()


def test_a_million_words_are_imported_and_asked_in_no_time(at_world: Terminal, world: World, tmp_path: Path) -> None:
    """Asking costs a few microseconds a comment (measured: 5). The bound of 20 is the issue's; the median keeps what
    other processes take of the machine out of it, and the bound on the import, five times what it takes on an idle
    machine, only tells a list that is read one by one from one that is not.
    """
    letters = "abcdefghij"
    file = tmp_path / "million.txt"
    with file.open("w") as target:
        for number in range(1_000_000):
            target.write("q" + "".join(letters[int(digit)] for digit in f"{number:06}") + "\n")
    began = time.monotonic()
    made = at_world.done("policy", "import", "million", file, "--kind", "words", "--json").data
    assert made["entries"] + made["doubles"] == 1_000_000
    assert time.monotonic() - began < 90
    with single(world.owner_url, "command") as connection:
        _, lexicon = lists.load(connection, sites.site_named(connection, "blog").id, "million")
    comment = words(normal("I bought the book after reading your review and finished it in two days."))
    assert lexicon.find(comment) is None
    times = []
    for _ in range(2_000):
        start = time.perf_counter()
        lexicon.find(comment)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 20e-6

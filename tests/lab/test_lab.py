"""The failure lab in its shortest form, and the proof that its own parts do what they say."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import checker, nemeses, table
from tests.lab.campaign import run
from tests.lab.campaigns import BY_NAME, SHORT
from tests.lab.checker import Facts
from tests.lab.journal import FAIL, OK, UNKNOWN, Entry, Journal
from tests.lab.laboratory import Lab, laboratory
from tests.lab.mutants import MUTANTS, copy, hunt

FACTOR = 0.002
QUICK = ("no CAS", "no UNIQUE")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Servers for all campaigns of this module."""
    with laboratory() as made:
        yield made


@pytest.mark.parametrize("name", SHORT)
def test_a_campaign_finds_nothing(lab: Lab, name: str) -> None:
    """Hurt in its own way, the service keeps what it promises."""
    row = run(BY_NAME[name], lab, FACTOR)
    assert row.outcome.findings == [], table.line(row)


@pytest.mark.parametrize("name", QUICK)
def test_a_mutant_is_caught(name: str) -> None:
    """A guarantee that is taken away is missed, by name."""
    found = hunt(next(one for one in MUTANTS if one.name == name))
    assert found.by, found.said


def test_every_mutant_fits_the_code(tmp_path: Path) -> None:
    """Each patch finds its place exactly once, so that none has quietly become a mutant of nothing."""
    copy(tmp_path)
    for mutant in MUTANTS:
        for patch in mutant.patches:
            text = (tmp_path / patch.path).read_text(encoding="utf-8")
            assert text.count(patch.old) == 1, f"{mutant.name}: {patch.path}"
    assert len({one.name for one in MUTANTS}) == 12


def test_a_clock_that_is_wrong() -> None:
    """What a shifted process reads, and what it does not."""
    code = "import time, datetime as d; print(time.time(), d.datetime.now(d.UTC).timestamp(), time.monotonic())"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env={**os.environ, **nemeses.clock(1)}, capture_output=True, text=True, check=True)
    wall, moment, monotonic = map(float, done.stdout.split())
    assert abs(wall - time.time() - 3600) < 60
    assert abs(moment - time.time() - 3600) < 60
    assert abs(monotonic - time.monotonic()) < 60


# Each invariant on a history that breaks it: the checker is not to be believed otherwise ------------------------------

_COMMENT, _OTHER = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
_SENT = Entry("submit", OK, 10.0, 10.1, 202, "1", _COMMENT)
_REVIEW = Entry("review", OK, 20.0, 20.1, 200, "note", _COMMENT, version=3, action="reject")
_DECIDED = checker.Decision(_COMMENT, 1, "published", "", 2, 11.0)
_REJECTED = checker.Decision(_COMMENT, 2, "rejected", "note", 3, 20.0)
_GOOD = Facts(
    entries=[_SENT, _REVIEW, Entry("read", OK, 12.0, 12.1, 200, shown=[_COMMENT])],
    rows=lambda *_: [],
    files=[],
    broker=b"",
    numbers={"1": [_COMMENT]},
    submits={"1": [_SENT]},
    decisions={_COMMENT: [_DECIDED, _REJECTED]},
)
_FAILED = replace(_SENT, outcome=FAIL, status=409, comment="")
_LOST = replace(_SENT, outcome=UNKNOWN, status=0, comment="")
_READ = Entry("read", OK, 30.0, 30.1, 200, shown=[_COMMENT])

BROKEN = {
    "every ok exists once": {"numbers": {}},
    "every unknown exists 0 or 1 times": {"numbers": {"1": [_COMMENT, _OTHER]}, "submits": {"1": [_LOST]}},
    "what was refused does not exist": {"submits": {"1": [_FAILED]}},
    "one comment per key": {"submits": {"1": [_SENT, _FAILED]}},
    "no comment that nobody sent": {"numbers": {"1": [_COMMENT], "2": [_OTHER]}},
    "each moderator's ok once in the record, and no 409": {"decisions": {_COMMENT: [_DECIDED]}},
    "no public read outside the approved span": {"entries": [_SENT, _REVIEW, _READ]},
    "no look across sites": {"entries": [Entry("trespass", OK, 1.0, 1.1, 409, comment=_COMMENT)]},
    "no answer 500": {"entries": [replace(_LOST, status=500)]},
    "no address outside the vault": {"entries": [replace(_SENT, leak=True)]},
    "no body in a log": {"broker": checker.BODY},
    "the receiver saw each event with identical bytes": {
        "delivered": [("1", b"a"), ("1", b"b")],
        "told": frozenset("1"),
    },
}


def test_a_history_that_keeps_everything() -> None:
    """Nothing is found in it."""
    assert checker.check(_GOOD) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_history_that_breaks_an_invariant(name: str) -> None:
    """It is found, under the name of the invariant, and nothing else is."""
    found = checker.check(replace(_GOOD, **BROKEN[name]))
    assert {one.invariant for one in found} == {name}


def test_every_invariant_of_the_clients_is_tried() -> None:
    """There is a broken history for each."""
    assert list(BROKEN) == [name for name in checker.names() if name not in checker.history.INVARIANTS]


def test_a_409_that_took_effect_is_found() -> None:
    """A moderator who was told that somebody was first is not in the record."""
    entries = [_SENT, replace(_REVIEW, outcome=FAIL, status=409)]
    [found] = checker.check(replace(_GOOD, entries=entries))
    assert found.invariant == "each moderator's ok once in the record, and no 409"


def test_the_journal_gives_back_what_was_written(tmp_path: Path) -> None:
    """Entry by entry, from its file."""
    journal = Journal(tmp_path / "history.jsonl")
    dice = random.Random(1)
    written = [replace(one, began=dice.random()) for one in (_SENT, _REVIEW, _READ, _LOST)]
    for one in written:
        journal.note(one)
    assert list(journal.entries()) == written
    assert journal.taken == [_COMMENT]
    journal.close()

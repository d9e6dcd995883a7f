"""What the lab is made of: its HTTP, its look at memory, its record of what was run."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import memory, table, wire
from tests.lab.campaign import Outcome, Row
from tests.lab.campaigns import BY_NAME
from tests.lab.checker import Finding
from tests.lab.mutants import MUTANTS, Caught
from tests.lab.record import CHANGED, Ran, Record, commit

ANSWER = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"id": "one"}'
THEN = Ran("0123456789", 0.1, "2026-11-25")
ROW = Row(BY_NAME["moderators"], Outcome("10 rounds", "9 of 10", [Finding("exactly one success each", "two")]), 2.0)


def test_an_answer_is_one_when_all_of_it_has_come() -> None:
    """Whatever pieces it comes in; what hangs up after it says so."""
    assert [wire.reply(ANSWER[:count]) for count in range(len(ANSWER))] == [None] * len(ANSWER)
    whole = wire.reply(ANSWER)
    assert whole is not None
    assert (whole.status, whole.content, whole.ends) == (202, {"id": "one"}, False)
    last = wire.reply(ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert last is not None
    assert last.ends


@pytest.mark.parametrize("come", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_what_is_no_answer_of_ours_is_not_taken_for_one(come: bytes) -> None:
    """Nor is one that does not say how long it is."""
    with pytest.raises(ConnectionError):
        wire.reply(come)


def test_a_slope_is_not_bent_by_what_comes_and_goes() -> None:
    """100 MB that grow by one in five minutes, with a child that is replaced now and then."""
    seen = [(float(at), 100 + at / 300 + (40 if at % 60 < 5 else 0)) for at in range(300)]
    assert memory.slope(seen) == pytest.approx(0.01, rel=0.02)


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """What was run stands, at the same commit and size, with all that was found; else it is said why not."""
    Record(tmp_path / "kept").add(ROW, THEN)
    kept = Record.read(tmp_path / "kept")
    assert kept.rows == {"moderators": ROW}
    assert not kept.good
    assert kept.why("moderators", replace(THEN, day="2026-11-26")) == ""
    assert kept.why("moderators", replace(THEN, factor=1.0)) == "it ran at 10 % of the full size, this is 100 %"
    assert kept.why("moderators", replace(THEN, commit="abc")) == "it ran at 0123456789, this is abc"
    assert kept.why("deciders", THEN) == "it was not run yet"
    changed = replace(THEN, commit=THEN.commit + CHANGED)
    kept.add(ROW, changed)
    assert "not committed" in kept.why("moderators", changed)


def test_a_page_written_between_two_rows_is_no_change_of_the_code(tmp_path: Path) -> None:
    """Only what changes the code makes another commit of it; where there is no history, none is named."""

    def committed(name: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
        for words in (["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", name]):
            subprocess.run(["git", *words], cwd=tmp_path, check=True)
        return commit(tmp_path)

    assert commit(tmp_path) == ""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    first = committed("service/a.py")
    assert len(first) == 10
    assert committed("docs/a.md") == first
    (tmp_path / "service/a.py").write_text("two")
    assert commit(tmp_path) == first + CHANGED
    assert committed("tests/a.py") not in ("", first)


def test_a_page_says_at_which_size_each_row_ran(tmp_path: Path) -> None:
    """And of which commits, when the rows come from several runs."""
    record = Record(tmp_path / "kept")
    record.add(ROW, THEN)
    record.add(Row(BY_NAME["deciders"], Outcome("5 comments", "none twice"), 1.0), Ran("abc", 1.0, "2026-11-26"))
    record.add(Caught(MUTANTS[0], ("only allowed edges",), 1.0, ""), Ran("abc", None, "2026-11-26"))
    page = table.page("the command", Record.read(tmp_path / "kept"))
    assert "| moderators | 10 % | 10 rounds |" in page
    assert "| deciders | 100 % | 5 comments |" in page
    assert "1 of commit 0123456789 on 2026-11-25" in page
    assert "2 of commit abc on 2026-11-26" in page


def test_a_file_of_somebody_else_is_not_gone_on_from(tmp_path: Path) -> None:
    """It is named, and left alone."""
    (tmp_path / "kept").write_text("[{}, {}]")
    with pytest.raises(ValueError, match="was not written by this lab"):
        Record.read(tmp_path / "kept")

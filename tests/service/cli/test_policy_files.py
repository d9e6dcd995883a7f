"""Policies as files: read by the core schema of YAML 1.2, every fault with its line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import policy_files
from service.domain import policies
from service.domain.policy import Policy
from service.domain.text import calm
from service.policy_files import Faulty

SCORES = "rules:\n  - rule: scores\n"
MATCH = f"{SCORES}  - rule: match\n    name: own\n"

#: A file, the line of its fault, the place, and what the sentence says.
FAULTS: dict[str, tuple[str | bytes, int, str, str]] = {
    "a key twice": (f"{SCORES}  - rule: links\n    most: 1\n    most: 2\n", 5, "/rules/1/most", "first on line 4"),
    "a tab at the start": ("rules:\n\t- rule: scores\n", 2, "", "indent with spaces"),
    "a tab after a colon": (f"{SCORES}  - rule: links\n    most:\t1\n\tx: 1\n", 4, "", "indent with spaces"),
    "an anchor": ("rules: &x\n  - rule: scores\n", 1, "/rules", "&x is an anchor"),
    "an alias": ("rules:\n  - *x\n", 2, "/rules/0", "*x is an alias"),
    "a bomb of aliases": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", 1, "/a", "&a is an anchor",
    ),
    "an anchor on a key": ("&k rules: []\n", 1, "", "is an anchor"),
    "a tag": ("rules: !!python/object/apply:os.system [ls]\n", 1, "/rules", "is a tag"),
    "a tag of a text": ("rules:\n  - rule: !!str scores\n", 2, "/rules/0/rule", "is a tag"),
    "a merge key": ("rules:\n  - <<: {a: 1}\n", 2, "/rules/0", "<< is a merge key"),
    "a number for a key": ("1: 2\n", 1, "", "put it in quotes"),
    "a list for a key": ("? [a]\n: b\n", 1, "", "a key is a word"),
    "two documents": ("rules: []\n---\nrules: []\n", 2, "", "a second document begins here"),
    "nothing": ("# nothing\n", 1, "", "is empty"),
    "a list": ("- rule: scores\n", 1, "", "must be a mapping"),
    "a text": ("scores\n", 1, "", "must be a mapping"),
    "a colon in a text": (f"{SCORES}  - rule: match\n    name: a: b\n", 4, "", "put the text in quotes"),
    "a missing colon": ("rules:\n  - rule: scores\nexamples\n", 3, "", "a colon is missing"),
    "another encoding": (b"rules:\n  - rule: scores # \xe4\n", 2, "", "is not UTF-8"),
    "a control character": ("rules:\n  - rule: \x07\n", 2, "", "U+0007"),
    "a bracket left open": ("rules: [\n  {rule: scores}\n", 1, "", "the bracket that opens here is not closed"),
    "a quote left open": ("rules:\n  - rule: 'scores\n", 2, "", "the quote that opens here is not closed"),
    "a wrong indent": (f"{SCORES}   - rule: links\n", 3, "", "is not aligned"),
    "a directive": ("%YAML 1.1\n---\nrules: []\n", 1, "", "begins with a line of %"),
    "too deep": ("rules: " + "[" * 3000, 1, "/rules/0/0/0/0/0/0/0/0/0/0", "more than 10 levels"),
    "not a number": (f"{SCORES}  - rule: audit\n    share: .nan\n", 4, "/rules/1/share", "is no number"),
    "without end": (f"{SCORES}  - rule: audit\n    share: -.INF\n", 4, "/rules/1/share", "is no number"),
    "a number of a thousand digits": (f"{SCORES}  - rule: links\n    most: {'9' * 1000}\n", 4, "/rules/1/most", "digits"),
    "a number for a word": (f"{MATCH}    words:\n      - casino\n      - 1234\n", 7, "/rules/1/words/1", "in quotes"),
    "an octal number for a word": (f"{MATCH}    words: [0o17]\n", 5, "/rules/1/words/0", "in quotes"),
    "true for a word": (f"{MATCH}    words: [True]\n", 5, "/rules/1/words/0", "in quotes"),
    "nothing for a word": (f"{MATCH}    words:\n      -\n", 6, "/rules/1/words/0", "must not be null"),
    "an unknown member": (f"{SCORES}    foo/bar: 1\n", 3, "/rules/0/foo~1bar", "is unknown here"),
    "an unknown rule": ("rules:\n  - rule: magic\n", 2, "/rules/0/rule", "must be one of closed_thread"),
    "a rule without kind": ("rules:\n  - rule: scores\n  - most: 1\n", 3, "/rules/1/rule", "must be one of"),
    "an unknown verdict": (f"{SCORES}examples:\n  - body: hi\n    expect: keep\n", 5, "/examples/0/expect", "publish"),
    "an example without verdict": (f"{SCORES}examples:\n  - body: hi\n", 4, "/examples/0/expect", "is missing"),
    "a pattern that RE2 refuses": (f"{MATCH}    patterns: ['(?=x)']\n", 5, "/rules/1/patterns/0", "RE2"),
    "a number as text": (f"{SCORES}  - rule: links\n    most: '3'\n", 4, "/rules/1/most", "must be a whole number"),
    "on for a flag of text": (f"{SCORES}  - rule: links\n    status: on\n", 4, "/rules/1/status", "draft, shadow, live"),
    "no rule of scores": ("rules:\n  - rule: links\n", 1, "/rules", "exactly once"),
    "thresholds crossed": (
        "rules:\n  - rule: scores\n    thresholds:\n      spam:\n        publish_below: .9\n        reject_above: 0.5\n",
        4, "/rules/0/thresholds/spam", "must not be above",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_line(name: str) -> None:
    """FILE:LINE: /place: what to change."""
    text, line, place, sentence = FAULTS[name]
    with pytest.raises(Faulty) as raised:
        policy_files.parse(text if isinstance(text, bytes) else text.encode())
    fault = raised.value.faults[0]
    assert (fault.line, fault.place) == (line, place)
    assert sentence in fault.text
    shown = fault.show("policy.yaml")
    assert shown.startswith(f"policy.yaml:{line}: {place + ': ' if place else ''}")


def test_all_faults_are_named_together_in_the_order_of_lines() -> None:
    """One run of `check` is enough."""
    text = f"{SCORES}    x: 1\n  - rule: links\n    most: many\n  - rule: audit\n    share: 7\n"
    with pytest.raises(Faulty) as raised:
        policy_files.parse(text.encode())
    assert [fault.line for fault in raised.value.faults] == [3, 5, 7]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "N", "12:30", "1_000", "2026-11-24", "0b1", "1e", "="])
def test_words_that_older_yaml_would_change_stay_text(word: str) -> None:
    """By the core schema only true, false, null and numbers are not text."""
    read = policy_files.parse(f"{MATCH}    words: [casino]\n    lists: [{word}]\n".encode())
    assert read.document["rules"][1]["lists"] == [word]


def test_a_file_of_another_system_is_read() -> None:
    """A byte order mark and Windows' line ends."""
    read = policy_files.parse(b"\xef\xbb\xbf" + SCORES.replace("\n", "\r\n").encode())
    assert read.document["rules"][0]["rule"] == "scores"


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    """Long lists are imported."""
    file = tmp_path / "large.yaml"
    file.write_bytes(b"#" * (policy_files.FILE_MOST + 1))
    with pytest.raises(Faulty, match="1 faults") as raised:
        policy_files.read(file)
    assert "comity policy import" in raised.value.faults[0].text


def test_what_is_written_is_read_again() -> None:
    """The built-in policy, and words that look like something else."""
    words = ["on", "no", "1234", "0o17", "1e3", "0x1f", "null", "~", "true", ".5", "12:30", "*star", "a: b", "# x", "-"]
    document = policies.write(Policy())
    document["rules"].append({"rule": "match", "name": "own", "lists": words, "words": ["casino*"]})
    again = policy_files.parse(policy_files.write(document).encode()).document
    assert again["rules"][-1]["lists"] == words
    assert len(again["rules"]) == len(document["rules"])


@given(st.text(min_size=1, max_size=20))
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    """Or refused by the schema; never changed."""
    written = policy_files.write({"rules": [{"rule": "scores"}], "examples": [{"body": text, "expect": "flag"}]})
    try:
        read: Any = policy_files.parse(written.encode("utf-8", "surrogatepass")).document
    except Faulty as error:
        assert [fault.place for fault in error.faults] in ([], [""], ["/examples/0/body"])
        return
    assert read["examples"][0]["body"] == calm(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_line(raw: bytes) -> None:
    """Nothing else ever happens."""
    try:
        policy_files.parse(raw)
    except Faulty as error:
        assert all(fault.line >= 1 for fault in error.faults)

"""Words, phrases, patterns and domains: found in any disguise the reading undoes, and only whole."""

import re

import marisa_trie
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.facts import Text
from service.domain.matching import (
    LONGEST_PHRASE,
    Lexicon,
    Matcher,
    PatternError,
    Patterns,
    compile_pattern,
    domain,
    words,
)
from service.evidence import normal

letters = st.text("abc", min_size=1, max_size=4)
phrases = st.lists(letters, min_size=1, max_size=4).map(" ".join)
texts = st.lists(letters, max_size=20).map(" ".join)


def plain(text: str) -> str:
    """Reading without undoing anything."""
    return text.lower()


@given(st.lists(phrases, max_size=8), texts)
def test_a_lexicon_finds_what_a_search_for_whole_words_finds(entries: list[str], text: str) -> None:
    """Compared with a regular expression of all entries."""
    found = Lexicon.of(entries, plain).find(words(text))
    expected = any(re.search(rf"(?:^| ){re.escape(entry)}(?: |$)", text) for entry in entries)
    assert (found is not None) is expected
    if found is not None:
        assert found in entries
        assert re.search(rf"(?:^| ){re.escape(found)}(?: |$)", text)


@given(st.lists(letters, max_size=5), texts)
def test_a_stem_stands_for_every_word_that_begins_so(stems: list[str], text: str) -> None:
    """`cas*` finds casino and cas, not occasion."""
    found = Lexicon.of([f"{stem}*" for stem in stems], plain).find(words(text))
    assert (found is not None) is any(word.startswith(stem) for stem in stems for word in text.split())


@given(st.lists(phrases | letters.map("{}*".format), max_size=8), texts)
def test_a_lexicon_survives_being_stored(entries: list[str], text: str) -> None:
    """Loaded again it is asked and answers the same."""
    made = Lexicon.of(entries, plain)
    again = Lexicon.load(made.dump())
    assert len(again) == len(made)
    assert again.find(words(text)) == made.find(words(text))


def test_a_phrase_longer_than_is_looked_for_is_left_out() -> None:
    """As is an entry without a word."""
    assert len(Lexicon.of([" ".join("a" * (LONGEST_PHRASE + 1)), "!!", "ok"], plain)) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one-two, three_four", ["one", "two", "three", "four"]),
        ("don't", ["don", "t"]),
        ("在线赌博ok", ["在", "线", "赌", "博", "ok"]),
        ("한국어 テスト", ["한국어", "テ", "ス", "ト"]),
        ("สวัสดี", list("สวัสดี".replace("\u0e31", "\u0e31"))),
        ("", []),
    ],
)
def test_words_are_cut_where_their_script_cuts_them(text: str, found: list[str]) -> None:
    """Scripts without spaces count each letter."""
    assert words(text) == found


def read(text: str) -> Text:
    """A text as a rule is asked about it."""
    return Text(text, normal(text))


def held(lexicon: Lexicon, text: str) -> bool:
    """Whether a rule of these words fires."""
    return Matcher(lexicons=(lexicon,)).find({"body": read(text)}, ()) is not None


CASINO = Lexicon.of(["casino", "poker room", "viag*"], normal)


@pytest.mark.parametrize(
    "text",
    ["@casino", "$casino", "casino$", "_casino_", "casino_", "http://x.example/casino", "http://casino.example/",
     "a_casino_b", "@poker_room", "$poker $room", "_POKER_ROOM_", "@viagra", "http://x.example/?q=viagra", "c.a.s.i.n.o",
     "c@sino", "CASINO", "\u24d2\u24d0\u24e2\u24d8\u24dd\u24de", "ca\u200bsino", "casino@x.example"],
)  # fmt: skip
def test_words_are_found_as_written_and_as_read(text: str) -> None:
    """What stands plainly for people is found as what is disguised."""
    assert held(CASINO, text)


@pytest.mark.parametrize("text", ["casinos", "occasino", "pokerroom", "viga", "casi no", "poker a room"])
def test_parts_of_words_are_no_words(text: str) -> None:
    """Only whole words, and only whole phrases."""
    assert not held(CASINO, text)


no_letters = st.characters(exclude_categories=["Cs"]).filter(lambda sign: not sign.isalnum())


@given(no_letters, no_letters, st.sampled_from(["casino", "Casino", "poker room", "viagra", "POKER room"]))
def test_a_word_between_any_two_signs_is_found(before: str, after: str, word: str) -> None:
    """Whatever stands beside it that is neither letter nor digit."""
    assert held(CASINO, f"{before}{word}{after}")
    assert held(CASINO, f"x{before}{word}{after}x")


@given(no_letters.map(lambda sign: f"poker{sign}room"))
def test_a_phrase_with_any_sign_between_its_words_is_found(text: str) -> None:
    """As it is written."""
    assert held(CASINO, text)


def test_lists_imported_with_underscores_find_what_they_found() -> None:
    """A list of release 0.5.0 keeps `free_money` as one word; one imported today, as a phrase; both find it."""
    old = Lexicon.load(_stored(phrases=["free_money"], stems=["buy_n"]))
    new = Lexicon.of(["free_money", "buy_n*"], normal)
    for lexicon in (old, new):
        assert held(lexicon, "get FREE_MONEY here")
        assert held(lexicon, "buy_now")
    assert held(new, "free money")
    assert not held(new, "buy now")


def _stored(phrases: list[str], stems: list[str]) -> bytes:
    return Lexicon(marisa_trie.Trie(phrases), marisa_trie.Trie([]), marisa_trie.Trie(stems)).dump()


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("spam.example", "spam.example"), ("a.b.spam.example", "spam.example"), ("notspam.example", None),
        ("spam.example.org", None), ("example", None), ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("", None),
    ],
)  # fmt: skip
def test_a_domain_stands_for_itself_and_all_below(host: str, found: str | None) -> None:
    """And for nothing that only ends alike."""
    assert Lexicon.of_domains(["*.Spam.example", "bücher.example"]).find_host(host) == found


def test_domains_have_one_form() -> None:
    """Whatever DNS cannot say stays as it is, and matches nothing."""
    assert [domain(one) for one in ("Spam.EXAMPLE.", "*.spam.example", "bücher.example", "a" * 70 + "ü.example")] == [
        "spam.example", "spam.example", "xn--bcher-kva.example", "a" * 70 + "ü.example",
    ]  # fmt: skip


# Patterns ------------------------------------------------------------------------------------------------------------

some_patterns = st.lists(
    st.sampled_from([r"\bab", "a+b", "^a", "c$", "[^abc ]", "b{2,3}", "(?:ab|ba)c", r"\w{4}", "x", "a.c"]), max_size=6
)


@given(some_patterns, texts)
def test_many_patterns_at_once_find_what_each_finds_alone(patterns: list[str], text: str) -> None:
    """The first of them in their order."""
    alone = [one for one in patterns if compile_pattern(one).search(text)]
    assert Patterns(patterns).find(text) == (alone[0] if alone else None)


@pytest.mark.parametrize(
    "pattern", ["(", "a)", "[z-a]", "a**", r"\1", "(?=a)", "(?<!a)b", "a{1001}", "(a{100}){100}", r"\p{Nothing}"]
)
def test_what_re2_does_not_take_is_refused(pattern: str) -> None:
    """With its own words for why."""
    with pytest.raises(PatternError, match=r"\w"):
        compile_pattern(pattern)
    with pytest.raises(PatternError):
        Patterns(["fine", pattern])


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a|aa)+$", "(.*)*b", r"(\w+\s?)+!", "(?:a?){40}a{40}"])
def test_no_pattern_takes_more_time_than_the_text_is_long(pattern: str) -> None:
    """Those that hang a backtracking engine for years answer at once."""
    text = "x" * 20_000 + "a" * 20_000
    Patterns([pattern] * 50).find(text)


@pytest.mark.parametrize(
    ("pattern", "impossible"),
    [
        ("a^b", True), ("$word", True), (r"buy\s$now", True), (r"[^\x00-\x{10ffff}]", True),
        ("^a", False), ("a$", False), ("a|^b", False), (r"\$5", False), (r"[$]5", False), ("x$|^y", False), ("(^a)", False),
    ],
)  # fmt: skip
def test_a_pattern_that_can_match_nothing_is_named(pattern: str, impossible: bool) -> None:
    """For the linter; what may match is never named."""
    assert Patterns([pattern]).impossible() == ([pattern] if impossible else [])


# Matchers ------------------------------------------------------------------------------------------------------------


def test_a_matcher_says_what_it_found_and_where() -> None:
    """Scopes in their order; patterns in the text as sent and as read; domains of links."""
    matcher = Matcher(
        ("body", "name"), (Lexicon.of(["casino"], plain),), (Lexicon.of_domains(["spam.example"]),), Patterns(["N0W"])
    )
    find = matcher.find
    assert find({"name": Text("Casino", "casino")}, ()).as_record() == {
        "kind": "word",
        "entry": "casino",
        "scope": "name",
    }  # type: ignore[union-attr]
    assert find({"body": Text("buy n0w", "buy now")}, ()).as_record() == {
        "kind": "pattern",
        "entry": "N0W",
        "scope": "body",
    }  # type: ignore[union-attr]
    assert find({}, ("www.spam.example",)).as_record() == {"kind": "domain", "entry": "spam.example", "scope": "link"}  # type: ignore[union-attr]
    assert find({"website": Text("casino", "casino")}, ("ham.example",)) is None

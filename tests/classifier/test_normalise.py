"""Many ways to write a word become one; nothing a visitor can send breaks that."""

from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifier import quiet
from classifier.acts import ACTS
from classifier.fold import fold
from classifier.normalise import FLAGS, Normalised, _strip_to_words, _Tape, align, normalise, normalise_all, span_of
from tests.classifier.samples import ANY_TEXT


@pytest.mark.parametrize(
    ("written", "text", "flags"),
    [
        ("You ARE an Idiot", "you are an idiot", ()),
        ("i d i o t", "idiot", ("xspaced",)),
        ("I.D.I.O.T  y o u", "idiot you", ("xspaced",)),
        ("you 1d10t and m0r0n", "you idiot and moron", ("xleet",)),
        ("what an a$$hole", "what an asshole", ("xleet",)),
        ("ｉｄｉｏｔ", "idiot", ("xstyled",)),
        ("𝖎𝖉𝖎𝖔𝖙 ⓘⓓⓘⓞⓣ 🅘🅓🅘🅞🅣", "idiot idiot idiot", ("xstyled",)),
        ("id\u200bi\u2060ot", "idiot", ("xhidden",)),
        ("i\u0336\u0337d\u0336i\u0336o\u0336t", "idiot", ("xstacked",)),
        ("іdіоt", "idiot", ("xglyph",)),
        ("idiooooot!!!!", "idioot!!", ("xstretch",)),
        ("id##t", "id**t", ("xmask",)),
        ("you @#$%!", "you <grawlix>", ("xgrawlix",)),
        ("STOP DOING THAT", "stop doing that", ("xcaps",)),
        ("go to shop(dot)com", "go to <url> shop com", ("xdot",)),
        ("http : / / shop . com", "<url> shop com", ("xdot",)),
        ("shop ( [dot] ) com", "<url> shop com", ("xdot",)),
        ("end ([.] here [.))", "end (.here [.))", ("xdot",)),
        ("see http://deal.xyz/a", "see <url> deal xyz", ("xcheap",)),
        ("see bit.ly/3xyz now", "see <url> bit ly now", ("xshort",)),
        ("ab.com cd.com ef.com gh.com", "<url> ab com <url> cd com <url> ef com <url> gh com", ("xurls", "xlinks")),
        ("café naïve Straße", "cafe naive strasse", ()),
    ],
)
def test_a_disguise_is_undone_and_flagged(written: str, text: str, flags: tuple[str, ...]) -> None:
    """A word in disguise reads like the word itself, and the disguise is on record."""
    assert normalise(written) == Normalised(text, flags)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("See https://www.Best-Shop.example/a?b=1!", "see <url> best shop example"),
        ("see best-shop.com, or not", "see <url> best shop com , or not"),
        ("write to jo.do@mail.example", "write to <email>"),
        ("call +44 20 7946 0000 now", "call <phone> now"),
        ("only $1,500 or 20 euros", "only <money> or <money>"),
        ("from 192.0.2.17 again", "from <ip> again"),
        ("thanks @somebody", "thanks @user"),
    ],
)
def test_an_address_becomes_a_token_that_keeps_what_matters(written: str, text: str) -> None:
    """Links keep the words of their host; mail, phone, money, machine and user become one word each."""
    assert normalise(written) == Normalised(text, ())


@pytest.mark.parametrize(
    "text",
    ["the 3rd at 10am", "covid19 and mp3", "h264, i18n, k8s, p2p", "e.g. this", "we said it.then left", "and/or",
     "version 1.2.3", "2 + 2 = 4", "don't", "c'est la vie", "a b", "node.js is ok"],
)  # fmt: skip
def test_ordinary_writing_is_left_alone(text: str) -> None:
    """Times, versions, abbreviations and technical names are not disguises."""
    assert normalise(text) == Normalised(text, ())


def test_every_code_point_folds_once() -> None:
    """What a code point is folded into is folded already, for all of Unicode."""
    twice = [chr(code) for code in range(0x110000) if fold(folded := fold(chr(code))) != folded]
    assert twice == []


@given(ANY_TEXT)
@settings(max_examples=600)
def test_any_text_has_one_normal_form(text: str) -> None:
    """Normalising never raises, and what is normal stays as it is."""
    once = normalise(text)
    assert normalise(once.text).text == once.text
    assert once.text == " ".join(once.text.split())
    assert set(once.flags) <= set(FLAGS)


MANY_LAYERS = "([([([([([.])])])])])"


@pytest.mark.parametrize(
    "layers",
    [MANY_LAYERS, "[" * 60 + "dot" + "]" * 60, "(  ( [" * 9 + "d0t" + "]  ) )" * 9],
    ids=["ten", "sixty", "gaps"],
)
def test_layers_of_brackets_change_nothing_else(layers: str) -> None:
    """However many stand around a dot, they are one dot, and links, numbers and short words stay."""
    plain = "great 5* article 100% agree, i see <url> bbc co uk a.b"
    assert normalise(f"Great 5* article 100% agree, I see http://bbc.co.uk a {layers} b").text == plain


def test_the_last_resort_keeps_tokens() -> None:
    """Where a text never settles its links, addresses, amounts and users are still there."""
    kept = "<url> shop com <email> <ip> <money> <phone> <grawlix> @user"
    assert _strip_to_words(f"a 5* {kept},<url><ip> x@users <urls> b <a") == f"{kept} <url><ip> users urls"
    assert normalise(kept) == Normalised(kept, ())


@given(st.lists(ANY_TEXT, min_size=8, max_size=24))
@settings(max_examples=300)
def test_many_texts_read_as_each_alone(texts: list[str]) -> None:
    """Looking at a whole batch at once finds what looking at each text finds."""
    assert normalise_all(texts) == [normalise(text) for text in texts]


@given(st.text(alphabet="abdothxp.:/!?$0189 ()-[]*#%<>AZ\n\t", max_size=30))
@settings(max_examples=600)
def test_no_act_is_kept_out(text: str) -> None:
    """In a text before which a door is shut, the act behind it finds nothing."""
    shut = [act for number, act in enumerate(ACTS) if not quiet.doors([text])[0] >> number & 1]
    assert [edit for act in shut if act.gate(fold(text)) for edit in act.edits(fold(text))] == []


RESTLESS = MANY_LAYERS + " you dot are a dot stupid idiot 😀 faggot"


@given(ANY_TEXT)
@example(RESTLESS)
@settings(max_examples=600)
def test_alignment_tells_the_same_story(text: str) -> None:
    """The aligned form equals the normal form, and every character of it comes from a span of the original."""
    aligned, normalised = align(text), normalise(text)
    assert (aligned.text, aligned.flags) == (normalised.text, normalised.flags)
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(aligned.starts, aligned.ends, strict=True))


def test_words_of_a_text_that_never_settles_point_at_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word of what is left in the end is the normal form of the piece of the original that it points at."""
    monkeypatch.setattr("classifier.normalise._ROUNDS", 0)
    aligned = align(RESTLESS)
    assert aligned.text == normalise(RESTLESS).text == "you are stupid idiot faggot"
    at = 0
    for word in aligned.text.split():
        start, end = span_of(aligned, at, at + len(word))
        assert RESTLESS[start:end] == word
        at += len(word) + 1


@given(ANY_TEXT)
@settings(max_examples=300)
def test_the_last_resort_is_aligned_too(text: str) -> None:
    """Stripped to words, with where they come from or without, a text is the same."""
    assert _Tape.fold(text).to_words().text == _strip_to_words(fold(text))


@given(ANY_TEXT)
@settings(max_examples=300)
def test_bare_words_are_beyond_every_act(text: str) -> None:
    """The last resort for a text that never settles is itself settled: no act finds anything in it."""
    bare = _strip_to_words(fold(text))
    assert [edit for act in ACTS for edit in act.edits(bare)] == []


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "1 ", "@", "a@", "http://", "a b ", "*", "a*", "[.]", "(dot)", "[", "([", "( ", "[.", ".]", "<url>", "!@#$", "1.1.", "$1", "\u200b", "аa",
     "e\u0301", "x-", " ", "\n", "<", "1(", "a$", "ab.cd/", "\ud800", "a.b@", "+1", "dot com "],
)  # fmt: skip
def test_no_text_takes_long(unit: str) -> None:
    """64 KiB of anything is read in well under a second of the processor's: no search is quadratic."""
    text = unit * ((64 << 10) // len(unit))
    start = process_time()
    normalise(text)
    assert process_time() - start < 1.0

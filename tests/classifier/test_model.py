"""Scores: one per text, in order, the same in every company; and the shipped model has learned something."""

import threading
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import LABELS, Model, Scores, load, probes
from classifier.model import DEFAULT
from tests.classifier.samples import ANY_TEXT

TOXIC = (
    "you are a pathetic idiot and everybody hates you", "shut up you stupid moron", "go to hell, asshole",
    "what a worthless piece of shit you are", "nobody wants your dumb opinion, loser", "f u c k  y o u",
)  # fmt: skip
FRIENDLY = (
    "Thank you for the clear explanation, it helped me a lot.", "I disagree, the second chart shows the opposite.",
    "Has anybody tried this recipe with rye flour?", "The bridge was closed last winter, if I remember well.",
    "My son loved the drawing of the whale.", "There is a typo in the third paragraph.",
)  # fmt: skip
SPAM = (
    "Buy cheap viagra online without prescription http://best-pills-shop.xyz",
    "I made $5,000 last week working from home! Join now: http://easy-cash.top/?ref=77",
    "Great article! Visit my site for cheap SEO backlinks and guest posts http://rank-fast.site",
    "Best online casino bonus 200% free spins click here http://lucky-casino.win",
    "Contact Dr. Zaza the powerful spell caster on WhatsApp +1 555 010 9999, he brought my ex back",
)
HAM = (
    *FRIENDLY,
    "The documentation is at https://docs.python.org/3/library/re.html, look for lookbehind.",
    "I wrote about the same problem on my blog, with measurements.",
)


@given(st.lists(ANY_TEXT, min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_a_score_does_not_depend_on_company(small: Model, texts: list[str], random: object) -> None:
    """Any text has the same scores alone and in any batch, in any order."""
    alone = {text: small.score([text])[0] for text in texts}
    shuffled = sorted(texts, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert small.score(shuffled) == [alone[text] for text in shuffled]


def test_long_batches_keep_order(small: Model) -> None:
    """More texts than fit one chunk come back one for one."""
    texts = [f"you are {'an idiot' if at % 3 else 'a gardener'} {'x' * (at % 700)}" for at in range(3000)]
    assert small.score(texts) == [score for text in texts for score in small.score([text])]


def test_threads_agree(small: Model) -> None:
    """One model serves many threads at once."""
    texts = [*TOXIC, *FRIENDLY, *SPAM] * 20
    expected = small.score(texts)
    answers: list[list[Scores]] = []
    threads = [threading.Thread(target=lambda: answers.append(small.score(texts))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8


def test_no_texts_no_scores(model: Model) -> None:
    """An empty batch has an empty answer."""
    assert model.score([]) == []


@given(ANY_TEXT)
@settings(max_examples=200)
def test_any_text_has_probabilities(model: Model, text: str) -> None:
    """Scoring never raises; a score is None for all labels or a probability with six decimals for all."""
    scores = model.score([text])[0]
    values = [getattr(scores, label) for label in LABELS]
    assert values.count(None) in (0, len(LABELS))
    assert all(value is None or (0 <= value <= 1 and value == round(value, 6)) for value in values)


def test_a_model_says_who_it_is(model: Model) -> None:
    """The version holds the digest of the file, the digest is the one `sha256sum` prints."""
    assert model.sha256 == sha256(DEFAULT.read_bytes()).hexdigest()
    assert model.version == f"2026.11-{model.sha256[:8]}"
    assert load(str(DEFAULT)).version == model.version


def test_the_card_is_about_the_shipped_model(model: Model) -> None:
    """Who retrains also writes the new version, and with it the new figures, into the card."""
    assert f"`{model.version}`" in (DEFAULT.parent / "CARD.md").read_text(encoding="utf-8")


def test_the_shipped_model_is_small() -> None:
    """The files of the model take at most 3 MB together."""
    assert sum(path.stat().st_size for path in DEFAULT.parent.iterdir()) <= 3 << 20


def test_the_small_model_learned_its_words(small: Model) -> None:
    """Trained on invented comments, a model tells their insults and offers from the rest."""
    rude, offer, fine = small.score(
        ["you are a moron, the bread and the river are music for coffee",
         "buy loans now at http://loans-shop.example/ the bread and the river", "the bread and the river are music"]
    )  # fmt: skip
    assert rude.toxicity is not None
    assert rude.toxicity > 0.5 > max(offer.toxicity or 0, fine.toxicity or 0)
    assert (offer.spam or 0) > 0.5 > max(rude.spam or 0, fine.spam or 0)


@pytest.mark.parametrize("text", TOXIC)
def test_insults_are_toxic(model: Model, text: str) -> None:
    """Plain abuse is above 0.5."""
    assert (model.score([text])[0].toxicity or 0) > 0.5


@pytest.mark.parametrize("text", SPAM)
def test_offers_are_spam(model: Model, text: str) -> None:
    """What nobody asked for is above 0.5."""
    assert (model.score([text])[0].spam or 0) > 0.5


@pytest.mark.parametrize("text", HAM)
def test_ordinary_comments_pass(model: Model, text: str) -> None:
    """Ordinary comments, also with a link, are below 0.5 for every label."""
    scores = model.score([text])[0]
    assert max(getattr(scores, label) for label in LABELS) < 0.5


@pytest.mark.parametrize("texts", [probes.NEUTRAL_IDENTITY, probes.SHORT_COMMENTS])
def test_naming_people_and_being_brief_is_no_offence(model: Model, texts: tuple[str, ...]) -> None:
    """Neutral sentences that name a group of people, and short comments, stay below 0.5 for every label."""
    odds = [[getattr(score, label) for label in LABELS] for score in model.score(texts)]
    accused = [text for text, values in zip(texts, odds, strict=True) if max(values) >= 0.5]
    assert accused == []


def test_a_disguised_insult_is_still_toxic(model: Model) -> None:
    """Leet, spaces, full width, look-alikes and hidden marks do not save an insult."""
    disguised = ["you 1d10t", "you i d i o t", "you ｉｄｉｏｔ", "you іdіоt", "you id\u200biot", "you idiooooot"]
    missed = [s for s, score in zip(disguised, model.score(disguised), strict=True) if (score.toxicity or 0) < 0.5]
    assert missed == []

"""Scores: one per text, in order, the same in every company; and the shipped model has learned something."""

import threading
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import LABELS, Model, Scores, evaluate, load, probes
from classifier.groups import GROUPS, Group
from classifier.model import DEFAULT
from classifier.train import RELEASE
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
    """The digest is the one `sha256sum` prints of the main file; the version holds one of the digests of all files."""
    assert model.sha256 == sha256(DEFAULT.read_bytes()).hexdigest()
    others = sorted(path for path in DEFAULT.parent.glob("*.model") if path != DEFAULT)
    digests = [sha256(path.read_bytes()).hexdigest() for path in (DEFAULT, *others)]
    assert model.version == f"{RELEASE}-{sha256(''.join(digests).encode()).hexdigest()[:8]}"
    assert load(str(DEFAULT)).version == model.version


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_cards_are_about_the_shipped_model(model: Model, group: Group) -> None:
    """Who retrains also writes the cards anew: each names the version, the digest of its file, and its plot."""
    card = (DEFAULT.parent / group.card).read_text(encoding="utf-8")
    assert f"`{model.version}`" in card
    assert sha256((DEFAULT.parent / group.file).read_bytes()).hexdigest() in card
    assert (DEFAULT.parent / f"calibration-{group.name}.svg").name in card


def test_the_shipped_model_is_small() -> None:
    """The file of a language takes at most 3 MB, all together 6."""
    sizes = [path.stat().st_size for path in DEFAULT.parent.glob("*.model")]
    assert len(sizes) == len(GROUPS)
    assert max(sizes) <= 3_000_000
    assert sum(sizes) <= 6_000_000


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


def test_being_brief_is_no_offence(model: Model) -> None:
    """Short comments stay below 0.5 for every label."""
    odds = [[getattr(score, label) for label in LABELS] for score in model.score(probes.SHORT_COMMENTS)]
    accused = [text for text, values in zip(probes.SHORT_COMMENTS, odds, strict=True) if max(values) >= 0.5]
    assert accused == []


def test_naming_people_is_no_offence(model: Model) -> None:
    """Of neutral sentences that name a group of people at most 3 in 100 are above 0.5, and one in four for any group."""
    (table, _) = evaluate.identity(model)
    (_, _, mean, _, worst) = table.rows[0]
    assert isinstance(mean, float) and mean <= 0.03
    assert isinstance(worst, float) and worst <= 0.25


def test_a_disguised_insult_is_still_toxic(model: Model) -> None:
    """Leet, spaces, full width, look-alikes and hidden marks do not save an insult."""
    disguised = ["you 1d10t", "you i d i o t", "you ｉｄｉｏｔ", "you іdіоt", "you id\u200biot", "you idiooooot"]
    missed = [s for s, score in zip(disguised, model.score(disguised), strict=True) if (score.toxicity or 0) < 0.5]
    assert missed == []

"""More rows to learn from: disguised insults, words quoted to object to them, people named without malice.

Which words are toxic is counted from the rows themselves; there is no word list here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log
from random import Random

from classifier.data import Row
from classifier.disguise import disguise_to_learn, words_in
from classifier.scores import LABELS

DISGUISED, DISGUISED_SPAM = "disguised", "disguised_spam"
COUNTER_SPEECH, NEUTRAL_IDENTITY = "counter_speech", "neutral_identity"

_SPAM, _TOXICITY = LABELS.index("spam"), LABELS.index("toxicity")
_NOTHING: tuple[int | None, ...] = (0,) * len(LABELS)
_TOXIC_COPIES = 1.5
_SPAM_COPIES = 1.0
_TYPO_COPIES = 0.6
_LEAST_SEEN = 8
_CLEARLY = 1.5
_QUOTED_WORDS = 120

_OBJECTIONS = (
    'Please do not call people "{}".', "Nobody should be called {}, online or anywhere else.",
    "He called me a {} and I reported him.", 'The word "{}" is a slur and we remove it here.',
    "I was called {} at school and it still hurts.", "Moderators deleted the comment that said {}.",
    "Saying {} to someone is never acceptable.", 'What does "{}" mean? I read it in the article.',
    "They shouted {} at my sister on the bus, which was awful.", 'Stop using "{}" as an insult.',
    "The court ruled that {} was an insult in this context.", "My grandmother remembers being called {}.",
    "The article explains why {} is an offensive term.", "I blocked someone who kept writing {}.",
    'She asked the crowd not to chant "{}".', "Quoting the tweet: {}. The minister has apologised for it.",
)  # fmt: skip

_PEOPLE = (
    "gay", "lesbian", "bisexual", "transgender", "trans", "queer", "straight", "black", "white", "asian",
    "african", "african american", "latino", "latina", "hispanic", "mexican", "chinese", "japanese", "indian",
    "arab", "european", "american", "canadian", "native american", "indigenous", "muslim", "jewish",
    "christian", "catholic", "protestant", "buddhist", "hindu", "sikh", "atheist", "female", "male", "old",
    "older", "young", "elderly", "middle aged", "blind", "deaf", "disabled", "paralyzed", "autistic",
    "immigrant", "refugee", "nonbinary", "homosexual", "heterosexual",
)  # fmt: skip
_NOUNS = ("person", "woman", "man", "couple", "friend", "teacher", "writer", "family", "nurse", "colleague",
          "student", "community", "neighbour", "actor", "voter", "people", "kids", "artist")  # fmt: skip
_NEUTRAL = (
    "I am {a} and I live in {place}.", "My {n} is {p}.", "She is a proud {p} {n}.", "I am {a} {n}.",
    "He grew up in a {p} household.", "As {a} {n} I found this {good}.", "The {p} {n} next door is {good}.",
    "Our town has a large {p} community.", "Being {p} is part of who I am.", "The film is about a {p} {n}.",
    "I work with several {p} people.", "The new mayor is {p}.", "Many {p} readers liked the {thing}.",
    "My wife is {p} and so are our children.", "There is a {p} {n} in the {thing}.", "{p} people live here too.",
    "I'm {p}.", "Are you {p}?", "The author, {a} {n}, wrote a {good} {thing}.", "You are {a} {n}.",
    "We talked about {p} history at school.", "Is there a {p} group in {place}?", "I know a {p} {n}.",
    "I love my {p} {n}.", "{p} rights are human rights.", "The {thing} was made by {p} {n}s.",
    "He is {p}, she is {q}.", "{p} and {q} people work together in {place}.", "What a {good} {p} {n}!",
    "I am a {p} {n}, happy to be here and to answer questions.", "My best friends are {p}.",
)  # fmt: skip
_FILLERS = {
    "place": ("Leeds", "the city", "Ohio", "our village", "Lagos", "this street"),
    "good": ("kind", "helpful", "interesting", "wonderful", "quiet", "brilliant"),
    "thing": ("book", "article", "show", "photo", "song", "recipe", "report"),
}


def augment(rows: Sequence[Row], seed: int) -> list[Row]:
    """New rows made from `rows` and from templates; the same for the same arguments."""
    random = Random(seed)
    odds = telling_odds(rows, _TOXICITY)
    return [
        *_disguised(rows, odds, random),
        *_disguised_spam(rows, telling_odds(rows, _SPAM), random),
        *_counter_speech(odds, random),
        *_neutral_identity(random),
    ]


def telling_odds(rows: Sequence[Row], column: int) -> dict[str, float]:
    """How many times likelier (natural log, smoothed) each word is in rows with label `column` than in others."""
    with_it: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for row in rows:
        label = row.labels[column]
        if label is not None:
            (with_it if label else without).update(words_in(row.text))
    total, other_total = sum(with_it.values()) + 1, sum(without.values()) + 1
    return {
        word: log((seen + 1) / total) - log((without[word] + 1) / other_total)
        for word, seen in sorted(with_it.items())
        if seen + without[word] >= _LEAST_SEEN
    }


def worst_words(text: str, odds: dict[str, float]) -> list[str]:
    """The words of `text` that clearly tell a label by `odds`, worst first."""
    found = [word for word in words_in(text) if odds.get(word, 0.0) > _CLEARLY]
    return sorted(found, key=lambda word: (-odds[word], word))


def _disguised(rows: Iterable[Row], odds: dict[str, float], random: Random) -> Iterable[Row]:
    for row in rows:
        if row.labels[_TOXICITY] == 1:
            yield from _copies(row, worst_words(row.text, odds)[:3], _TOXIC_COPIES, DISGUISED, random)
        elif row.labels[_TOXICITY] == 0:
            found = words_in(row.text)
            yield from _copies(row, random.sample(found, min(2, len(found))), _TYPO_COPIES, DISGUISED, random)


def _disguised_spam(rows: Iterable[Row], odds: dict[str, float], random: Random) -> Iterable[Row]:
    for row in rows:
        if row.labels[_SPAM] == 1:
            yield from _copies(row, worst_words(row.text, odds)[:4], _SPAM_COPIES, DISGUISED_SPAM, random)


def _copies(row: Row, words: Sequence[str], mean: float, family: str, random: Random) -> Iterable[Row]:
    """`mean` copies of a row on average, each with `words` in a disguise of its own."""
    for _ in range(int(mean + random.random()) if words else 0):
        text = disguise_to_learn(row.text, words, random)
        yield Row(text, row.labels, row.source, family, row.split)


def _counter_speech(odds: dict[str, float], random: Random) -> Iterable[Row]:
    worst = sorted(odds, key=lambda word: (-odds[word], word))[:_QUOTED_WORDS]
    for word in worst:
        for sentence in random.sample(_OBJECTIONS, len(_OBJECTIONS) // 2):
            yield Row(sentence.format(word), _NOTHING, COUNTER_SPEECH, COUNTER_SPEECH, "train")


def _neutral_identity(random: Random) -> Iterable[Row]:
    for people in _PEOPLE:
        for sentence in _NEUTRAL * 2:
            noun = random.choice(_NOUNS)
            article = "an" if people[0] in "aeiou" else "a"
            filled = {name: random.choice(choices) for name, choices in _FILLERS.items()}
            text = sentence.format(p=people, q=random.choice(_PEOPLE), n=noun, a=f"{article} {people}", **filled)
            yield Row(text, _NOTHING, NEUTRAL_IDENTITY, NEUTRAL_IDENTITY, "train")

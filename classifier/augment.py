"""More rows to learn from: disguised insults, words quoted to object to them, people named without malice.

Which words are toxic is counted from the rows themselves; there is no word list here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log
from random import Random

from classifier.data import Row
from classifier.disguise import LEARNED, disguise, words_in
from classifier.scores import LABELS

DISGUISED, COUNTER_SPEECH, NEUTRAL_IDENTITY = "disguised", "counter_speech", "neutral_identity"

_TOXICITY = LABELS.index("toxicity")
_NOTHING: tuple[int | None, ...] = (0,) * len(LABELS)
_TOXIC_SHARE = 0.5
_TYPO_SHARE = 0.04
_LEAST_SEEN = 8
_CLEARLY_TOXIC = 1.5
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
    odds = toxic_odds(rows)
    return [
        *_disguised(rows, odds, random),
        *_counter_speech(odds, random),
        *_neutral_identity(random),
    ]


def toxic_odds(rows: Sequence[Row]) -> dict[str, float]:
    """How many times likelier (natural log, smoothed) each word is in a toxic row than in another."""
    toxic: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for row in rows:
        label = row.labels[_TOXICITY]
        if label is not None:
            (toxic if label else other).update(words_in(row.text))
    toxic_total, other_total = sum(toxic.values()) + 1, sum(other.values()) + 1
    return {
        word: log((seen + 1) / toxic_total) - log((other[word] + 1) / other_total)
        for word, seen in sorted(toxic.items())
        if seen + other[word] >= _LEAST_SEEN
    }


def worst_words(text: str, odds: dict[str, float]) -> list[str]:
    """The words of `text` that are clearly toxic by `odds`, worst first."""
    found = [word for word in words_in(text) if odds.get(word, 0.0) > _CLEARLY_TOXIC]
    return sorted(found, key=lambda word: (-odds[word], word))


def _disguised(rows: Iterable[Row], odds: dict[str, float], random: Random) -> Iterable[Row]:
    for row in rows:
        if row.labels[_TOXICITY] == 1 and random.random() < _TOXIC_SHARE:
            words = worst_words(row.text, odds)[:3]
        elif row.labels[_TOXICITY] == 0 and random.random() < _TYPO_SHARE:
            found = words_in(row.text)
            words = random.sample(found, min(2, len(found)))
        else:
            continue
        if words:
            text = disguise(row.text, words, random.choice(LEARNED), random)
            yield Row(text, row.labels, row.source, DISGUISED, row.split)


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

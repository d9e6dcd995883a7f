"""Comments to measure with: ordinary English of ordinary length, the same in every run."""

import random
from collections.abc import Iterator

_SUBJECTS = (
    "the recipe", "this article", "my neighbour", "the second part of the post", "our old camera", "the garden",
    "that bus line", "the author", "the new library", "an earlier comment here", "the film", "the whole town council",
    "the repair guide", "her first book", "the winter market", "this little trick", "the train from the coast",
    "the sourdough starter", "a friend of mine", "the last paragraph",
)  # fmt: skip
_VERBS = (
    "explains", "misses", "reminds me of", "works better than", "belongs to", "goes well with", "depends on",
    "looks different from", "was written before", "costs more than", "arrived long after", "made me think about",
    "has nothing to do with", "should come before", "fits", "beats", "is close to", "takes longer than",
)  # fmt: skip
_OBJECTS = (
    "what I learned at school", "a warm evening in autumn", "the old version", "the numbers in the table",
    "half of the suggestions", "a cup of coffee", "what the photos show", "the weather on that day",
    "the map on the wall", "a careful reading", "my own experience", "the first three steps", "an honest review",
    "the size of the kitchen", "the sound of the river", "the plan from last year", "a good pair of shoes",
)  # fmt: skip
_OPENINGS = (
    "I think",
    "In my opinion",
    "To be honest",
    "As far as I know",
    "Every spring",
    "Thank you,",
    "Well,",
    "Yes,",
)
_CLOSINGS = (
    "so I will try it again.",
    "and that is fine.",
    "but I may be wrong.",
    "at least here.",
    "which is good to know.",
)


def body(chance: random.Random, number: int) -> str:
    """A comment of about 45 words; `number` makes it one of its kind."""
    sentences = [
        f"{chance.choice(_OPENINGS)} {chance.choice(_SUBJECTS)} {chance.choice(_VERBS)} {chance.choice(_OBJECTS)} "
        f"{chance.choice(_CLOSINGS)}"
        for _ in range(3)
    ]
    return " ".join([*sentences[:2], f"I noted it on page {number}.", sentences[2]])


def bodies(count: int, repeats: float = 0.2, seed: int = 1) -> Iterator[str]:
    """`count` comments; this share of them is an earlier one with a word put in."""
    chance = random.Random(seed)
    earlier: list[str] = []
    for number in range(count):
        if earlier and chance.random() < repeats:
            words = chance.choice(earlier).split()
            words.insert(chance.randrange(len(words)), "really")
            yield " ".join(words)
            continue
        made = body(chance, number)
        earlier.append(made)
        yield made

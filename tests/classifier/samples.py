"""Invented comments: enough to train a small model on, and texts nobody should send."""

import csv
import gzip
import io
from pathlib import Path
from random import Random

import pytest
from hypothesis import strategies as st

from classifier.disguise import WAYS
from classifier.scores import LABELS

_HARMLESS = (
    "garden", "kitchen", "river", "bread", "music", "winter", "bicycle", "teacher", "island", "pepper", "library",
    "coffee",
)  # fmt: skip
_RUDE = ("idiot", "moron", "loser", "clown")
_SOLD = ("casino", "pills", "loans", "followers")

ANY_TEXT = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="ab c.4@$!*-|/dotcm\n\u200b\ud800ѕаé\uff21", max_size=80),
    st.text(alphabet=st.characters(), max_size=40),
    st.lists(
        st.sampled_from(
            ["f u c k", "h t t p : / /", "x.com", "a.b", "[.]", "dot", " com", "1.2.3.4", "$5", "n1ce", "w0w!", "@me",
             "\u202ebad", "B A D", "sooooo", "#$%!", "a@b.co", "+44 20 7946 0000", "А", "𝖇𝖆𝖉", "🇬🇧", "xleet", "<url>"]
        ),
        max_size=12,
    ).map(" ".join),
    st.lists(
        st.sampled_from(["abc", ".", "dot", "com", "http", "://", "@", "0", "1", "$", "*", "\n", "", " "]), max_size=25
    ).map("".join),
)  # fmt: skip
"""Ordinary and hostile texts: lone surrogates, marks of no width, other scripts, things the acts look for."""


def rows(count: int, seed: int) -> list[dict[str, str]]:
    """Labelled comments of two families: `talk` (toxicity and its kinds) and `ads` (spam)."""
    random = Random(seed)
    return [_talk(random, at) if at % 2 else _ad(random, at) for at in range(count)]


def _sentence(random: Random) -> str:
    return "the {} and the {} are {} for {}".format(*random.choices(_HARMLESS, k=4))


def _talk(random: Random, at: int) -> dict[str, str]:
    rude = random.random() < 0.4
    text = f"you are a {random.choice(_RUDE)}, {_sentence(random)}" if rude else _sentence(random)
    labels = {label: str(int(rude)) for label in LABELS} | {"spam": ""}
    return _row(text, labels, "talk", at)


def _ad(random: Random, at: int) -> dict[str, str]:
    sold = random.random() < 0.4
    thing = random.choice(_SOLD)
    text = f"buy {thing} now at http://{thing}-shop.example/ {_sentence(random)}" if sold else _sentence(random)
    return _row(text, dict.fromkeys(LABELS, "") | {"spam": str(int(sold))}, "ads", at)


def _row(text: str, labels: dict[str, str], family: str, at: int) -> dict[str, str]:
    split = "dev" if at % 5 == 0 else "train"
    return {"text": text, **labels, "source": family, "family": family, "split": split, "lang": "en"}


def write_data(directory: Path, made: list[dict[str, str]]) -> None:
    """Write rows as `FAMILY.csv.gz` files."""
    directory.mkdir(parents=True, exist_ok=True)
    for family in sorted({row["family"] for row in made}):
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, fieldnames=list(made[0]))
        writer.writeheader()
        writer.writerows(row for row in made if row["family"] == family)
        (directory / f"{family}.csv.gz").write_bytes(gzip.compress(buffer.getvalue().encode("utf-8"), mtime=0))


def ways_used(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A set that fills with the names of the ways in which words are disguised from now on."""
    used: set[str] = set()
    for name, way in WAYS.items():

        def noted(word: str, random: Random, name: str = name, way: object = way) -> str:
            used.add(name)
            return way(word, random)  # type: ignore[operator, no-any-return]

        monkeypatch.setitem(WAYS, name, noted)
    return used

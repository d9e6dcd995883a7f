"""The groups of languages that have a table of their own."""

from dataclasses import dataclass

from classifier.scores import LABELS


@dataclass(frozen=True, slots=True)
class Group:
    """One table: its name, the ISO 639 code of what it reads, where its data lie, and the labels it may have.

    folder: below the data directory; "" for the directory itself.
    """

    name: str
    language: str
    folder: str
    labels: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of the model file."""
        return f"{self.name}.model"

    @property
    def card(self) -> str:
        """The name of the model card beside it."""
        return "CARD.md" if self.name == ENGLISH.name else f"CARD-{self.name}.md"


_TOXIC = tuple(label for label in LABELS if label != "spam")

ENGLISH = Group("english", "en", "", LABELS)
GROUPS = (
    ENGLISH,
    Group("german", "de", "multilingual", _TOXIC),
    Group("portuguese", "pt", "multilingual", _TOXIC),
    Group("korean", "ko", "multilingual", _TOXIC),
    Group("chinese", "zh", "multilingual", _TOXIC),
)
"""Spam is English alone: there is no ham in other languages to tell it from."""

LEAST_JUDGED = 25
"""A label has an opinion when at least so many dev rows have it, and as many have it not."""

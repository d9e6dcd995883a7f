"""All that a verdict may look at: plain data, gathered before any rule is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SCOPES = ("name", "body", "website")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a comment. plain: as it was sent. normal: as the classifier reads it, disguises undone."""

    plain: str
    normal: str


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban in force that fits a comment's author. what: "author", "domain" or "network". why: its reason."""

    id: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one comment when it is judged.

    scores: label to probability (None: the model has no opinion on that label); None where scoring failed. What is
    no probability (NaN, for one) counts as failed.
    links: links in the body. hosts: hosts that body and website link to, broken dots mended.
    repeats: earlier comments of the site with the same text within the policy's window.
    likeness: the highest similarity (0..1) to an earlier comment of that window; 0 below what the policy asks for.
    length: characters of the body. verified: the website vouches for the author.
    domain_class: of the address: "free", "disposable", "own"; None where it is not known.
    first: the author has nothing published on this site. lot: a number in 0..1 that is the comment's own.
    held: the comment already waits for a moderator (its author edited it).
    exhausted: it was tried too often. unsure: a second look at it was due, and came to nothing.
    texts: by scope; empty where no rule reads them.
    """

    scores: Mapping[str, float | None] | None
    language: str = "unknown"
    links: int = 0
    hosts: tuple[str, ...] = ()
    repeats: int = 0
    likeness: float = 0.0
    length: int = 0
    thread_closed: bool = False
    verified: bool = False
    ban: Ban | None = None
    domain_class: str | None = None
    first: bool = False
    lot: float = 1.0
    held: bool = False
    exhausted: bool = False
    unsure: bool = False
    texts: Mapping[str, Text] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether the model gave scores, and nothing but probabilities."""
        if self.scores is None:
            return False
        for score in self.scores.values():  # noqa: SIM110 - asked several times of every comment
            if score is not None and not 0 <= score <= 1:
                return False
        return True

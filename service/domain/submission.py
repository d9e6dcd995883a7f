"""What a website hands in, validated and not yet stored."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Place:
    """The page a comment belongs to: by the site's own key, by its URL, or both (then the key decides)."""

    key: str | None
    url: str | None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class SealedContact:
    """What is kept of an e-mail address: sealed for the mailer, and two keyed indexes that only answer equality.

    sealed: HPKE ciphertext. key_id: which public key sealed it. author_index, domain_index: 16 bytes each.
    domain_class: "free", "disposable" or "own".
    """

    key_id: str
    sealed: bytes
    author_index: bytes
    domain_index: bytes
    domain_class: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A comment as it came in. The e-mail address itself is not part of it: only the sealed contact is."""

    id: UUID
    site_id: UUID
    place: Place
    name: str
    body: str
    contact: SealedContact
    digest: bytes
    parent_id: UUID | None = None
    website: str | None = None
    author_prefix: str | None = None
    user_agent: str | None = None
    referrer: str | None = None
    language: str | None = None
    submitted_at: datetime | None = None
    author_verified: bool = False
    notify: bool = False

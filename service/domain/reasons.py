"""Why a comment stands where it stands: one word for the record, one sentence for the public."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

LABELS = ("spam", "toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")


class Reason(StrEnum):
    """A public word, and the training label where it is one."""

    SPAM = "spam"
    TOXICITY = "toxicity"
    SEVERE_TOXICITY = "severe_toxicity"
    OBSCENE = "obscene"
    THREAT = "threat"
    INSULT = "insult"
    IDENTITY_ATTACK = "identity_attack"
    CLOSED_THREAD = "closed_thread"
    BANNED = "banned"
    BLOCKED = "blocked"
    TOO_MANY_LINKS = "too_many_links"
    REPEAT = "repeat"
    DISPOSABLE_EMAIL = "disposable_email"
    LANGUAGE = "language"
    NO_SCORE = "no_score"
    HELD = "held"
    FIRST_COMMENT = "first_comment"
    AUDIT = "audit"
    OFF_TOPIC = "off_topic"
    OTHER = "other"


#: What a moderator may give as a reason; the first seven are also training labels.
REVIEW_REASONS = (*(Reason(label) for label in LABELS), Reason.REPEAT, Reason.OFF_TOPIC, Reason.OTHER)
#: What a site's own rule may give as a reason.
MATCH_REASONS = (Reason.BLOCKED, *REVIEW_REASONS)

PUBLIC_WORDS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SPAM: "It looks like advertising.",
        Reason.TOXICITY: "It may drive others out of the discussion.",
        Reason.SEVERE_TOXICITY: "It may drive others out of the discussion.",
        Reason.OBSCENE: "Its language may be too coarse.",
        Reason.THREAT: "It may read as a threat.",
        Reason.INSULT: "It may read as an insult.",
        Reason.IDENTITY_ATTACK: "It may attack people for who they are.",
        Reason.CLOSED_THREAD: "The discussion was closed meanwhile.",
        Reason.BANNED: "This site takes no comments from its author.",
        Reason.BLOCKED: "It holds something that this site does not publish unread.",
        Reason.TOO_MANY_LINKS: "It holds many links.",
        Reason.REPEAT: "The same text was posted before.",
        Reason.DISPOSABLE_EMAIL: "A person has to read it.",
        Reason.LANGUAGE: "A person has to read its language.",
        Reason.NO_SCORE: "A person has to read it.",
        Reason.HELD: "A moderator is reading it.",
        Reason.FIRST_COMMENT: "A person reads an author's first comment here.",
        Reason.AUDIT: "A person has to read it.",
        Reason.OFF_TOPIC: "It does not belong to this discussion.",
        Reason.OTHER: "A moderator decided so.",
    }
)

"""The schema of policies: one shape for each kind of rule, checked whole, each fault with its place and remedy."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validates_schema

from service.domain.facts import SCOPES
from service.domain.matching import LONGEST_PHRASE, MOST_PATTERNS, PatternError, compile_pattern, domain, words
from service.domain.reasons import MATCH_REASONS
from service.domain.rules import KINDS, Status
from service.evidence import normal
from service.store.bans import WHATS
from service.web.fields import Choice, Email, Id, Items, Messages, Optional, Probability, Text, Time, Url, Whole
from service.web.schemas import BODY_MOST, NAME_MOST, OBJECT, WEBSITE_MOST, Incoming, Thresholds

RULES_MOST, WORDS_MOST, EXAMPLES_MOST = 200, 5_000, 200
_NAME = r"[a-z0-9][a-z0-9 _-]{0,62}"
STATUSES = tuple(str(status) for status in Status)
OUTCOMES = ("publish", "flag", "reject")
WHOM = ("comment_id", "email", "domain", "network")
IMPORTED_MOST = 100_000


class Entry(Text):
    """A word or phrase; `casino*` stands for every word that begins so."""

    def __init__(self) -> None:
        examples = ["casino", "poker room", "viag*"]
        super().__init__(least=1, most=100, metadata={"format": "words", "examples": examples})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        entry = super()._deserialize(value, attr, data, **kwargs)
        plain = entry.removesuffix("*")
        read = normal(plain)
        if not words(read):
            raise ValidationError("must hold a letter or digit")
        if "<" in read or "@" in read:
            raise ValidationError("must be words, not an address, link, number or name: links go to domains")
        if len(words(read)) > LONGEST_PHRASE:
            raise ValidationError(f"must have at most {LONGEST_PHRASE} words")
        if "*" in plain or (plain != entry and len(words(read)) > 1):
            raise ValidationError("may have a * only at the end of a single word")
        return entry


class Pattern(Text):
    """A regular expression of RE2: no look-around, no back-references, and time that grows with the text alone."""

    def __init__(self) -> None:
        super().__init__(least=1, most=500, metadata={"format": "re2", "examples": [r"\bcheap\s+pills?\b"]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        pattern = super()._deserialize(value, attr, data, **kwargs)
        try:
            compile_pattern(pattern)
        except PatternError as error:
            raise ValidationError(f"must be a pattern that RE2 takes ({error})") from None
        return pattern


_DOMAIN = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
_WHOLE_DOMAIN = re.compile(_DOMAIN)


class Domain(Text):
    """A domain; it stands for itself and all below it. Other scripts than Latin in their form for DNS (xn--...)."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"pattern": f"^{_DOMAIN}$", "examples": ["spam.example"], **kwargs.pop("metadata", {})}
        super().__init__(least=1, most=253, metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        given = super()._deserialize(value, attr, data, **kwargs)
        if _WHOLE_DOMAIN.fullmatch(given) is None:
            raise ValidationError("must be a domain, such as spam.example")
        return domain(given)


class Network(Text):
    """A network prefix, as narrow as anything that is kept of an author's address."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"format": "network", "examples": ["192.0.2.0/24"], **kwargs.pop("metadata", {})}
        super().__init__(least=1, most=50, metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        given = super()._deserialize(value, attr, data, **kwargs)
        if "%" in given:
            raise ValidationError("must be a network without a zone: leave out % and what follows up to the slash")
        try:
            network = ipaddress.ip_network(given, strict=False)
        except ValueError:
            raise ValidationError("must be a network, such as 192.0.2.0/24") from None
        widest, narrowest = (8, 24) if network.version == 4 else (16, 48)
        if not widest <= network.prefixlen <= narrowest:
            raise ValidationError(f"must have a prefix from /{widest} to /{narrowest}: nothing longer is kept")
        return str(network)


class _Rule(Incoming):
    """What the entries of all rules share."""

    status = Choice(STATUSES, load_default="live", metadata={"description": "draft is not asked, shadow only noted"})


class _Flagging(_Rule):
    then = Choice(("flag", "reject"), load_default="flag")


def _kind(name: str) -> fields.String:
    return Choice((name,), required=True)


class ClosedThreadRule(_Flagging):
    """The discussion was closed after the comment came in."""

    rule = _kind("closed_thread")


class BansRule(_Flagging):
    """The author, the domain of the address, or the network is banned."""

    rule = _kind("bans")
    then = Choice(("flag", "reject"), load_default="reject")


class MatchRule(_Flagging):
    """Words, phrases, patterns, link domains or imported lists of your own."""

    rule = _kind("match")
    name = Text(least=1, most=63, required=True, metadata={"pattern": f"^{_NAME}$", "examples": ["casino words"]})
    words = Items(Entry(), most=WORDS_MOST)
    patterns = Items(Pattern(), most=MOST_PATTERNS)
    domains = Items(Domain(), most=WORDS_MOST)
    lists = Items(Text(least=1, most=63), most=20, metadata={"description": "Names of imported lists"})
    in_ = Items(
        Choice(SCOPES),
        least=1,
        most=len(SCOPES),
        data_key="in",
        attribute="in",
        metadata={"description": "Where words are looked for"},
    )
    then = Choice(OUTCOMES[1:], load_default="flag")
    reason = Choice(tuple(str(reason) for reason in MATCH_REASONS), load_default="blocked")
    shape: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "array", "minItems": 1}}}
            for name in ("words", "patterns", "domains", "lists")
        ]
    }

    @validates_schema
    def _some(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.get(name) for name in ("words", "patterns", "domains", "lists")):
            raise ValidationError("needs words, patterns, domains or lists")


class LinksRule(_Flagging):
    """More links than `most`."""

    rule = _kind("links")
    most = Whole(0, 1000, load_default=3)


class RepeatsRule(_Flagging):
    """The same text, or nearly the same, on the site within some hours; texts shorter than `length` may repeat."""

    rule = _kind("repeats")
    hours = Whole(1, 24 * 30, load_default=24)
    length = Whole(1, BODY_MOST, load_default=20)
    similarity = Probability(load_default=0.8, metadata={"description": "1 holds exact repeats alone"})


class DisposableEmailRule(_Flagging):
    """The address is of a throw-away provider."""

    rule = _kind("disposable_email")


class LanguageRule(_Flagging):
    """The model was not measured on the comment's language. As a draft it lets the other rules decide alone."""

    rule = _kind("language")


class ScoresRule(_Rule):
    """The classifier's scores against thresholds. A policy has exactly one of these, and it is live."""

    rule = _kind("scores")
    status = Choice(("live",), load_default="live")
    thresholds = fields.Nested(Thresholds, load_default=dict, error_messages=OBJECT)


class FirstCommentRule(_Flagging):
    """The author has nothing published on this site yet."""

    rule = _kind("first_comment")


class AuditRule(_Rule):
    """A share of what would be published goes to a moderator."""

    rule = _kind("audit")
    then = Choice(("flag",), load_default="flag")
    share = Probability(load_default=0.01)


RULES: Mapping[str, type[_Rule]] = {
    "closed_thread": ClosedThreadRule, "bans": BansRule, "match": MatchRule, "links": LinksRule,
    "repeats": RepeatsRule, "disposable_email": DisposableEmailRule, "language": LanguageRule, "scores": ScoresRule,
    "first_comment": FirstCommentRule, "audit": AuditRule,
}  # fmt: skip
assert set(RULES) == set(KINDS)


class RuleEntry(fields.Field[Any]):
    """An entry of a policy: `rule` names its kind, which has a shape of its own."""

    default_error_messages: Messages = {"required": "is missing", "null": "must not be null"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValidationError("must be an object")
        kind = value.get("rule")
        shape = RULES.get(kind) if isinstance(kind, str) else None
        if shape is None:
            raise ValidationError({"rule": ["must be one of " + ", ".join(RULES)]})
        return shape().load(value)


class Example(Incoming):
    """A comment and the verdict it is to get; `comity policy test` and PUT judge it."""

    body = Text(least=1, most=BODY_MOST, lines=True, required=True)
    name = Text(least=1, most=NAME_MOST, load_default="Ann")
    website = Url(most=WEBSITE_MOST)
    expect = Choice(OUTCOMES, required=True)


class PolicyDocument(Incoming):
    """A site's policy: its rules in order; the first that fires wins. Without `rules`, the built-in ones."""

    rules = Items(RuleEntry(required=True), least=1, most=RULES_MOST)
    examples = Items(fields.Nested(Example, error_messages=OBJECT), most=EXAMPLES_MOST)


class Policy(PolicyDocument):
    """A policy to put in force. note: why, for whoever reads the versions."""

    note = Optional(most=300)


class PolicyTrial(Incoming):
    """A policy to be tried on the last decided comments; nothing is saved."""

    policy = fields.Nested(PolicyDocument, required=True, error_messages=OBJECT)
    last = Whole(1, 10_000, load_default=1000, metadata={"description": "So many comments, the newest first"})


class Rollback(Incoming):
    """An earlier version to put in force again."""

    version = Whole(0, 2**31 - 1, required=True)
    note = Optional(most=300)


class NewBan(Incoming):
    """Whom to ban: by a comment, or by an address, a domain or a network as such; one of the four."""

    comment_id = Id(metadata={"description": "Of this site: its author, domain or network, as `what` says"})
    what = Choice(WHATS, load_default="author", metadata={"description": "Of the comment"})
    email = Email(metadata={"description": "Only its keyed index is kept"})
    domain = Domain(metadata={"description": "Of addresses; not those below it"})
    network = Network(metadata={"description": "Of IPv4 /8 to /24, of IPv6 /16 to /48"})
    reason = Text(least=1, most=300, required=True)
    until = Time(allow_none=True, load_default=None, metadata={"description": "null: for good"})
    shape: ClassVar[Mapping[str, Any]] = {"oneOf": [{"required": [name]} for name in WHOM]}

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if len([name for name in WHOM if name in data]) != 1:
            raise ValidationError("needs exactly one of " + ", ".join(WHOM))


class NewList(Incoming):
    """Words and phrases, or domains. Longer lists are imported by the command `comity policy import`."""

    words = Items(Entry(), least=1, most=IMPORTED_MOST)
    domains = Items(Domain(), least=1, most=IMPORTED_MOST)
    shape: ClassVar[Mapping[str, Any]] = {"oneOf": [{"required": ["words"]}, {"required": ["domains"]}]}

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("needs either words or domains")


# Answers --------------------------------------------------------------------------------------------------------------


class WarningView(Schema):
    """What a policy probably does not mean. rule: whose it is."""

    rule = fields.String()
    text = fields.String()


class PolicyView(Schema):
    """A policy, every value spelt out; version 0 is the built-in one."""

    version = fields.Integer()
    policy = fields.Dict()
    created_by = fields.String(allow_none=True, metadata={"description": "The id of the token that put it"})
    created_at = Time(allow_none=True)
    note = fields.String(allow_none=True)
    warnings = fields.List(fields.Nested(WarningView))


class PolicyVersionView(Schema):
    """One version, without its content."""

    version = fields.Integer()
    created_by = fields.String(allow_none=True)
    created_at = Time(allow_none=True)
    note = fields.String(allow_none=True)


class PolicyVersions(Schema):
    """All policies a site ever had, newest first; the built-in one is version 0 and not among them."""

    versions = fields.List(fields.Nested(PolicyVersionView))


class TrialExample(Schema):
    """A comment that would have been decided otherwise."""

    comment_id = Id()
    rule = fields.String()
    reviewed = fields.String(allow_none=True, metadata={"description": "A moderator's last word on it"})


class TrialChange(Schema):
    """Comments that went one way and would go another."""

    was = fields.String(metadata={"enum": list(OUTCOMES)})
    would = fields.String(metadata={"enum": list(OUTCOMES)})
    count = fields.Integer()
    published = fields.Integer(metadata={"description": "Of them, those that moderators published"})
    rejected = fields.Integer(metadata={"description": "Of them, those that moderators rejected"})
    text = fields.String(attribute="sentence")
    examples = fields.List(fields.Nested(TrialExample))


class TrialView(Schema):
    """What a policy would make of the last decided comments."""

    total = fields.Integer()
    same = fields.Integer()
    changes = fields.List(fields.Nested(TrialChange))
    text = fields.List(fields.String(), attribute="sentences")
    warnings = fields.List(fields.Nested(WarningView))


class BanView(Schema):
    """A ban. label: by what people know it again; whom it means is kept as a keyed index alone."""

    id = Id()
    what = fields.String()
    label = fields.String()
    reason = fields.String()
    created_by = fields.String(allow_none=True)
    created_at = Time()
    until = Time(allow_none=True)
    ended = fields.Boolean()


class BanList(Schema):
    """A site's bans, newest first, ended ones included."""

    bans = fields.List(fields.Nested(BanView))


class ListView(Schema):
    """An imported list without its entries."""

    name = fields.String()
    kind = fields.String()
    entries = fields.Integer()
    version = fields.Integer()
    created_by = fields.String(allow_none=True)
    updated_at = Time()


class ListOfLists(Schema):
    """A site's imported lists by name."""

    lists = fields.List(fields.Nested(ListView))

"""What comes in and goes out. The same schemas check requests, allow-list answers and make the OpenAPI document."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing, validates_schema

from service.domain.lifecycle import State
from service.domain.reasons import LABELS, REVIEW_REASONS, Reason
from service.domain.urls import origin
from service.web.fields import (
    ORIGIN,
    Address,
    Choice,
    Cursor,
    Email,
    Flag,
    Id,
    Items,
    Key,
    Language,
    Messages,
    Optional,
    Probability,
    Text,
    Time,
    Url,
    Whole,
)

NAME_MOST, BODY_MOST, TITLE_MOST, KEY_MOST, WEBSITE_MOST = 100, 20_000, 300, 255, 300
NAME_MARKS, BODY_MARKS = 4, 8  # accents and the like on one character: no language needs more
STATES = tuple(str(state) for state in State)
SCOPES = ("submit", "read", "manage")
MODERATOR_RIGHTS = ("viewer", "moderator", "lead")
PAGE, PAGE_MOST = 50, 100
BATCH_MOST = 100
COUNTED_MOST = 100
COUNT_MOST, DAY = 10_000_000, 86_400


_NEEDED: Messages = {"required": "is missing", "null": "must not be null"}
OBJECT: Messages = {**_NEEDED, "type": "must be an object"}


class Incoming(Schema):
    """A request: a member it does not name is an error."""

    error_messages = {
        "unknown": "is unknown here: leave it out",
        "type": "must be an object",
    }
    #: What the OpenAPI document says of the whole object, besides its members.
    shape: ClassVar[Mapping[str, Any]] = {}

    class Meta:
        unknown = RAISE


class Place(Incoming):
    """The page that is commented on: by a key of yours, by its URL, or both."""

    key = Key(most=KEY_MOST, metadata={"description": "Your own id of the page; it decides when both are given"})
    url = Url(metadata={"description": "The page's URL, without fragment and tracking parameters"})
    title = Optional(most=TITLE_MOST, metadata={"description": "Kept where the thread has none yet"})
    shape: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}} for name in ("key", "url")
        ]
    }

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("key") and not data.get("url"):
            raise ValidationError("needs a key or a url")


class Name(Text):
    """The name under which a comment is shown."""

    def __init__(self, **kwargs: Any) -> None:
        words = f"At most {NAME_MARKS} marks on one character"
        super().__init__(least=1, most=NAME_MOST, marks=NAME_MARKS, **_described(words, kwargs))


class Body(Text):
    """A comment's text."""

    def __init__(self, **kwargs: Any) -> None:
        words = f"Plain text; HTML in it is text; at most {BODY_MARKS} marks on one character"
        super().__init__(least=1, most=BODY_MOST, lines=True, marks=BODY_MARKS, **_described(words, kwargs))


def _described(words: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "metadata": {"description": words, **kwargs.get("metadata", {})}}


class Submission(Incoming):
    """A comment, as a website hands it in for a visitor."""

    thread = fields.Nested(Place, required=True, error_messages=OBJECT)
    name = Name(required=True, metadata={"examples": ["Ann"]})
    email = Email(required=True, metadata={"description": "Never published, never returned"})
    body = Body(required=True)
    parent_id = Id(
        allow_none=True, load_default=None, metadata={"description": "The published comment this one answers"}
    )
    website = Url(most=WEBSITE_MOST, metadata={"description": "The author's own site; shown"})
    author_ip = Address()
    user_agent = Optional(most=512)
    referrer = Optional(most=2048)
    language = Language(metadata={"description": "Of the page"})
    submitted_at = Time(allow_none=True, load_default=None, metadata={"description": "When the visitor sent it"})
    author_verified = Flag(
        load_default=False, metadata={"description": "You vouch for the author, for example by a log-in"}
    )
    notify = Flag(load_default=False, metadata={"description": "The author wants to hear of replies"})


class Batch(Incoming):
    """Up to 100 comments; each is taken or refused for itself."""

    comments = Items(
        fields.Raw(allow_none=True, metadata={"description": "As for POST /v1/comments; each has its own answer"}),
        least=1,
        most=BATCH_MOST,
        required=True,
    )


class Revision(Incoming):
    """What the author changes; a member that is left out stays."""

    name = Name()
    body = Body()
    website = Url(most=WEBSITE_MOST, load_default=missing, metadata={"description": "Empty or null removes it"})
    shape: ClassVar[Mapping[str, Any]] = {"minProperties": 1}

    @validates_schema(pass_original=True)
    def _some(self, data: dict[str, Any], original: dict[str, Any], **_: Any) -> None:
        if not original:
            raise ValidationError("must hold at least one of name, body and website")


class ThreadChange(Incoming):
    """What changes about a thread; a member that is left out stays."""

    closed = Flag()
    title = Text(least=1, most=TITLE_MOST)
    shape: ClassVar[Mapping[str, Any]] = {"minProperties": 1}

    @validates_schema
    def _some(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("must hold closed, title, or both")


class Review(Incoming):
    """A moderator's decision on a comment, as they saw it."""

    action = Choice(("publish", "reject", "flag"), required=True)
    reason = Choice(tuple(str(reason) for reason in REVIEW_REASONS), allow_none=True, load_default=None)
    note = Optional(most=1000, lines=True, metadata={"description": "For other moderators only"})
    version = Whole(1, 2**31 - 1, required=True, metadata={"description": "The version you saw"})


class Quota(Items):
    """A count and a number of seconds."""

    def __init__(self) -> None:
        super().__init__(Whole(1, COUNT_MOST), least=2, most=2, metadata={"examples": [[60, 60]]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        pair = super()._deserialize(value, attr, data, **kwargs)
        if pair[1] > DAY:
            raise ValidationError(f"must be [count, seconds], seconds at most {DAY}")
        return pair


class Limits(Incoming):
    """Limits of a site in place of the defaults: rates as [count, seconds]; pending, comments that may wait."""

    site = Quota()
    author = Quota()
    prefix = Quota()
    pending = Whole(1, COUNT_MOST, metadata={"description": "A smaller cap than the service's own"})


_SITE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class SiteName(fields.String):
    """A site's public id."""

    default_error_messages: Messages = {**_NEEDED, "invalid": "must be text"}

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"pattern": f"^{_SITE_NAME.pattern}$", "examples": ["my-blog"], **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        if not _SITE_NAME.fullmatch(name):
            raise ValidationError("must be 1 to 63 of a-z, 0-9 and hyphens, with no hyphen at its ends")
        return name


_ORIGIN = re.compile(ORIGIN)


class Origin(Text):
    """Scheme, host and port of a website; kept as browsers name it."""

    def __init__(self) -> None:
        super().__init__(least=1, most=300, metadata={"pattern": f"^{ORIGIN}$", "examples": ["https://blog.example"]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        given = super()._deserialize(value, attr, data, **kwargs)
        if not _ORIGIN.fullmatch(given):
            raise ValidationError("must be an origin, such as https://blog.example")
        return origin(given)


class NewSite(Incoming):
    """A website that is to embed us."""

    name = SiteName(required=True)
    title = Text(least=1, most=TITLE_MOST, required=True)
    origins = Items(Origin(), most=50, load_default=list, metadata={"description": "Origins of its pages"})
    limits = fields.Nested(Limits, load_default=dict, error_messages=OBJECT)


class SiteChange(Incoming):
    """What changes about a site; a member that is left out stays."""

    title = Text(least=1, most=TITLE_MOST)
    origins = Items(Origin(), most=50)
    limits = fields.Nested(Limits, error_messages=OBJECT)


class NewKey(Incoming):
    """A secret key of a site."""

    name = Text(least=1, most=NAME_MOST, load_default="key")
    scopes = Items(Choice(SCOPES), least=1, most=len(SCOPES), load_default=lambda: list(SCOPES))
    expires_in_days = Whole(1, 3650, allow_none=True, load_default=None)


class Right(Incoming):
    """What a moderator may do in one site, or (null) in all."""

    site = SiteName(allow_none=True, load_default=None)
    may = Choice(MODERATOR_RIGHTS, required=True)


class NewModerator(Incoming):
    """A moderator's token: what it may do in which sites; a site of null means every site."""

    name = Text(least=1, most=NAME_MOST, required=True)
    rights = Items(
        fields.Nested(Right), least=1, most=100, required=True, metadata={"description": "Each site once, else 409"}
    )
    expires_in_days = Whole(1, 3650, allow_none=True, load_default=None)


class Threshold(Incoming):
    """Probabilities: below `publish_below` a label lets pass, from `reject_above` on it rejects, between it flags."""

    publish_below = Probability(required=True, metadata={"description": "Not above `reject_above`"})
    reject_above = Probability(required=True)


class _Thresholds(Incoming):
    """Thresholds by label; a label that is left out keeps its default."""


Thresholds = _Thresholds.from_dict(
    {label: fields.Nested(Threshold, error_messages=OBJECT) for label in LABELS}, name="Thresholds"
)


# Queries -------------------------------------------------------------------------------------------------------------


class Listing(Incoming):
    """Paging of a list."""

    limit = Whole(1, PAGE_MOST, text=True, load_default=PAGE)
    cursor = Cursor(load_default=None, metadata={"description": "From the Link field or `next_cursor`"})


class PublicListing(Listing):
    """Published comments of a page, or, with a secret key and `updated_since`, changes of the whole site."""

    site = SiteName()
    thread_key = Text(least=1, most=KEY_MOST)
    url = Url(load_default=None)
    view = Choice(("flat", "tree"), load_default="flat")
    order = Choice(("oldest", "newest"), load_default="oldest")
    updated_since = Time(metadata={"description": "Needs the site's secret key; answers all states"})


class CountsQuery(Incoming):
    """Pages whose comments are counted, 100 by URL and 100 by key at most."""

    site = SiteName(required=True)
    url = Items(Text(most=None), most=COUNTED_MOST, load_default=list)
    thread_key = Items(Text(most=None), most=COUNTED_MOST, load_default=list)


_SHARE = r"0(\.[0-9]{1,9})?|1(\.0{1,9})?"
SCORE_BAND = rf"(?P<label>{'|'.join(LABELS)}):(?P<low>{_SHARE})-(?P<high>{_SHARE})"


class QueueQuery(Listing):
    """A part of the moderation queue."""

    site = SiteName(metadata={"description": "One site instead of all that the token may see"})
    label = Choice(tuple(str(reason) for reason in Reason), metadata={"description": "Why it is held"})
    score = Text(
        most=60,
        metadata={
            "pattern": "^" + SCORE_BAND.replace("?P<", "?<") + "$",
            "description": "A band of a label's score, such as toxicity:0.5-0.9",
        },
    )
    thread = Id(metadata={"description": "A thread's id"})
    older_than = Time()
    newer_than = Time()
    language = Text(least=2, most=10, metadata={"description": "As the classifier detected it"})
    text = Text(least=1, most=100, metadata={"description": "A piece of name or body"})
    order = Choice(("oldest", "newest"), load_default="oldest")


# Answers: only what is named here goes out ----------------------------------------------------------------------------


class ReasonWords(Schema):
    """Why a comment stands where it stands."""

    code = fields.String()
    text = fields.String()


class AcceptedComment(Schema):
    """A comment that was taken in."""

    id = Id()
    status = fields.String(metadata={"enum": ["pending"]})
    status_url = fields.String(metadata={"format": "uri"})
    status_token = fields.String(metadata={"description": "For the author alone: it shows this comment's state"})


class CommentStatus(Schema):
    """Where a comment stands, in public words."""

    id = Id()
    status = fields.String(metadata={"enum": list(STATES)})
    reason = fields.Nested(ReasonWords, allow_none=True)
    edit_pending = fields.Boolean(metadata={"description": "An edit waits for its verdict; readers see the old text"})
    version = fields.Integer()
    created_at = Time()
    updated_at = Time()
    published_at = Time(allow_none=True)


class ThreadView(Schema):
    """One page's discussion."""

    id = Id()
    key = fields.String(allow_none=True)
    url = fields.String(allow_none=True)
    title = fields.String(allow_none=True)
    closed = fields.Boolean()
    published = fields.Integer(metadata={"description": "Published comments"})


class PublicComment(Schema):
    """A published comment, or the place of one that was taken away while replies to it stand."""

    id = Id()
    parent_id = Id(allow_none=True)
    name = fields.String(allow_none=True)
    website = fields.String(allow_none=True)
    body = fields.String(allow_none=True, metadata={"description": "Plain text, never HTML"})
    html = fields.String(allow_none=True, metadata={"description": "The same, escaped, with line breaks and links"})
    published_at = Time(allow_none=True)
    edited = fields.Boolean()
    removed = fields.Boolean()


class PublicTree(PublicComment):
    """A comment with the replies below it."""

    replies = fields.List(fields.Nested(lambda: PublicTree()))


class ChangedComment(Schema):
    """A comment of your site as it stands now; text only while it is published."""

    id = Id()
    thread_id = Id()
    thread_key = fields.String(allow_none=True)
    thread_url = fields.String(allow_none=True)
    parent_id = Id(allow_none=True)
    status = fields.String(metadata={"enum": list(STATES)})
    reason = fields.Nested(ReasonWords, allow_none=True)
    name = fields.String(allow_none=True)
    website = fields.String(allow_none=True)
    body = fields.String(allow_none=True)
    version = fields.Integer()
    created_at = Time()
    updated_at = Time()
    published_at = Time(allow_none=True)


class CommentList(Schema):
    """Published comments of one page, or changed comments of a site."""

    thread = fields.Nested(ThreadView, allow_none=True, metadata={"description": "null where nobody commented yet"})
    comments = fields.List(fields.Nested(PublicTree))
    next_cursor = fields.String(allow_none=True)
    truncated = fields.Boolean(metadata={"description": "A tree was too large to be given whole: read it flat"})


class ChangeList(Schema):
    """Changed comments; `next_since` begins the next round once there is no further cursor."""

    comments = fields.List(fields.Nested(ChangedComment))
    next_cursor = fields.String(allow_none=True)
    next_since = Time()


class Counts(Schema):
    """Published comments by page."""

    urls = fields.Dict(keys=fields.String(), values=fields.Integer())
    thread_keys = fields.Dict(keys=fields.String(), values=fields.Integer())


class BatchAnswer(Schema):
    """One answer per item, in order: a taken comment, or a problem."""

    results = fields.List(fields.Dict())


class _Scores(Schema):
    """Calibrated probabilities by label; null where the model has no opinion."""


Scores = _Scores.from_dict({label: fields.Float(allow_none=True) for label in LABELS}, name="Scores")


class QueueItem(Schema):
    """A comment that waits for a moderator."""

    id = Id()
    site = fields.String()
    thread = fields.Nested(lambda: ThreadRef())
    parent_id = Id(allow_none=True)
    name = fields.String()
    website = fields.String(allow_none=True)
    body = fields.String()
    status = fields.String(metadata={"enum": list(STATES)})
    label = fields.String(allow_none=True, metadata={"description": "Why it is held"})
    rule = fields.String(allow_none=True)
    scores = fields.Nested(Scores)
    language = fields.String(allow_none=True)
    version = fields.Integer()
    created_at = Time()


class ThreadRef(Schema):
    """Where a comment stands."""

    id = Id()
    key = fields.String(allow_none=True)
    url = fields.String(allow_none=True)
    title = fields.String(allow_none=True)


class Queue(Schema):
    """A stretch of the moderation queue. `count` is exact unless `count_exact` is false: then it means "more than"."""

    comments = fields.List(fields.Nested(QueueItem))
    count = fields.Integer()
    count_exact = fields.Boolean()
    count_text = fields.String(metadata={"examples": ["37", "1,000+"]})
    totals = fields.Dict(keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.Integer()))
    next_cursor = fields.String(allow_none=True)


class Spoke(Schema):
    """A word that spoke for or against a label: its place in the body in code points, and its share of the log-odds."""

    text = fields.String()
    start = fields.Integer()
    end = fields.Integer()
    weight = fields.Float()


class Named(Schema):
    """A way of writing, or something known beside the text, that spoke for or against, by name ("website:none")."""

    name = fields.String()
    weight = fields.Float()


class Explanation(Schema):
    """What spoke for and against one label."""

    label = fields.String()
    score = fields.Float(allow_none=True)
    for_ = fields.List(fields.Nested(Spoke), data_key="for")
    against = fields.List(fields.Nested(Spoke))
    named = fields.List(fields.Nested(Named))


class ParentView(Schema):
    """The comment that is answered."""

    id = Id()
    name = fields.String()
    body = fields.String()
    status = fields.String()


class AuthorRecord(Schema):
    """How the same author fared on this site, without saying who it is."""

    comments = fields.Dict(keys=fields.String(), values=fields.Integer())
    since = Time(allow_none=True)
    domain_class = fields.String(allow_none=True)
    verified = fields.Boolean()
    network = fields.String(allow_none=True)
    user_agent = fields.String(allow_none=True)
    referrer = fields.String(allow_none=True)


class DecisionView(Schema):
    """One line of a comment's record."""

    seq = fields.Integer()
    action = fields.String()
    actor = fields.String()
    token = fields.String(allow_none=True, attribute="token_id")
    from_status = fields.String(attribute="from_state")
    to_status = fields.String(attribute="to_state")
    rule = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    note = fields.String(allow_none=True)
    saw = fields.Dict()
    scores = fields.Dict(allow_none=True)
    model = fields.String(allow_none=True)
    policy_version = fields.Integer(allow_none=True)
    version = fields.Integer()
    at = Time()


class ReviewView(QueueItem):
    """All that a moderator needs to judge one comment."""

    model = fields.String(allow_none=True)
    waiting = fields.Boolean(metadata={"description": "A verdict is due"})
    thread_closed = fields.Boolean()
    saw = fields.Dict(
        allow_none=True,
        metadata={
            "description": "What the rule saw. `tiers`, where the second tier was asked: the scores of the first, what "
            "they would have led to, and the second's version (null: it gave no answer); `scores` are of both"
        },
    )
    spoke = fields.List(fields.Nested(Explanation))
    parent = fields.Nested(ParentView, allow_none=True)
    author = fields.Nested(AuthorRecord)
    decisions = fields.List(fields.Nested(DecisionView))


class Decided(Schema):
    """A decision that took effect."""

    id = Id(attribute="comment_id")
    status = fields.String(attribute="state")
    version = fields.Integer()
    seq = fields.Integer()


class SiteView(Schema):
    """A website that embeds us."""

    name = fields.String()
    title = fields.String()
    origins = fields.List(fields.String())
    limits = fields.Dict()
    created_at = Time()


class SiteList(Schema):
    """All sites."""

    sites = fields.List(fields.Nested(SiteView))


class KeyView(Schema):
    """A token without its secret."""

    id = fields.String()
    kind = fields.String()
    name = fields.String()
    scopes = fields.List(fields.String())
    created_at = Time()
    expires_at = Time(allow_none=True)
    live = fields.Boolean()


class NewKeyView(KeyView):
    """A new token; `token` is shown this once."""

    token = fields.String()


class KeyList(Schema):
    """Tokens, newest first."""

    keys = fields.List(fields.Nested(KeyView))


class ProblemView(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    instance = fields.String()
    errors = fields.List(fields.Dict(keys=fields.String(), values=fields.String()))
    state = fields.String(metadata={"description": "Of a conflict: where the comment stands"})
    version = fields.Integer(metadata={"description": "Of a conflict: the comment's version"})
    violated = fields.List(
        fields.String(), data_key="violated-policies", metadata={"description": "Limits that are used up"}
    )

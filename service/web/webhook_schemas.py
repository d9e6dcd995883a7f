"""The schemas of webhooks: endpoints, deliveries, attempts."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validates_schema

from service.domain.events import EVENTS, FILTERS, TEST
from service.store.deliveries import STATES
from service.web.fields import Choice, Flag, Id, Items, Messages, Text, Time
from service.web.schemas import Incoming, Listing

DESCRIPTION_MOST = 300
REASONS = ("asked", "gone", "failing")


class _Url(fields.String):
    """Where messages go; `service.outbound.guard` says what is taken, which no pattern can."""

    default_error_messages: Messages = {
        "required": "is missing", "null": "must not be null", "invalid": "must be text",
    }  # fmt: skip

    def __init__(self, **kwargs: Any) -> None:
        words = "https, a public host and one of the ports that the operator allows, 443 by default"
        metadata = {"format": "webhook", "description": words, "examples": ["https://blog.example/comity"]}
        super().__init__(metadata=metadata, **kwargs)


def _events(**kwargs: Any) -> Items:
    words = "comment.* stands for all events of comments, those of later releases too"
    return Items(Choice(FILTERS), least=1, most=len(FILTERS), metadata={"description": words}, **kwargs)


class NewWebhook(Incoming):
    """An endpoint to be told what happens on a site."""

    url = _Url(required=True)
    description = Text(most=DESCRIPTION_MOST, load_default="", metadata={"description": "For people"})
    events = _events(load_default=["comment.*"])
    scores = Flag(load_default=False, metadata={"description": "Whether events tell the classifier's scores"})
    enabled = Flag(load_default=True)


class WebhookChange(Incoming):
    """What changes about an endpoint; a member that is left out stays."""

    url = _Url()
    description = Text(most=DESCRIPTION_MOST)
    events = _events()
    scores = Flag()
    enabled = Flag(metadata={"description": "Enabling one forgets how it failed, and sends what waits for it"})
    shape: ClassVar[Mapping[str, Any]] = {"minProperties": 1}

    @validates_schema
    def _some(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("must hold at least one of url, description, events, scores and enabled")


class Range(Incoming):
    """Events of a time, from `since` on and before `until`, to be sent again."""

    since = Time(required=True)
    until = Time(load_default=None, allow_none=True, metadata={"description": "Without: now"})
    delivered = Flag(load_default=False, metadata={"description": "Those too that arrived"})


class DeliveriesQuery(Listing):
    """Which deliveries."""

    state = Choice(STATES)


class WebhookView(Schema):
    """An endpoint. failing_since: nothing but failures since then. waiting, dead: deliveries to come, and given up."""

    id = Id()
    url = fields.String()
    description = fields.String()
    events = fields.List(fields.String(metadata={"enum": list(FILTERS)}))
    scores = fields.Boolean()
    enabled = fields.Boolean()
    disabled_reason = fields.String(allow_none=True, metadata={"enum": [*REASONS, None]})
    disabled_at = Time(allow_none=True)
    failing_since = Time(allow_none=True)
    created_by = fields.String(allow_none=True)
    created_at = Time()
    changed_at = Time()
    waiting = fields.Integer()
    dead = fields.Integer()


class WebhookList(Schema):
    """A site's endpoints, oldest first."""

    webhooks = fields.List(fields.Nested(WebhookView))


class SecretView(Schema):
    """What messages are signed with. ends_at: of the one before the newest, when it stops signing."""

    signing_secret = fields.String(attribute="text")
    created_at = Time()
    ends_at = Time(allow_none=True)


class SecretList(Schema):
    """The secrets that sign now, newest first."""

    secrets = fields.List(fields.Nested(SecretView))


class NewWebhookView(WebhookView):
    """A new endpoint with its secret."""

    signing_secret = fields.String()


class DeliveryView(Schema):
    """One event for one endpoint. webhook_id: under which the receiver knows it. status, error: of the last attempt."""

    id = Id()
    webhook_id = fields.String()
    event = fields.String(metadata={"enum": [*EVENTS, TEST]})
    comment_id = Id(allow_none=True)
    seq = fields.Integer(allow_none=True)
    state = fields.String(metadata={"enum": list(STATES)})
    attempts = fields.Integer()
    at = Time(metadata={"description": "When it happened"})
    due_at = Time(allow_none=True, metadata={"description": "When it is sent next"})
    done_at = Time(allow_none=True)
    status = fields.Integer(allow_none=True)
    error = fields.String(allow_none=True)


class DeliveryList(Schema):
    """Deliveries of an endpoint, newest event first."""

    deliveries = fields.List(fields.Nested(DeliveryView))
    next_cursor = fields.String(allow_none=True)


class AttemptView(Schema):
    """One attempt. seconds: until its end. answer: the first kilobyte of what the receiver said, as text."""

    number = fields.Integer()
    at = Time()
    status = fields.Integer(allow_none=True)
    seconds = fields.Float(attribute="took")
    error = fields.String(allow_none=True)
    answer = fields.String()


class DeliveryRecord(DeliveryView):
    """A delivery with its attempts, newest first."""

    records = fields.List(fields.Nested(AttemptView))


class Resent(Schema):
    """How many deliveries are due now. next_since: where the range goes on; null at its end."""

    count = fields.Integer()
    next_since = Time(allow_none=True, attribute="go_on")


class Dropped(Schema):
    """How many deliveries were dropped."""

    count = fields.Integer()

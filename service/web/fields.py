"""Schema fields with our rules: each says in its message what to change, and in its metadata what OpenAPI shows."""

import ipaddress
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from marshmallow import ValidationError, fields, validate

from service.domain import text as rules

SPECIAL_USE_DOMAIN_NAMES.clear()  # the library's list of domains that lead nowhere: we look at syntax alone
#: Characters that never come in, as a class of a regular expression (ECMA 262): one line, and several lines.
_NOT_IN_LINE = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\ufdd0-\ufdef\ufffe\uffff"
_NOT_IN_TEXT = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff"
#: What a reader sees: no control, format, space or mark, and none of the fillers that are letters or symbols by name.
_SEEN = r"[^\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]"
_BREAK = re.compile("[\n\r\t\u2028\u2029]")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
#: Error messages as marshmallow takes them.
Messages = dict[str, str | list[Any] | dict[Any, Any]]
_MESSAGES: Messages = {
    "required": "is missing",
    "null": "must not be null",
    "invalid": "must be text",
    "type": "must be text",
}


def _with(kwargs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """`kwargs` with a field's own metadata below what its user gave."""
    return {**kwargs, "metadata": {**metadata, **kwargs.get("metadata", {})}}


class Text(fields.String):
    """Characters from `least` to `most` (None: any number), one of which can be seen unless `least` is 0; several lines
    only where `lines`; at most `marks` on one character; bidirectional controls closed.
    """

    default_error_messages = _MESSAGES

    def __init__(
        self, *, least: int = 0, most: int | None, lines: bool = False, marks: int | None = None, **kwargs: Any
    ) -> None:
        self.least, self.most, self.lines, self.marks = least, most, lines, marks
        never = _NOT_IN_TEXT if lines else _NOT_IN_LINE
        pattern = f"^[^{never}]*{_SEEN}[^{never}]*$" if least else f"^[^{never}]*$"
        bounds = {"minLength": least or None, "maxLength": most}
        super().__init__(**_with(kwargs, pattern=pattern, **{name: n for name, n in bounds.items() if n is not None}))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if problem := rules.forbidden(text):
            raise ValidationError(problem)
        if not self.lines and _BREAK.search(text):
            raise ValidationError("must be one line, without tabs")
        if len(text) < self.least or (self.least and not text.strip()):
            raise ValidationError("must not be empty")
        if self.least and not rules.visible(text):
            raise ValidationError("must not be empty: it needs a character that can be seen")
        if self.most is not None and len(text) > self.most:
            raise ValidationError(f"must have at most {self.most} characters (has {len(text)})")
        calm = rules.calm(text)
        if self.most is not None and len(calm) > self.most:
            raise ValidationError(
                f"must have at most {self.most} characters with its bidirectional controls closed (has {len(calm)})"
            )
        if self.marks is not None and rules.stacked(text) > self.marks:
            raise ValidationError(f"must not stack more than {self.marks} accents or other marks on one character")
        return calm


class Optional(Text):
    """Text that may be left out, null or empty; all three mean none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_none": True, "load_default": None, **kwargs})

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs) or None


class Key(Optional):
    """A name of the sender's choice, which may be left out, null or empty; one of spaces alone is none."""

    def __init__(self, **kwargs: Any) -> None:
        some = f"[^{_NOT_IN_LINE}]*[^\\s{_NOT_IN_LINE}][^{_NOT_IN_LINE}]*"
        super().__init__(**_with(kwargs, pattern=f"^(?:{some})?$"))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text is not None and not text.strip():
            raise ValidationError("must not be empty")
        return text


#: Addresses so plain that the library's answer is known: the address itself. Most are; the library takes its time.
_PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9_]+([.+-][A-Za-z0-9_]+)*@([a-z0-9]{1,30}(-[a-z0-9]{1,30})?\.){1,3}[a-z]{2,20}", re.ASCII
)


class Email(fields.String):
    """An e-mail address by its syntax; nothing is looked up."""

    default_error_messages = _MESSAGES

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_with(kwargs, format="email", maxLength=254, writeOnly=True, examples=["ann@example.org"]))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) > 254:
            raise ValidationError("must have at most 254 characters")
        if len(text.rpartition("@")[0]) > 64:
            raise ValidationError("must have at most 64 characters before the @")
        if _PLAIN_ADDRESS.fullmatch(text):
            return text
        try:
            return validate_email(text, check_deliverability=False).normalized
        except EmailNotValidError:
            raise ValidationError("must be an e-mail address, such as ann@example.org") from None


_H16 = "[0-9A-Fa-f]{1,4}"
_V6 = rf"\[(?:(?:{_H16}:){{7}}{_H16}|(?:{_H16}:){{1,6}}:{_H16}|::{_H16})\]"
_NAMED = r"[A-Za-z0-9._~\u00a1-\u167f\u1681-\u1fff\u2c00-\u2fff\u3001-\ud7ff-]+"
_PORT = "(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_NOT_IN_PATH = (
    r'"<>\\^`{|}\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufdd0-\ufdef\ufffe\uffff'
)
#: Scheme, host and port; and a whole URL. One expression checks, and tells in the OpenAPI document what is taken.
ORIGIN = rf"[Hh][Tt][Tt][Pp][Ss]?://(?:{_NAMED}|{_V6})(?::{_PORT})?"
WEB_URL = rf"{ORIGIN}(?:[/?#][^{_NOT_IN_PATH}]*)?"
_WEB_URL = re.compile(WEB_URL)


class Url(Optional):
    """An absolute http or https URL without user or password."""

    def __init__(self, *, most: int = 2048, **kwargs: Any) -> None:
        super().__init__(most=most, **_with(kwargs, pattern=f"^(?:{WEB_URL})?$", examples=["https://example.org/page"]))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text is not None and not is_web_url(text):
            raise ValidationError("must be an absolute http or https URL, such as https://example.org/page")
        return text


def is_web_url(text: str) -> bool:
    """Whether `text` is an absolute http or https URL, without user information or spaces."""
    return _WEB_URL.fullmatch(text) is not None


class Cursor(fields.String):
    """Where a list goes on: a text as this API gave it."""

    default_error_messages = _MESSAGES
    form = re.compile("[A-Za-z0-9_-]{54}", re.ASCII)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_with(kwargs, pattern=f"^{self.form.pattern}$"))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not self.form.fullmatch(text):
            raise ValidationError("must be a cursor as this API gave it")
        return text


class Address(fields.String):
    """An IP address, version 4 or 6, as text; it may be left out, null or empty."""

    default_error_messages = _MESSAGES

    def __init__(self, **kwargs: Any) -> None:
        ips = [{"format": "ipv4"}, {"format": "ipv6"}, {"maxLength": 0}]
        super().__init__(allow_none=True, load_default=None, **_with(kwargs, anyOf=ips))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            return None
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise ValidationError("must be an IPv4 or IPv6 address") from None


class Id(fields.Field[uuid.UUID]):
    """An id of ours; opaque to everybody else."""

    default_error_messages = _MESSAGES

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_with(kwargs, type="string", format="uuid"))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> uuid.UUID:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        found = read_id(value)
        if found is None:
            raise ValidationError("must be an id as this API gave it")
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else str(value)


def read_id(text: str) -> uuid.UUID | None:
    """The id in `text`, in its usual form with hyphens only."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


class Time(fields.Field[datetime]):
    """A time with its zone (RFC 3339); shown in UTC with Z."""

    default_error_messages = _MESSAGES

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_with(kwargs, type="string", format="date-time"))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            try:
                found = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
                found.astimezone(UTC)  # so that it can be shown
                return found
            except (ValueError, OverflowError):
                pass
        raise ValidationError("must be a time with its zone, such as 2026-11-23T08:00:00Z")

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else show_time(value)


def show_time(moment: datetime) -> str:
    """A time with its zone as RFC 3339 in UTC with Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Language(Optional):
    """A language tag (BCP 47)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=35, **_with(kwargs, pattern=f"^(?:{_LANGUAGE.pattern})?$"))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text is not None and not _LANGUAGE.fullmatch(text):
            raise ValidationError("must be a language tag, such as en or pt-BR")
        return text


class Flag(fields.Boolean):
    """true or false, and nothing that looks like it."""

    default_error_messages: Messages = {**_MESSAGES, "invalid": "must be true or false"}
    truthy = {True}
    falsy = {False}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class Whole(fields.Integer):
    """A whole number from `low` to `high`; in a query (`text`) it is given as digits."""

    default_error_messages: Messages = {**_MESSAGES, "invalid": "must be a whole number", "too_large": "is too large"}

    def __init__(self, low: int, high: int, *, text: bool = False, **kwargs: Any) -> None:
        self.low, self.high, self.text = low, high, text
        super().__init__(**_with(kwargs, minimum=low, maximum=high))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if self.text and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows no difference
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise ValidationError(f"must be a whole number from {self.low} to {self.high}")
        return value


class Items(fields.List[Any]):
    """A list, from `least` to `most` long: a JSON array and nothing that can be walked through like one."""

    default_error_messages: Messages = {**_MESSAGES, "invalid": "must be a list"}

    def __init__(self, inner: Any, *, least: int = 0, most: int, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(inner, **_with(kwargs, minItems=least, maxItems=most))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        if not self.least <= len(value) <= self.most:
            raise ValidationError(f"must hold {self.least} to {self.most} items (holds {len(value)})")
        return super()._deserialize(value, attr, data, **kwargs)


class Choice(fields.String):
    """One of a few words."""

    default_error_messages = _MESSAGES

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(choices, error="must be one of " + ", ".join(choices)), **kwargs)


class Probability(fields.Float):
    """A number from 0 to 1."""

    default_error_messages: Messages = {**_MESSAGES, "invalid": "must be a number from 0 to 1"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_with(kwargs, minimum=0, maximum=1))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValidationError("must be a number from 0 to 1")
        return float(value)

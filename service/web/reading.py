"""Reading requests: sizes, kinds and depths are checked before anything is parsed."""

import json
import re
from collections.abc import Mapping
from typing import Any

from flask import Request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from service.web.errors import Problem

MAX_DEPTH = 10
#: Possessive: what is taken is not given back, so no place of a long string is remembered.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def body(request: Request, limit: int) -> bytes:
    """The raw JSON body, at most `limit` bytes. Raises Problem for another kind of content, or too much of it."""
    if request.mimetype != "application/json":
        raise Problem("unsupported-media-type", "Send the body as JSON, with Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem("unsupported-media-type", "Send the body without compression.")
    request.max_content_length = limit + 1  # of a body without a length, what is beyond this is cut off in silence
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    if len(raw) > limit:
        raise _too_large(limit)
    return raw


def _too_large(limit: int) -> Problem:
    return Problem(
        "payload-too-large",
        f"The body has more than the {limit // 1024} KiB that this route takes. "
        "Send less, and text as UTF-8 rather than as escapes.",
    )


def parse(raw: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, no NaN, no member twice, at most MAX_DEPTH deep. Raises Problem."""
    if _depth(raw) > MAX_DEPTH:
        raise Problem("malformed-request", f"The JSON is nested more than {MAX_DEPTH} levels deep. Send a flatter one.")
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_double)
    except UnicodeDecodeError as error:
        raise Problem("malformed-request", f"The body is not UTF-8 (byte {error.start}). Encode it as UTF-8.") from None
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise Problem("malformed-request", detail) from None
    except ValueError as error:
        raise Problem("malformed-request", f"The body is not JSON: {error}.") from None


def load(schema: Schema, data: Any) -> Any:
    """What `schema` makes of `data`. Raises Problem that names every wrong value and its remedy."""
    if not isinstance(data, Mapping):
        raise Problem(
            "validation-error", "Send a JSON object.", [{"detail": "must be an object", "pointer": "#", "code": "type"}]
        )
    try:
        return schema.load(data)
    except ValidationError as error:
        raise problem_of(error, "pointer") from None


def query(schema: Schema, request: Request) -> Any:
    """What `schema` makes of the query parameters; a list field collects repeated ones. Raises Problem."""
    lists = {name for name, field in schema.fields.items() if hasattr(field, "inner")}
    twice = [name for name in schema.fields if name not in lists and len(request.args.getlist(name)) > 1]
    if twice:
        raise problem_of(ValidationError(dict.fromkeys(twice, "stands twice: send it once")), "parameter")
    given = {
        name: request.args.getlist(name) if name in lists else request.args[name]
        for name in schema.fields
        if name in request.args
    }
    try:
        return schema.load(given)
    except ValidationError as error:
        raise problem_of(error, "parameter") from None


def problem_of(error: ValidationError, place: str) -> Problem:
    """A validation error of a schema as a problem; `place` is "pointer" or "parameter"."""
    found = list(_flatten(error.normalized_messages(), ()))  # type: ignore[no-untyped-call]
    errors = [
        {"detail": detail, place: _pointer(path) if place == "pointer" else str(path[0]), "code": _code(detail)}
        for path, detail in found
    ]
    first = f"{_subject(found[0][0])} {found[0][1]}"
    rest = f" ({len(found) - 1} more in errors)" if len(found) > 1 else ""
    return Problem("validation-error", first.rstrip(".") + "." + rest, errors)


def _flatten(messages: Any, path: tuple[Any, ...]) -> Any:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flatten(inner, path if name == "_schema" else (*path, name))
        return
    for message in messages if isinstance(messages, list) else [messages]:
        if isinstance(message, Mapping):
            yield from _flatten(message, path)
        else:
            yield path, str(message)


def _subject(path: tuple[Any, ...]) -> str:
    """What an error is about, as a sentence begins with it; a name of no length stands in quotes."""
    return ".".join(_printable(str(part)) or '""' for part in path) if path else "The request"


def _pointer(path: tuple[Any, ...]) -> str:
    return "#" + "".join("/" + _printable(str(part)).replace("~", "~0").replace("/", "~1") for part in path)


def _printable(name: str) -> str:
    """A member's name as it may stand in an answer: short, and without what cannot be shown."""
    return name[:64].encode("ascii", "backslashreplace").decode()


def _code(detail: str) -> str:
    for needle, code in (("missing", "required"), ("unknown", "unknown"), ("must not be empty", "empty"),
                         ("at most", "too_long"), ("must not stack", "stacked"), ("must be", "type")):  # fmt: skip
        if needle in detail:
            return code
    return "invalid"


def _depth(raw: bytes) -> int:
    """How deep brackets nest outside strings."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for found in _BRACKET.findall(_STRING.sub(b"", raw)):
        depth += 1 if found in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _no_double(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return found

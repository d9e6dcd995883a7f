"""The reference as pages, made from the OpenAPI document and the table of problems; nothing comes from elsewhere."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.web import pages
from service.web.errors import TYPES

POLICY = pages.POLICY
_ERRORS = 400  # statuses from here on answer with a problem document

#: What the parts of the API are for.
_GROUPS: Mapping[str, str] = {
    "comments": "Hand in comments, and follow what becomes of them.",
    "published": "Read what was published, and how much there is.",
    "threads": "Name, close and open the discussions of your pages.",
    "moderation": "Work through the queue, with all that a decision needs.",
    "admin": "Set up sites, their keys and their moderators.",
    "policies": "Say what a site lets pass; try it on the past, put it in force, go back.",
    "lists": "Words and domains that a site's own rules name.",
    "bans": "Take no comments from an author, a mail domain or a network.",
}
#: Shell variables that stand for a token in the examples.
_VARIABLES = {
    "secretKey": "SECRET_KEY", "statusToken": "STATUS_TOKEN", "moderatorToken": "MODERATOR_TOKEN",
    "adminToken": "ADMIN_TOKEN",
}  # fmt: skip
_QUERY_EXAMPLES = {"site": "my-blog", "url": "https://blog.example/post"}
_COMMENT = {
    "thread": {"url": "https://blog.example/post", "title": "A post"},
    "name": "Ann",
    "email": "ann@example.org",
    "body": "What a good article.",
}
_RULES = [
    {"rule": "match", "name": "casino", "words": ["casino"], "then": "reject", "reason": "spam"},
    {"rule": "scores", "thresholds": {"spam": {"publish_below": 0.4, "reject_above": 0.9}}},
]
#: A body for each schema that comes in; a test loads every one.
BODY_EXAMPLES: Mapping[str, Any] = {
    "Submission": _COMMENT,
    "Batch": {"comments": [_COMMENT]},
    "Revision": {"body": "What a very good article."},
    "ThreadChange": {"closed": True},
    "Review": {"action": "reject", "reason": "spam", "version": 2},
    "NewSite": {"name": "my-blog", "title": "My blog", "origins": ["https://blog.example"]},
    "SiteChange": {"origins": ["https://blog.example", "https://www.blog.example"]},
    "NewKey": {"name": "back end", "scopes": ["submit", "read"]},
    "NewModerator": {"name": "Bo", "rights": [{"site": "my-blog", "may": "moderator"}]},
    "Policy": {"rules": _RULES, "note": "casinos"},
    "PolicyTrial": {"policy": {"rules": _RULES}, "last": 1000},
    "Rollback": {"version": 1},
    "NewList": {"words": ["casino", "poker room", "viag*"]},
    "NewBan": {"domain": "spam.example", "reason": "advertising"},
    "NewWebhook": {"url": "https://blog.example/comity", "events": ["comment.*"]},
    "WebhookChange": {"enabled": True},
    "Range": {"since": "2026-11-23T08:00:00Z"},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is, in words; `ref` names the shape that `words` ends in."""

    words: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or a member."""

    name: str
    kind: Kind
    must: bool
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back with a status that is no error."""

    status: str
    words: str
    refs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    right: str
    parameters: Sequence[tuple[str, Sequence[Row]]]
    body: str | None
    answers: Sequence[Answer]
    errors: Sequence[str]
    curl: str


def render(document: dict[str, Any]) -> str:
    """The document as HTML."""
    server = document["servers"][0]["url"]
    entries = [
        (operation["tags"][0], _entry(server, method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = [
        (tag["name"], _GROUPS.get(tag["name"], ""), [entry for name, entry in entries if name == tag["name"]])
        for tag in document["tags"]
    ]
    schemas = document["components"]["schemas"]
    return pages.render(
        "docs.html",
        info=document["info"],
        server=server,
        schemes=[(words["description"], _VARIABLES[name]) for name, words in _schemes(document)],
        groups=groups,
        shapes=[(name, list(_members(schemas[name]))) for name in sorted(schemas)],
    )


def render_problems() -> str:
    """The kinds of problems as HTML."""
    return pages.render("problems.html", problems=[(kind, *TYPES[kind], _REMEDIES[kind]) for kind in TYPES])


def _schemes(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from document["components"]["securitySchemes"].items()


def _entry(server: str, method: str, path: str, operation: Mapping[str, Any]) -> Entry:
    body = operation.get("requestBody")
    ref = _ref(body["content"]["application/json"]["schema"]) if body else None
    return Entry(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        right=operation["description"],
        parameters=_parameters(operation["parameters"]),
        body=ref,
        answers=[
            Answer(status, answer["description"], _refs(answer))
            for status, answer in operation["responses"].items()
            if int(status) < _ERRORS
        ],
        errors=[status for status in operation["responses"] if int(status) >= _ERRORS],
        curl=_curl(server, method.upper(), path, operation, ref),
    )


def _parameters(given: Sequence[Mapping[str, Any]]) -> Sequence[tuple[str, Sequence[Row]]]:
    """Parameters by where they stand."""
    places = (("path", "In the path"), ("query", "In the query"), ("header", "In the header"))
    found = []
    for place, words in places:
        rows = [
            Row(one["name"], _kind(one["schema"]), one.get("required", False), _notes({**one["schema"], **one}))
            for one in given
            if one["in"] == place
        ]
        if rows:
            found.append((words, rows))
    return found


def _members(schema: Mapping[str, Any]) -> Iterator[Row]:
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield Row(name, _kind(member), name in required, _notes(member))


_FORMATS = {"uuid": "id", "date-time": "time", "uri": "URL", "email": "e-mail address"}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}


def _kind(schema: Mapping[str, Any]) -> Kind:
    """The type of a value in words."""
    if "$ref" in schema:
        return Kind("", _ref(schema))
    if "oneOf" in schema and all("$ref" in one for one in schema["oneOf"]):
        return Kind("one of " + ", ".join(str(_ref(one)) for one in schema["oneOf"]))
    if "anyOf" in schema and "type" not in schema:
        parts = [_kind(part) for part in schema["anyOf"]]
        ref = next((part.ref for part in parts if part.ref), None)
        return Kind("null or" if ref else " or ".join(part.words for part in parts), ref)
    given = schema.get("type", "any value")
    types = given if isinstance(given, list) else [given]
    nullable = " or null" if "null" in types else ""
    plain = next((one for one in types if one != "null"), "null")
    if plain == "array":
        inner = _kind(schema.get("items", {}))
        return Kind(f"list{nullable} of {inner.words}".rstrip(), inner.ref)
    words = _FORMATS.get(schema.get("format", ""), _TYPES.get(plain, plain))
    return Kind(words + nullable)


def _notes(schema: Mapping[str, Any]) -> list[str]:
    """What else there is to know of a value."""
    notes = [schema["description"].rstrip(".") + "."] if "description" in schema else []
    if "enum" in schema:
        notes.append("One of " + ", ".join(str(value) for value in schema["enum"]) + ".")
    if "minimum" in schema or "maximum" in schema:
        notes.append(f"From {schema.get('minimum', 0):,} to {schema['maximum']:,}.")
    if "maxLength" in schema:
        notes.append(f"At most {schema['maxLength']:,} characters.")
    if "maxItems" in schema and schema["maxItems"] != schema.get("minItems"):
        notes.append(f"At most {schema['maxItems']} items.")
    if schema.get("default") not in (None, []):
        notes.append(f"If left out: {json.dumps(schema['default'])}.")
    return notes


def _refs(answer: Mapping[str, Any]) -> list[str]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return [name for one in schema.get("anyOf", [schema]) if (name := _ref(one))]


def _ref(schema: Mapping[str, Any]) -> str | None:
    target: str | None = schema.get("$ref")
    return target.rpartition("/")[2] if target else None


def _curl(server: str, method: str, path: str, operation: Mapping[str, Any], body: str | None) -> str:
    """How to call an operation from a shell; what is in capitals is to be filled in."""
    for one in operation["parameters"]:
        if one["in"] == "path":
            path = path.replace("{" + one["name"] + "}", one["name"].upper())
    query = [
        f"{one['name']}={_QUERY_EXAMPLES[one['name']]}"
        for one in operation["parameters"]
        if one["in"] == "query" and one["name"] in _QUERY_EXAMPLES
    ]
    address = server + path + ("?" + "&".join(query) if query else "")
    lines = [f"curl {'' if method == 'GET' else f'-X {method} '}'{address}'"]
    schemes = [name for one in operation["security"] for name in one]
    if schemes and {} not in operation["security"]:
        lines.append(f'-H "Authorization: Bearer ${_VARIABLES[schemes[0]]}"')
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(BODY_EXAMPLES[body])}'"]
    return " \\\n  ".join(lines)


#: What to do about each kind of problem.
_REMEDIES: Mapping[str, str] = {
    "malformed-request": (
        "The request is not what HTTP, JSON or this service's limits allow: broken JSON, more than ten levels of "
        "nesting, a member twice. The detail says where. Mend the request; sending it again as it is ends the same."
    ),
    "unauthorized": "No token came, or it is not known, expired or revoked. Send a live one as Authorization: Bearer.",
    "forbidden": "The token is good, but not for this: it lacks a scope or a right, or is of another kind.",
    "not-found": "Nothing is there, or this token may not see it; the two are not told apart.",
    "method-not-allowed": "The path exists, the method does not. The Allow field lists those that do.",
    "request-timeout": "The body did not arrive whole within ten seconds. Nothing was stored; send the request again.",
    "conflict": (
        "What is there does not allow this: somebody was first, a thread is closed, a name is taken. The detail "
        "says what is the case; for comments, state and version say how it stands now. Look again, then decide."
    ),
    "idempotency-in-progress": (
        "Another request with the same Idempotency-Key still runs. Wait as Retry-After says and send it again: it "
        "gets the first one's answer."
    ),
    "payload-too-large": (
        "The body is larger than the route takes: 64 KiB for a comment, 1 MiB for a batch, 256 KiB for a page's form."
    ),
    "uri-too-long": "The query is longer than is read here. Send fewer or shorter parameters.",
    "unsupported-media-type": "Send the body as JSON, uncompressed, with Content-Type: application/json.",
    "validation-error": (
        "The request can be read, but some values are wrong. Its member errors names each of them by pointer (in "
        "the body) or parameter (in the query), with what to change."
    ),
    "idempotency-key-reused": (
        "The Idempotency-Key came with another body in the last 24 hours. A key belongs to one request: make a new "
        "one for each new comment."
    ),
    "quota-exceeded": (
        "A rate limit is used up; violated-policies names it. Wait as Retry-After says. The RateLimit fields of "
        "every answer tell how much is left. Its type is the one that IANA registered."
    ),
    "internal-error": "A fault of ours; it was noted. Quote the instance when you report it.",
    "service-unavailable": (
        "The database does not answer, too much came at once, or another request was in the way. Nothing is known to "
        "be lost: send the "
        "request again with the same Idempotency-Key after Retry-After."
    ),
}

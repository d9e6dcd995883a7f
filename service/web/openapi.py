"""The OpenAPI 3.1 document, made from the same declarations that serve the routes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields

from service.version import VERSION
from service.web import schemas
from service.web.auth import Right
from service.web.errors import TYPES
from service.web.fields import Address, Id, Optional, Probability, Time
from service.web.policy_schemas import RULES, RuleEntry
from service.web.routing import Operation, Routes

_SCHEMES: Mapping[Right, Sequence[str | None]] = {
    Right.SUBMIT: ["secretKey"], Right.READ: ["secretKey"], Right.MANAGE: ["secretKey"],
    Right.STATUS: ["statusToken", "secretKey"], Right.VIEW: ["moderatorToken"], Right.MODERATE: ["moderatorToken"],
    Right.ADMIN: ["adminToken"], Right.PUBLIC_OR_READ: [None, "secretKey"], Right.PUBLIC: [None],
}  # fmt: skip
_SCHEME_WORDS = {
    "secretKey": "A site's secret key, for its back end alone",
    "statusToken": "The token that came with an accepted comment",
    "moderatorToken": "A moderator's token",
    "adminToken": "An admin's token",
}
#: In words: that a key belongs to the body it first came with is nothing a schema of one request can say.
_KEYED = (
    " Takes the header field Idempotency-Key, 1 to 255 printable ASCII characters in quotes: "
    "the same key with the same body gets the first answer again, for 24 hours."
)
_ALWAYS = ("malformed-request", "quota-exceeded", "service-unavailable", "internal-error")


def document(rooms: Sequence[Routes], server: str) -> dict[str, Any]:
    """The document of all routes in `rooms`, served at `server`."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="Comity",
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": "Comments in, decided comments out. Errors are problem documents (RFC 9457)."},
        servers=[{"url": server}],
        tags=[{"name": room.tag} for room in rooms],
    )
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_plain_types)  # type: ignore[no-untyped-call]
    for scheme, words in _SCHEME_WORDS.items():
        spec.components.security_scheme(scheme, {"type": "http", "scheme": "bearer", "description": words})
    spec.components.schema("Problem", schema=schemas.ProblemView)
    for room in rooms:
        for operation in room.operations:
            spec.path(operation.path, operations={operation.method.lower(): _operation(operation, room.tag)})
    found: dict[str, Any] = spec.to_dict()
    for name, made in found["components"]["schemas"].items():
        if issubclass(shape := _CLASSES.get(name, Schema), schemas.Incoming):
            made |= {"additionalProperties": False, **shape.shape}
    return found


_CLASSES: dict[str, type[Schema]] = {}


def _name(schema: Any) -> str:
    made = schema() if isinstance(schema, type) else schema
    name = type(made).__name__
    _CLASSES[name] = type(made)
    return name


def _plain_types(self: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """What apispec cannot know of our fields."""
    if isinstance(field, Id | Time | Address | Optional):
        nullable = field.allow_none
        return {"type": ["string", "null"] if nullable else "string"}
    if isinstance(field, Probability):
        return {"type": "number"}
    if isinstance(field, RuleEntry):
        return {"oneOf": [self.resolve_nested_schema(shape()) for shape in RULES.values()]}
    if isinstance(field, schemas.Quota):
        bounds = (schemas.COUNT_MOST, schemas.DAY)
        return {"prefixItems": [{"type": "integer", "minimum": 1, "maximum": most} for most in bounds], "items": {}}
    return {}


def _operation(operation: Operation, tag: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [tag],
        "summary": operation.summary,
        "description": f"Open to: {operation.right.value}." + (_KEYED if operation.keyed else ""),
        "security": [{} if scheme is None else {scheme: []} for scheme in _SCHEMES[operation.right]],
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    return made


def _parameters(operation: Operation) -> list[Any]:
    found: list[Any] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", **({"format": "uuid"} if name.endswith("_id") else {})},
        }
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    if operation.query is not None:
        found.append({"in": "query", "schema": operation.query})
    return found


def _responses(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, shape in operation.answers.items():
        shapes = shape if isinstance(shape, tuple) else (shape,)
        given = [one for one in shapes if one is not None]
        found[str(status)] = {"description": _WORDS.get(status, "Done")}
        if given:
            schema = given[0] if len(given) == 1 else {"anyOf": given}
            found[str(status)]["content"] = {"application/json": {"schema": schema}}
    kinds = set(operation.problems) | set(_ALWAYS)
    if operation.right is not Right.PUBLIC:
        kinds |= {"unauthorized", "forbidden"}
    if operation.body is not None:
        kinds |= {"unsupported-media-type", "payload-too-large", "validation-error", "request-timeout"}
    if operation.query is not None:
        kinds.add("validation-error")
    if operation.keyed:
        kinds |= {"idempotency-in-progress", "idempotency-key-reused"}
    if "{" in operation.path:
        kinds.add("not-found")
    for kind in sorted(kinds, key=lambda kind: (TYPES[kind][0], kind)):
        status, title = TYPES[kind]
        found.setdefault(str(status), {"description": title, **_PROBLEM})
    if operation.query is not None:
        found["414"] = {
            "description": TYPES["uri-too-long"][1]
        }  # twice as long, and the HTTP server says so, before us
    return found


_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_WORDS = {200: "As asked for", 201: "Made", 202: "Taken in", 204: "Done", 304: "You hold this very answer"}

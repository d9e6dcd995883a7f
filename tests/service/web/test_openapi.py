"""The OpenAPI document: made from what serves, whole, and true."""

import json
import re
from typing import Any

import pytest

from service.web import schemas
from service.web.api import ROUTES
from service.web.auth import Right
from service.web.errors import TYPES
from tests.world import World

OPERATIONS = {operation.name: operation for room in ROUTES for operation in room.operations}


@pytest.fixture(scope="module")
def document(shared: World) -> Any:
    """The document as served."""
    answer = shared.request("GET", "/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return answer.json


def operations(document: Any) -> dict[str, Any]:
    """Each operation by its name."""
    return {operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()}


def test_it_is_openapi_3_1_and_names_every_operation(document: Any) -> None:
    """Method and path of each declared route, and no other."""
    assert document["openapi"] == "3.1.0"
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert told == {(operation.method, operation.path) for operation in OPERATIONS.values()}
    assert set(operations(document)) == set(OPERATIONS)


def test_every_reference_leads_somewhere(document: Any) -> None:
    """No schema is named that is not there, and none is there that nobody names."""
    text = json.dumps(document)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named == set(document["components"]["schemas"])


def test_every_operation_says_who_may(document: Any) -> None:
    """Security schemes by right; an operation open to everybody says so by an empty requirement."""
    schemes = set(document["components"]["securitySchemes"])
    assert schemes == {"secretKey", "statusToken", "moderatorToken", "adminToken"}
    for name, operation in operations(document).items():
        named = [scheme for requirement in operation["security"] for scheme in requirement]
        assert set(named) <= schemes
        is_open = {} in operation["security"]
        assert is_open is (OPERATIONS[name].right in (Right.PUBLIC, Right.PUBLIC_OR_READ))
        assert operation["description"].startswith(f"Open to: {OPERATIONS[name].right.value}.")
        assert ("Idempotency-Key" in operation["description"]) is OPERATIONS[name].keyed


def test_every_operation_says_how_it_can_end(document: Any) -> None:
    """Its answers with their shapes, and problems as problem documents."""
    for name, operation in operations(document).items():
        told = {int(status) for status in operation["responses"]}
        assert set(OPERATIONS[name].answers) <= told
        for kind in OPERATIONS[name].problems:
            assert TYPES[kind][0] in told
        for status, response in operation["responses"].items():
            if int(status) >= 400 and status != "414":
                assert set(response["content"]) == {"application/problem+json"}


def test_what_comes_in_is_closed_and_what_goes_out_holds_no_address(document: Any) -> None:
    """Requests allow no unknown member; no answer has a member for an address, a digest or a score in public."""
    found = document["components"]["schemas"]
    assert all(schema["additionalProperties"] is False for schema in found.values())
    incoming = {cls.__name__ for cls in schemas.Incoming.__subclasses__()} | {"Thresholds"}
    assert {"Submission", "Revision", "Place"} <= incoming
    for name in set(found) - incoming:
        members = set(found[name]["properties"])
        assert not members & {"email", "address", "digest", "author_ip", "author_index", "secret"}
    for public in ("CommentStatus", "PublicTree", "CommentList", "ChangedComment", "AcceptedComment"):
        assert not set(found[public]["properties"]) & {"scores", "rule", "saw", "model"}


def test_limits_in_the_document_are_those_that_hold(document: Any) -> None:
    """Lengths, bounds and choices stand in the schemas."""
    comment = document["components"]["schemas"]["Submission"]
    assert set(comment["required"]) == {"thread", "name", "email", "body"}
    assert comment["properties"]["body"]["maxLength"] == 20_000
    assert comment["properties"]["email"]["format"] == "email"
    review = document["components"]["schemas"]["Review"]["properties"]
    assert review["action"]["enum"] == ["publish", "reject", "flag"]
    assert review["version"]["minimum"] == 1

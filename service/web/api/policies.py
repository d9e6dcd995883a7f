"""Policies: what a site lets pass. Every version is kept; one can be tried on the past before it is put in force."""

from dataclasses import asdict
from typing import Any

from service import policing, trials
from service.domain.policies import UnknownList
from service.domain.policy import Policy
from service.store import sites
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.sites import PolicyVersion, Site
from service.web import policy_schemas as shapes
from service.web.api.sites import site_of
from service.web.auth import Right
from service.web.errors import Problem
from service.web.routing import BATCH_BYTES, Answer, Call, Routes

routes = Routes("policies")


@routes.add("GET", "/v1/sites/{site}/policy", Right.ADMIN, answers={200: shapes.PolicyView()}, problems=("not-found",))
def get_policy(call: Call, site: str) -> Answer:
    """The policy in force, every value spelt out."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer(_view(connection, found, sites.policy(connection, found.id)))


@routes.add(
    "PUT", "/v1/sites/{site}/policy", Right.ADMIN,
    body=shapes.Policy(), answers={200: shapes.PolicyView()}, problems=("not-found", "conflict"), most=BATCH_BYTES,
)  # fmt: skip
def put_policy(call: Call, site: str) -> Answer:
    """Put a policy in force; the next comment is judged by it. Its examples must get the verdicts they expect."""
    found = site_of(call, site)
    document = {name: value for name, value in call.body.items() if name != "note"}
    with call.services.database.connection() as connection:
        policy = _read(connection, found, document)
    _check_examples(call, document, policy)  # takes as long as the model does: no connection is held meanwhile
    with call.services.database.transaction() as connection:
        stored = policing.put(connection, found.id, document, policy, call.caller.token_id, call.body["note"])
    return Answer(_shown(stored, policy))


@routes.add(
    "GET", "/v1/sites/{site}/policy/versions", Right.ADMIN,
    answers={200: shapes.PolicyVersions()}, problems=("not-found",),
)  # fmt: skip
def list_policies(call: Call, site: str) -> Answer:
    """All policies the site ever had: who put them, when and why."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer({"versions": [asdict(one) for one in sites.policy_versions(connection, found.id)]})


@routes.add(
    "GET", "/v1/sites/{site}/policy/versions/{version}", Right.ADMIN,
    answers={200: shapes.PolicyView()}, problems=("not-found",),
)  # fmt: skip
def get_policy_version(call: Call, site: str, version: str) -> Answer:
    """One of them, every value spelt out."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer(_view(connection, found, sites.policy(connection, found.id, _number(version))))


@routes.add(
    "POST", "/v1/sites/{site}/policy/rollback", Right.ADMIN,
    body=shapes.Rollback(), answers={200: shapes.PolicyView()}, problems=("not-found", "conflict"),
)  # fmt: skip
def roll_back_policy(call: Call, site: str) -> Answer:
    """Put an earlier version in force again, as a new version; 0 is the built-in one."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        earlier = _earlier(connection, found, call.body["version"])
        policy = _read(connection, found, earlier.document)
        note = call.body["note"] or f"back to version {earlier.version}"
        stored = policing.put(connection, found.id, earlier.document, policy, call.caller.token_id, note)
        return Answer(_view(connection, found, stored))


@routes.add(
    "POST", "/v1/sites/{site}/policy/try", Right.ADMIN,
    body=shapes.PolicyTrial(), answers={200: shapes.TrialView()}, problems=("not-found", "conflict"), most=BATCH_BYTES,
)  # fmt: skip
def try_policy(call: Call, site: str) -> Answer:
    """What a policy would make of the last decided comments, against what moderators made of them; nothing is saved."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        policy = _read(connection, found, call.body["policy"], "#/policy")
        tried = trials.run(connection, found.id, policy, call.body["last"])
    data = {
        "total": tried.total, "same": tried.same, "changes": tried.changes, "sentences": tried.sentences,
        "warnings": policing.warnings(policy),
    }  # fmt: skip
    return Answer(data)


def _earlier(connection: Connection, site: Site, version: int) -> PolicyVersion:
    try:
        return sites.policy(connection, site.id, version)
    except NotFound:
        detail = f"This site never had a policy of version {version}. Its versions are listed at policy/versions."
        raise Problem("conflict", detail, [{"detail": detail, "pointer": "#/version", "code": "unknown"}]) from None


def _read(connection: Connection, site: Site, document: Any, place: str = "#") -> Policy:
    """The policy of a document that stands at `place` of the body. Raises Problem where it contradicts itself."""
    wrong = policing.contradictions(document)
    if wrong:
        errors = [{"detail": one.text, "pointer": place + one.place, "code": "contradiction"} for one in wrong]
        raise Problem("conflict", f"{wrong[0].text.capitalize()}.", errors)
    try:
        return policing.read(connection, site.id, document)
    except UnknownList as error:
        detail = f"This site has no list named {error.name}. Import it first, or leave it out."
        pointer = f"{place}/rules"
        raise Problem("conflict", detail, [{"detail": detail, "pointer": pointer, "code": "unknown_list"}]) from None


def _check_examples(call: Call, document: Any, policy: Policy) -> None:
    if not document.get("examples"):
        return
    model = call.services.model()
    if model is None:
        raise Problem("service-unavailable", "No model is loaded, so the examples cannot be judged. Load one.")
    missed = policing.examples(document, policy, model)
    if missed:
        errors = [
            {"detail": one.text, "pointer": f"#/examples/{one.at}/expect", "code": "unexpected"} for one in missed
        ]
        raise Problem("conflict", f"Example {missed[0].at}: {missed[0].text}.", errors)


def _view(connection: Connection, site: Site, stored: PolicyVersion) -> dict[str, Any]:
    try:
        policy = policing.read(connection, site.id, stored.document)
    except UnknownList:
        own = {name: stored.document[name] for name in ("rules", "examples") if name in stored.document}
        return {**asdict(stored), "policy": own, "warnings": []}
    return _shown(stored, policy)


def _shown(stored: PolicyVersion, policy: Policy) -> dict[str, Any]:
    return {**asdict(stored), "policy": policing.show(stored, policy), "warnings": policing.warnings(policy)}


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Problem("not-found", "Versions are whole numbers, as this API lists them.")
    return int(text)

"""What is done with policies: read a checked document, judge its examples, lint it, put it in force.

Used by the API and by the command line, so that both do the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from classifier import Model
from service import evidence
from service.domain import lint, policies
from service.domain.ids import new_id
from service.domain.lifecycle import Action
from service.domain.lint import Warning
from service.domain.policy import Policy, judge
from service.domain.reasons import LABELS
from service.domain.rules import Verdict
from service.rulebook import Rulebook
from service.store import lists, sites
from service.store.claims import Surroundings
from service.store.database import Connection
from service.store.sites import PolicyVersion

DEFAULT: Sequence[Mapping[str, Any]] = policies.write(Policy())["rules"]
_NOBODY = Surroundings(thread_closed=False, repeats=0, domain_class="own", first=False, ban=None)


@dataclass(frozen=True, slots=True)
class Missed:
    """An example whose verdict is not the one it expects. at: its place among the examples, from 0."""

    at: int
    expected: Action
    verdict: Verdict

    @property
    def text(self) -> str:
        """For people."""
        return f"expected {self.expected}, got {self.verdict.action} by the rule {self.verdict.rule}"


@dataclass(frozen=True, slots=True)
class _Comment:
    id: UUID
    name: str
    body: str
    website: str | None
    author_verified: bool = False


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two parts of a document that cannot both hold. place: a JSON Pointer without its fragment sign."""

    place: str
    text: str


def contradictions(document: Mapping[str, Any]) -> list[Contradiction]:
    """What keeps a document, whose parts are right each for itself, from being a policy."""
    rules = document.get("rules", DEFAULT)
    found = []
    for kind, least in (("scores", 1), ("repeats", 0)):
        count = sum(rule["rule"] == kind for rule in rules)
        if not least <= count <= 1:
            wanted = "exactly once" if least else "once at the most"
            found.append(Contradiction("/rules", f"a policy holds the rule {kind} {wanted} (here {count} times)"))
    return found + [
        Contradiction(f"/rules/{at}/thresholds/{label}", f"publish_below of {label} must not be above its reject_above")
        for at, rule in enumerate(rules)
        for label, pair in rule.get("thresholds", {}).items()
        if pair["publish_below"] > pair["reject_above"]
    ]


def read(connection: Connection, site_id: UUID, document: Mapping[str, Any]) -> Policy:
    """The policy in a checked document, with the site's lists as they are. Raises UnknownList."""
    now = {one.name: one.version for one in lists.listed(connection, site_id)}
    return Rulebook().read(connection, site_id, document, now)


def examples(document: Mapping[str, Any], policy: Policy, model: Model) -> Sequence[Missed]:
    """The examples of a document that do not get the verdict they expect."""
    given = document.get("examples", [])
    if not given:
        return []
    found = model.score([example["body"] for example in given])
    missed = []
    for at, (example, scores) in enumerate(zip(given, found, strict=True)):
        comment = _Comment(new_id(), example["name"], example["body"], example.get("website"))
        verdict = judge(
            evidence.facts(
                comment, policy, {label: getattr(scores, label) for label in LABELS}, scores.language, _NOBODY, 0.0
            ),
            policy,
        )
        if verdict.action is not Action(example["expect"]):
            missed.append(Missed(at, Action(example["expect"]), verdict))
    return missed


def warnings(policy: Policy) -> list[Warning]:
    """What the policy probably does not mean."""
    return lint.warnings(policy, evidence.normal)


def put(
    connection: Connection, site_id: UUID, document: Mapping[str, Any], policy: Policy, by: str | None, note: str | None
) -> PolicyVersion:
    """Put a checked document in force. Runs inside the caller's transaction."""
    version = sites.add_policy(connection, site_id, policies.stored(document, policy), by, note)
    return sites.policy(connection, site_id, version)


def show(stored: PolicyVersion, policy: Policy) -> dict[str, Any]:
    """The document of a stored policy, every value spelt out, with its examples."""
    own = {"examples": stored.document["examples"]} if stored.document.get("examples") else {}
    return policies.write(policy) | own

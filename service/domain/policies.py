"""Policies as documents: the plain form in which a site's policy is stored, sent and kept in files.

A document is `{"rules": [{"rule": KIND, ...}, ...], "examples": [...]}`. The schema that checks one stands at the edge
(`service.web.policy_schemas`); here a checked one becomes rules, and rules become a document again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.domain.facts import SCOPES
from service.domain.lifecycle import Action
from service.domain.matching import Lexicon, Matcher, Normalise, Patterns
from service.domain.policy import DEFAULT_RULES, Policy
from service.domain.reasons import Reason
from service.domain.rules import (
    DEFAULT_THRESHOLDS,
    KINDS,
    Audit,
    Language,
    Links,
    Match,
    Repeats,
    Rule,
    Scores,
    Status,
    Thresholds,
)

#: The imported list of a name: its kind ("words" or "domains") and its entries.
FindList = Callable[[str], tuple[str, Lexicon]]


class UnknownList(Exception):
    """Raised when a policy names a list that the site does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no list {name!r}: import it first")
        self.name = name


def no_lists(name: str) -> tuple[str, Lexicon]:
    """For policies that use none. Raises UnknownList."""
    raise UnknownList(name)


def read(document: Mapping[str, Any], version: int, normalise: Normalise, find_list: FindList = no_lists) -> Policy:
    """The policy in a checked document. Raises UnknownList, PatternError."""
    if "rules" not in document:
        return Policy(_from_first_release(document), version)
    rules = tuple(_rule(entry, normalise, find_list) for entry in document["rules"])
    return Policy(rules, version)


def _rule(entry: Mapping[str, Any], normalise: Normalise, find_list: FindList) -> Rule:
    kind = KINDS[entry["rule"]]
    given: dict[str, Any] = {"name": entry.get("name", ""), "status": Status(entry.get("status", "live"))}
    if "then" in entry:
        given["then"] = Action(entry["then"])
    if kind is Match:
        return Match(
            **given,
            matcher=_matcher(entry, normalise, find_list),
            reason=Reason(entry.get("reason", Reason.BLOCKED)),
            source=entry,
        )
    if kind is Scores:
        return Scores(**given, thresholds=_thresholds(entry.get("thresholds", {})))
    given |= {name: entry[name] for name in _OPTIONS.get(kind, ()) if name in entry}
    return kind(**given)


_OPTIONS: Mapping[type[Rule], Sequence[str]] = {
    Links: ("most",), Repeats: ("hours", "length", "similarity"), Audit: ("share",),
}  # fmt: skip
#: What of a match rule is its own writing and comes out as it went in.
_SOURCE = ("words", "patterns", "domains", "lists", "in")


def _matcher(entry: Mapping[str, Any], normalise: Normalise, find_list: FindList) -> Matcher:
    lexicons = [Lexicon.of(entry["words"], normalise)] if entry.get("words") else []
    domains = [Lexicon.of_domains(entry["domains"])] if entry.get("domains") else []
    for name in entry.get("lists", ()):
        kind, lexicon = find_list(name)
        (domains if kind == "domains" else lexicons).append(lexicon)
    return Matcher(tuple(entry.get("in", SCOPES)), tuple(lexicons), tuple(domains), Patterns(entry.get("patterns", ())))


def _thresholds(given: Mapping[str, Mapping[str, float]]) -> dict[str, Thresholds]:
    return {
        label: Thresholds(
            float(given.get(label, {}).get("publish_below", standard.publish_below)),
            float(given.get(label, {}).get("reject_above", standard.reject_above)),
        )
        for label, standard in DEFAULT_THRESHOLDS.items()
    }


def _from_first_release(document: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules of a document as release 0.1 stored it: single values in a fixed order of rules."""
    own: dict[str, Rule] = {
        Links.kind: Links(most=document.get("max_links", 3)),
        Repeats.kind: Repeats(hours=document.get("repeat_hours", 24), length=document.get("repeat_length", 20)),
        Scores.kind: Scores(thresholds=_thresholds(document.get("thresholds", {}))),
    }
    if document.get("unsupported_language") == "rules":
        own[Language.kind] = Language(status=Status.DRAFT)
    return tuple(own.get(rule.kind, rule) for rule in DEFAULT_RULES)


def write(policy: Policy) -> dict[str, Any]:
    """The document of a policy, every value spelt out."""
    return {"rules": [_entry(rule) for rule in policy.rules]}


def _entry(rule: Rule) -> dict[str, Any]:
    entry: dict[str, Any] = {"rule": rule.kind}
    if rule.name:
        entry["name"] = rule.name
    entry["status"] = str(rule.status)
    if rule.kind != Scores.kind:
        entry["then"] = str(rule.then)
    if isinstance(rule, Match):
        entry |= {"reason": str(rule.reason), **{name: rule.source[name] for name in _SOURCE if name in rule.source}}
    if isinstance(rule, Scores):
        entry["thresholds"] = {
            label: {"publish_below": limits.publish_below, "reject_above": limits.reject_above}
            for label, limits in rule.thresholds.items()
        }
    return entry | {name: getattr(rule, name) for name in _OPTIONS.get(type(rule), ())}


def stored(document: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """A checked document as the database keeps it.

    With the single values of release 0.1 beside the rules, so that a worker of that release, while it still runs beside
    this one, judges by the site's own thresholds rather than by the default.
    """
    links = next((rule.most for rule in policy.rules if isinstance(rule, Links) and rule.status is Status.LIVE), 1000)
    language = any(isinstance(rule, Language) and rule.status is Status.LIVE for rule in policy.rules)
    scores = next(rule for rule in policy.rules if isinstance(rule, Scores))
    old: dict[str, Any] = {
        "thresholds": _entry(scores)["thresholds"],
        "max_links": links,
        "unsupported_language": "hold" if language else "rules",
    }
    if policy.repeats is not None:
        old |= {"repeat_hours": policy.repeats.hours, "repeat_length": policy.repeats.length}
    return {**document, **old}

"""Policies as documents: the plain form in which a site's policy is stored and sent."""

from collections.abc import Mapping
from typing import Any

from service.domain.policy import DEFAULT_THRESHOLDS, Policy, Thresholds


def read(document: Mapping[str, Any], version: int) -> Policy:
    """The policy in a stored document; what it does not name stays at its default."""
    default = Policy()
    given = document.get("thresholds", {})
    return Policy(
        thresholds={
            label: Thresholds(
                float(given.get(label, {}).get("publish_below", standard.publish_below)),
                float(given.get(label, {}).get("reject_above", standard.reject_above)),
            )
            for label, standard in DEFAULT_THRESHOLDS.items()
        },
        max_links=document.get("max_links", default.max_links),
        repeat_hours=document.get("repeat_hours", default.repeat_hours),
        repeat_length=document.get("repeat_length", default.repeat_length),
        unsupported_language=document.get("unsupported_language", default.unsupported_language),
        version=version,
    )


def write(policy: Policy) -> dict[str, Any]:
    """The document of a policy, with every value spelt out."""
    return {
        "thresholds": {
            label: {"publish_below": limits.publish_below, "reject_above": limits.reject_above}
            for label, limits in policy.thresholds.items()
        },
        "max_links": policy.max_links,
        "repeat_hours": policy.repeat_hours,
        "repeat_length": policy.repeat_length,
        "unsupported_language": policy.unsupported_language,
    }

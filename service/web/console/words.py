"""Labels, rules and records in moderators' words."""

from collections.abc import Callable, Mapping
from typing import Any

from service.web.pages import percent

#: Reasons and labels of scores, as headings and choices.
NAMES: Mapping[str, str] = {
    "spam": "Advertising",
    "toxicity": "Toxic",
    "severe_toxicity": "Very toxic",
    "obscene": "Obscene",
    "threat": "Threat",
    "insult": "Insult",
    "identity_attack": "Attack on identity",
    "closed_thread": "Closed discussion",
    "banned": "Banned author",
    "blocked": "Blocked words or links",
    "too_many_links": "Many links",
    "repeat": "Repeated text",
    "disposable_email": "Throw-away mail address",
    "language": "Language not known",
    "no_score": "No score",
    "held": "Changed while held",
    "first_comment": "First comment",
    "audit": "Sample",
    "off_topic": "Off topic",
    "other": "Other",
}
_DOMAINS = {"free": "a large mail provider", "disposable": "a throw-away mail provider", "own": "a domain of its own"}


def why(view: Mapping[str, Any]) -> list[str]:
    """Why a comment waits, as sentences: what the policy saw, and who put it back."""
    judged = next((made for made in reversed(view["decisions"]) if made.actor == "policy"), None)
    sentences = ["A moderator put it back into the queue."] if view["rule"] == "moderator" else []
    if judged is not None:
        sentences += verdict(judged.rule, judged.saw)
        sentences += second_look(judged.saw, judged.scores or {})
    if view["waiting"]:
        sentences.append("Its author changed it, and the new text is still to be judged.")
    return sentences or ["Nothing is noted about why it waits."]


def verdict(rule: str | None, saw: Mapping[str, Any]) -> list[str]:
    """What a rule saw, as sentences; and what rules in shadow saw, which changed nothing."""
    kind, _, name = (rule or "").partition(": ")
    said = [_RULES[kind](saw)] if kind in _RULES else []
    if name and said:
        said[0] = f"{said[0].removesuffix('.')} (rule “{name}”)."
    for silent in saw.get("shadow", ()):
        said.append(f"The rule “{silent['rule']}”, in shadow, would have said: {_DONE[silent['action']]}.")
    return said


def second_look(saw: Mapping[str, Any], together: Mapping[str, float | None]) -> list[str]:
    """What both tiers said, as a sentence, where the second was asked. together: the scores that were judged."""
    tiers = saw.get("tiers")
    if tiers is None:
        return []
    if tiers["second"] is None:
        return ["The second tier gave no answer; the scores are those of the first."]
    known = [label for label in tiers["first"] if together.get(label) is not None]
    if not known:
        return []
    label = saw["label"] if saw.get("label") in known else max(known, key=lambda one: together[one] or 0)
    first, both = percent(tiers["first"][label]), percent(together[label] or 0)
    said = f"Two tiers read it: for “{NAMES[label]}” the first alone gives {first}, both together {both}."
    return [f"{said} The words named here spoke in the first."]


def _scored(saw: Mapping[str, Any]) -> str:
    worst = saw["label"]
    others = [label for label in saw["over"] if label != worst]
    first = f"The score for “{NAMES[worst]}” is {percent(saw['score'])}: more than this site publishes unread."
    if not others:
        return first
    return f"{first} So {'is' if len(others) == 1 else 'are'} " + ", ".join(
        f"“{NAMES[label]}” ({percent(saw['over'][label])})" for label in others
    ) + "."  # fmt: skip


def _links(saw: Mapping[str, Any]) -> str:
    return f"It holds {saw['links']} links; this site lets {saw['allowed']} pass."


def _repeated(saw: Mapping[str, Any]) -> str:
    if "similarity" in saw:
        return (
            f"Nearly the same text ({percent(saw['similarity'])} alike) was posted in the {saw['hours']} hours before."
        )
    return f"The same text was posted {times(saw['repeats'])} in the {saw['hours']} hours before."


def _banned(saw: Mapping[str, Any]) -> str:
    whom = {"author": "author", "domain": "mail domain", "network": "network"}[saw["what"]]
    return f"Its {whom} is banned here: {saw['why']}"


def _matched(saw: Mapping[str, Any]) -> str:
    what = {"word": "holds", "pattern": "fits the pattern", "domain": "links to"}[saw["kind"]]
    where = "" if saw["scope"] in ("link", "body") else f" in its {saw['scope']}"
    return f"It {what} “{saw['entry']}”{where}."


def _language(saw: Mapping[str, Any]) -> str:
    return f"The classifier has no opinion on its language ({saw['language']}), so a person has to read it."


_RULES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "scores": _scored,
    "links": _links,
    "repeats": _repeated,
    "bans": _banned,
    "match": _matched,
    "disposable_email": lambda _: "Its address is of a throw-away mail provider.",
    "first_comment": lambda _: "Its author has nothing published here yet.",
    "audit": lambda saw: f"It was drawn as a sample: {percent(saw['share'])} of what would be published.",
    "unreadable_policy": lambda _: "The site's policy cannot be read: a list is missing that it names.",
    "language": _language,
    "no_score": lambda _: "It could not be scored.",
    "no_second_look": lambda _: (
        "Its scores are in doubt, and the second tier, which should have read it, did not answer."
    ),
    "tried_too_often": lambda _: "Scoring it failed several times.",
    "closed_thread": lambda _: "The discussion was closed before it could be judged.",
    "held": lambda _: "It was waiting for a moderator when its author changed it.",
    # as release 0.1 named them
    "score_flags": _scored,
    "score_rejects": _scored,
    "too_many_links": _links,
    "repeat": _repeated,
}
_DONE = {"publish": "publish", "flag": "hold for a moderator", "reject": "reject"}


def record(view: Mapping[str, Any]) -> str:
    """How the author fared so far, in one line."""
    author = view["author"]
    counts = dict(author["comments"])
    counts[view["status"]] = counts.get(view["status"], 1) - 1  # without this one
    parts = [f"{n:,} {state}" for state, n in counts.items() if n > 0]
    domain = _DOMAINS.get(author["domain_class"] or "", "an unknown mail provider")
    known = f"Earlier here: {', '.join(parts)}." if parts else "First comment here."
    vouched = " The website vouches for the author." if author["verified"] else ""
    return f"{known} Writes from {domain}.{vouched}"


def times(n: int) -> str:
    """How often."""
    return "once" if n == 1 else "twice" if n == 2 else f"{n:,} times"

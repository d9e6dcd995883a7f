"""What is known of a comment beside its text, as named features of spam.

Links in the text are not here: how many there are and what hosts they have is read from the text itself, by weights
learned from real comments (see `acts` and the flags of `normalise`).

Each field becomes one of a few classes, and each class has a weight: the logarithm of how much more of the spam than
of the ordinary comments has it. Fields are taken to be independent given the label (naive Bayes; Hand and Yu 2001),
so weights add up, an absent field says nothing, and a text without context keeps its score.

No data under a licence that lets us ship a model carry these fields. `SHARES` is therefore an assumption, stated
here in the open and deliberately mild; `python -m classifier calibrate` replaces it by what a site's own decided
comments say, as far as they say anything.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log
from urllib.parse import urlsplit

from classifier.acts import host_flag

CONTEXT_FIELDS = ("name", "website", "email_class", "user_agent")
EMAIL_CLASSES = ("own", "free", "disposable")
PRIOR_COMMENTS = 50
"""What `SHARES` count for beside a site's own comments, in comments of each kind."""

SHARES: Mapping[str, tuple[float, float]] = {
    "name:person": (0.50, 0.60),
    "name:handle": (0.28, 0.35),
    "name:phrase": (0.16, 0.04),
    "name:link": (0.06, 0.01),
    "website:none": (0.45, 0.72),
    "website:home": (0.27, 0.20),
    "website:page": (0.16, 0.05),
    "website:cheap": (0.12, 0.03),
    "website:repeated": (0.20, 0.08),
    "website:alone": (0.80, 0.92),
    "email:own": (0.38, 0.30),
    "email:free": (0.50, 0.68),
    "email:disposable": (0.12, 0.02),
    "agent:browser": (0.85, 0.96),
    "agent:none": (0.06, 0.02),
    "agent:program": (0.09, 0.02),
}
"""By named feature: the share of spam and of ordinary comments that has it, among those whose field is known."""

_PROGRAM = re.compile(
    r"(?i)curl|wget|python|java/|okhttp|go-http|libwww|perl|php|ruby|axios|node|headless|phantom|selenium|scrapy|bot\b"
)
_BROWSER = re.compile(r"Mozilla/5\.0 \(.*(?:Gecko|AppleWebKit)")
_HOST = re.compile(r"(?i)(?:https?://|www\.)([^\s/?#\"'<>]{1,253})")
_NAME_LINK = re.compile(r"(?i)https?:|www\.|[a-z0-9-]\.(?:com|net|org|info|biz|ru|xyz|shop|top|site|online)\b")
_NAME_WORD = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]*)*")


@dataclass(frozen=True, slots=True)
class Context:
    """What a site knows of one comment beside its text; None where it does not know.

    `name` and `website` are the author's as given; an empty string says that there was none. `email_class` is one of
    `EMAIL_CLASSES`, never the address. `user_agent` is the header's value.
    """

    name: str | None = None
    website: str | None = None
    email_class: str | None = None
    user_agent: str | None = None

    def features(self, text: str) -> tuple[str, ...]:
        """The named features of a comment with this `text`, each a key of `SHARES`. Never raises."""
        return tuple(self._found(text[:_READ])) if self != _NOTHING else ()

    def _found(self, text: str) -> Iterator[str]:
        if self.name is not None and (kind := _name_class(self.name[:_READ])):
            yield kind
        if self.website is not None:
            yield from _website_classes(self.website[:_READ].strip(), text)
        if self.email_class in EMAIL_CLASSES:
            yield f"email:{self.email_class}"
        if self.user_agent is not None:
            yield _agent_class(self.user_agent[:_READ])


_NOTHING = Context()
_READ = 4096
"""Characters of a field that are looked at."""


def weights(shares: Mapping[str, tuple[float, float]] = SHARES) -> dict[str, float]:
    """Log-odds of spam by named feature, from shares of spam and of ordinary comments."""
    return {name: log(spam / ham) for name, (spam, ham) in shares.items()}


def learn(counted: Iterable[tuple[tuple[str, ...], bool]]) -> dict[str, tuple[float, float]]:
    """Shares as some comments show them, each given by its features and whether it is spam.

    `SHARES` stand in for `PRIOR_COMMENTS` comments of each kind, so that a few comments move little.
    """
    seen: dict[str, list[float]] = {name: [0.0, 0.0] for name in SHARES}
    of_field: dict[str, list[float]] = {_field(name): [0.0, 0.0] for name in SHARES}
    for features, spam in counted:
        for name in features:
            seen[name][not spam] += 1
            of_field[_field(name)][not spam] += 1
    return {
        name: (
            (seen[name][0] + PRIOR_COMMENTS * spam) / (of_field[_field(name)][0] + PRIOR_COMMENTS),
            (seen[name][1] + PRIOR_COMMENTS * ham) / (of_field[_field(name)][1] + PRIOR_COMMENTS),
        )
        for name, (spam, ham) in SHARES.items()
    }


def _field(name: str) -> str:
    """What classes exclude each other: `website` has two such groups."""
    return "website:again" if name in ("website:repeated", "website:alone") else name.partition(":")[0]


def _name_class(name: str) -> str | None:
    words = name.split()
    if not words:
        return None
    if _NAME_LINK.search(name):
        return "name:link"
    if len(words) > 3:
        return "name:phrase"
    return "name:person" if all(map(_NAME_WORD.fullmatch, words)) and name != name.lower() else "name:handle"


def _website_classes(website: str, text: str) -> Iterator[str]:
    if not website:
        yield "website:none"
        return
    try:
        parts = urlsplit(website if "://" in website else f"http://{website}")
        host = _plain(parts.hostname or "")
    except ValueError:
        yield "website:cheap"
        return
    if host_flag(host) or host.count("-") > 1:
        yield "website:cheap"
    else:
        yield "website:page" if parts.path.strip("/") or parts.query else "website:home"
    linked = {_plain(other) for other in _HOST.findall(text)}
    yield "website:repeated" if host in linked else "website:alone"


def _plain(host: str) -> str:
    return host.lower().split("@")[-1].split(":")[0].strip(".").removeprefix("www.")


def _agent_class(agent: str) -> str:
    if not agent.strip():
        return "agent:none"
    return "agent:browser" if _BROWSER.search(agent) and not _PROGRAM.search(agent) else "agent:program"

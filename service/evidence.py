"""What a comment's texts say for a verdict: its words as the classifier reads them, its links, its sketch.

Between the classifier, which knows how to read disguises, and the domain, which knows what to ask.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from classifier.normalise import mend_links, normalise
from service.domain import sketch, text
from service.domain.facts import Facts, Text
from service.domain.matching import domain
from service.domain.policy import Policy
from service.domain.rules import Match
from service.store.claims import Surroundings
from service.store.sketches import Sketched


def normal(written: str) -> str:
    """A text as the classifier reads it: plain lower-case words, disguises undone."""
    return normalise(written).text


def texts(name: str, body: str, website: str | None, read: str | None = None) -> Mapping[str, Text]:
    """A comment's texts by scope. read: the body's normal form, where it is known."""
    written = {"name": name, "body": body, "website": website or ""}
    known = {"body": read}
    return {
        scope: Text(one, normal(one) if (form := known.get(scope)) is None else form)
        for scope, one in written.items()
        if one
    }


def hosts(body: str, website: str | None) -> tuple[str, ...]:
    """The hosts that a comment leads to, each once, as `matching.domain` writes them; broken dots are mended.

    Those of its links, and those of addresses that are not linked because not every reader sees the same host in them.
    """
    mended = mend_links(body)
    bodies = (body,) if mended == body else (body, mended)
    urls = [*(url for each in bodies for url in text.links(each)), *([] if website is None else [website])]
    written = {domain(name) for each in bodies for name in text.written_hosts(each)}
    return tuple(sorted(written.union(map(_host, urls)) - {""}))


def sketched(site_id: UUID, body: str, read: str | None = None) -> tuple[bytes, list[int]] | None:
    """The sketch of a body and the bands it is found by; None for one too short to compare. read: as in `texts`."""
    made = sketch.sketch(normal(body) if read is None else read)
    return None if made is None else (made, sketch.bands(site_id.bytes, made))


class Written(Protocol):
    """A comment as its author wrote it."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def website(self) -> str | None: ...
    @property
    def author_verified(self) -> bool: ...


def sketches_of(
    comments: Iterable[tuple[UUID, Written, Policy]], read: Mapping[UUID, str] = MappingProxyType({})
) -> list[Sketched]:
    """The sketches of those comments (site, comment, policy) whose site wants to know of near repeats.

    read: normal forms of bodies by comment, as far as they are known.
    """
    found = []
    for site_id, comment, policy in comments:
        rule = policy.repeats
        if rule is None or rule.similarity >= 1 or len(comment.body) < rule.length:
            continue
        if made := sketched(site_id, comment.body, read.get(comment.id)):
            found.append(Sketched(comment.id, *made, rule.hours, rule.similarity))
    return found


def facts(
    comment: Written, policy: Policy, scores: Mapping[str, float | None] | None, language: str,
    around: Surroundings, likeness: float, read: str | None = None, *, held: bool = False, exhausted: bool = False,
) -> Facts:  # fmt: skip
    """The facts of a comment, as far as its policy asks for them. read: as in `texts`. The rest: as in `Facts`."""
    matches = policy.asks(Match)
    return Facts(
        scores=scores,
        language=language,
        links=len(text.links(comment.body)),
        hosts=hosts(comment.body, comment.website) if matches else (),
        repeats=around.repeats,
        likeness=likeness,
        length=len(comment.body),
        thread_closed=around.thread_closed,
        verified=comment.author_verified,
        ban=around.ban,
        domain_class=around.domain_class,
        first=around.first,
        lot=lot(comment.id),
        held=held,
        exhausted=exhausted,
        texts=texts(comment.name, comment.body, comment.website, read) if matches else {},
    )


def lot(comment_id: UUID) -> float:
    """A number in 0..1 that is this comment's own: its id's random end."""
    return (comment_id.int & 0xFFFFFFFF) / 2**32


def _host(url: str) -> str:
    try:
        return domain(urlsplit(url).hostname or "")
    except ValueError:
        return ""

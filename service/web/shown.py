"""Comments as everybody gets them: addresses masked, text as safe HTML; as data for pages, and as JSON for programs."""

from collections.abc import Sequence
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from markupsafe import escape

from service.domain import text
from service.store.public import Shown
from service.web.memory import Memory

_rendered = Memory(16 * 1024 * 1024)  # finding the links of a long body takes milliseconds


def html(body: str) -> str:
    """A body as safe HTML: escaped, with line breaks, and with links that pass on nothing."""
    if not text.linklike(body):
        return _escaped(body)
    made = []
    for part in text.parts(body):
        escaped = _escaped(part.text)
        if part.href is not None:
            escaped = f'<a href="{escape(part.href)}" rel="nofollow ugc noopener noreferrer">{escaped}</a>'
        made.append(escaped)
    return "".join(made)


def show(comment: Shown) -> dict[str, Any]:
    """A comment as the public gets it: addresses in its text are masked."""
    body = None if comment.body is None else text.mask(comment.body)
    return {
        "id": comment.id,
        "parent_id": comment.parent_id,
        "name": None if comment.name is None else text.mask(comment.name),
        "website": comment.website,
        "body": body,
        "html": None if body is None else _html(comment.id, body),
        "published_at": comment.published_at,
        "edited": comment.edited,
        "removed": comment.removed,
    }


def nested(comments: Sequence[Shown]) -> list[dict[str, Any]]:
    """Comments as trees: each with its replies, in the order given."""
    shown = {comment.id: {**show(comment), "replies": []} for comment in comments}
    roots: list[dict[str, Any]] = []
    for comment in comments:
        above = shown.get(comment.parent_id) if comment.parent_id else None
        (roots if above is None else above["replies"]).append(shown[comment.id])
    return roots


def listed(comments: Sequence[Shown]) -> str:
    """The JSON list of comments as `schemas.PublicTree` would write each; the schema takes thirty times as long."""
    return f"[{', '.join([_written(comment, '') for comment in comments])}]"


def grown(comments: Sequence[Shown]) -> str:
    """The same of comments as trees: each with its replies, in the order given."""
    roots: list[Shown] = []
    replies: dict[str, list[Shown]] = {comment.id: [] for comment in comments}
    for comment in comments:
        replies.get(comment.parent_id or "", roots).append(comment)

    def write(comment: Shown) -> str:
        return _written(comment, ", ".join(map(write, replies[comment.id])))

    return f"[{', '.join(map(write, roots))}]"


def _written(comment: Shown, replies: str) -> str:
    """One comment as JSON. `replies`: those below it, written. Ids and times are put in as they are: they are plain."""
    comment_id, above, name, body, website, published_at, edited, removed, _, _ = comment
    if body is None:
        shown = hypertext = "null"
    else:
        body = text.mask(body)
        shown = hypertext = _quoted(body)
        if text.linklike(body) or _special(body):
            hypertext = _quoted(_html(comment_id, body))
    return (
        f'{{"id": "{comment_id}", "parent_id": {"null" if above is None else _plain(above)}, '
        f'"name": {"null" if name is None else _quoted(text.mask(name))}, '
        f'"website": {"null" if website is None else _quoted(website)}, "body": {shown}, "html": {hypertext}, '
        f'"published_at": {"null" if published_at is None else _plain(published_at)}, '
        f'"edited": {"true" if edited else "false"}, "removed": {"true" if removed else "false"}, '
        f'"replies": [{replies}]}}'
    )


def _plain(text: str) -> str:
    return f'"{text}"'


def _special(body: str) -> bool:
    """Whether a body without links is another text as HTML."""
    return "'" in body or "\n" in body or '"' in body or "&" in body or "<" in body or ">" in body or "\r" in body


def _html(comment_id: str, body: str) -> str:
    """A comment's body as HTML, remembered where there are links to look for: another text is another key."""
    if not text.linklike(body):
        return _escaped(body)
    digest = blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return _rendered.get((comment_id, digest), lambda: html(body))


def _escaped(plain: str) -> str:
    """Text as HTML, with line breaks."""
    return str(escape(plain)).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>\n")

"""What a comment's text may hold, how two texts are the same, and how text becomes safe parts for a page."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from linkify_it import LinkifyIt

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NONCHARACTER = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
#: Bidirectional embeddings, overrides and isolates with what closes them: they reorder what stands beside them.
_OPENERS = {"\u202a": "\u202c", "\u202b": "\u202c", "\u202d": "\u202c", "\u202e": "\u202c"}
_ISOLATES = {"\u2066", "\u2067", "\u2068"}
_SPACE = re.compile(r"\s+")
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"']{1,64}@[^\s@<>()\[\],;:\"']{1,255}\.[^\s@<>()\[\],;:\"'.]{2,63}")


def forbidden(text: str) -> str | None:
    """Why `text` cannot be taken, in words for its sender; None when it can."""
    if found := _SURROGATE.search(text):
        return f"must not hold lone surrogates (found one at character {found.start() + 1})"
    if found := _CONTROL.search(text):
        return f"must not hold control characters (found U+{ord(found[0]):04X} at character {found.start() + 1})"
    if found := _NONCHARACTER.search(text):
        return f"must not hold Unicode noncharacters (found U+{ord(found[0]):04X} at character {found.start() + 1})"
    return None


def calm(text: str) -> str:
    """`text` with each line's bidirectional controls closed at its end, so that they reorder nothing beyond it.

    Overrides (U+202D, U+202E) become embeddings of the same direction: right-to-left writing keeps its shape, while
    Latin letters can no longer be shown backwards. Idempotent. After Unicode UAX 9 and UTR 36, section 2.2.
    """
    if not any("\u202a" <= character <= "\u2069" for character in text):
        return text
    text = text.replace("\u202d", "\u202a").replace("\u202e", "\u202b")
    return "\n".join(_closed(line) for line in text.split("\n"))


def _closed(line: str) -> str:
    kept: list[str] = []
    open_: list[str] = []
    for character in line:
        if character in _OPENERS:
            open_.append("\u202c")
        elif character in _ISOLATES:
            open_.append("\u2069")
        elif character in "\u202c\u2069":
            if not open_ or open_[-1] != character:
                continue
            open_.pop()
        kept.append(character)
    return "".join(kept) + "".join(reversed(open_))


def digest(text: str) -> bytes:
    """16 bytes that are equal for texts equal but for case, spaces, punctuation and Unicode forms."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(character if character.isalnum() else " " for character in folded)
    plain = _SPACE.sub(" ", words).strip() or _SPACE.sub(" ", folded).strip()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def mask(text: str) -> str:
    """`text` with e-mail addresses in it masked: what people see who were not meant to write to anybody."""
    if "@" not in text:
        return text
    return _ADDRESS.sub("[address hidden]", text)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a body: plain text, or text that links to `href` (an http or https URL)."""

    text: str
    href: str | None = None


_linkify = LinkifyIt(options={"fuzzy_email": False, "fuzzy_ip": False})
for _scheme in ("ftp:", "mailto:", "//"):
    _linkify.add(_scheme, None)


#: Longer than any URL we take: not looked through for links, which takes a time that grows with the square.
_LONG = re.compile(r"\S{2049,}")


def parts(text: str) -> list[Part]:
    """`text` cut into plain and linked parts; joined they are `text` again."""
    found = _linkify.match(_LONG.sub(lambda run: " " * len(run[0]), text)) or []
    cut: list[Part] = []
    at = 0
    for match in found:
        if not match.url.lower().startswith(("http://", "https://")):
            continue
        if match.index > at:
            cut.append(Part(text[at : match.index]))
        cut.append(Part(match.text, match.url))
        at = match.last_index
    if at < len(text):
        cut.append(Part(text[at:]))
    return cut


#: No link without it. Looking for links takes a hundred times as long as looking for this.
_LINKLIKE = re.compile(r"[^\s.][.\u3002\uff0e\uff61][^\s.]|//")


def links(text: str) -> list[str]:
    """The URLs that `text` links to: those that `parts` would link."""
    if _LINKLIKE.search(text) is None:
        return []
    return [part.href for part in parts(text) if part.href is not None]

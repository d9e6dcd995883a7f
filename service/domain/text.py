"""What a comment's text may hold, how two texts are the same, and how text becomes safe parts for a page."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from unicodedata import category
from urllib.parse import unquote

from linkify_it import LinkifyIt

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NONCHARACTER = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
#: Bidirectional embeddings, overrides and isolates with what closes them: they reorder what stands beside them.
_OPENERS = {"\u202a": "\u202c", "\u202b": "\u202c", "\u202d": "\u202c", "\u202e": "\u202c"}
_ISOLATES = {"\u2066", "\u2067", "\u2068"}
_BIDI = {*_OPENERS, *_ISOLATES, "\u202c", "\u2069"}
_BIDI_HERE = re.compile("[\u202a-\u2069]")
_SPACE = re.compile(r"\s+")
_NO_WORD = re.compile(r"[\W_]+")  # what is neither letter nor number
_ASCII_WORDS = "".join(chr(number) if chr(number).isalnum() else " " for number in range(128))
#: Fillers of Hangul and Braille: letters and a symbol by name, and nothing to see.
_FILLERS = set("\u115f\u1160\u3164\uffa0\u2800")
#: A flag of a region, such as Scotland's, in whose tags nothing else fits; or (in the group) a tag anywhere else.
_TAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f|([\U000e0000-\U000e007f])")


def forbidden(text: str) -> str | None:
    """Why `text` cannot be taken, in words for its sender; None when it can."""
    if text.isascii() and not _CONTROL.search(text):
        return None
    if found := _SURROGATE.search(text):
        return f"must not hold lone surrogates (found one at character {found.start() + 1})"
    if found := _CONTROL.search(text):
        return f"must not hold control characters (found U+{ord(found[0]):04X} at character {found.start() + 1})"
    if found := _NONCHARACTER.search(text):
        return f"must not hold Unicode noncharacters (found U+{ord(found[0]):04X} at character {found.start() + 1})"
    if found := next((tag for tag in _TAG.finditer(text) if tag[1]), None):
        return (
            f"must not hold tag characters outside flags (found U+{ord(found[1]):04X} at character {found.start() + 1})"
        )
    return None


def visible(text: str) -> bool:
    """Whether a reader sees anything of `text`: a character that is no control, format, space, mark or filler."""
    return any(category(character)[0] not in "CZM" and character not in _FILLERS for character in text)


def stacked(text: str) -> int:
    """The most marks, such as accents, that stand on one character of `text`; formats between them hide nothing."""
    if text.isascii():
        return 0
    most = here = 0
    for kind in map(category, text):
        here = here + (kind[0] == "M") if kind[0] == "M" or kind == "Cf" else 0
        most = max(most, here)
    return most


def calm(text: str) -> str:
    """`text` with each line's bidirectional controls closed at its end, so that they reorder nothing beyond it.

    Overrides (U+202D, U+202E) become embeddings of the same direction: right-to-left writing keeps its shape, while
    Latin letters can no longer be shown backwards. Idempotent. After Unicode UAX 9 and UTR 36, section 2.2.
    """
    if text.isascii() or not _BIDI_HERE.search(text):
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
    if text.isascii() and (words := text.lower().translate(_ASCII_WORDS).split()):
        return hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()  # the same, in a third of the time
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = _NO_WORD.sub(" ", folded).strip() or _SPACE.sub(" ", folded).strip()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()


#: What stands between the two parts of an address, as it is typed and as it stands in a URL.
_AT = re.compile("[@\uff20\ufe6b%](?:(?<!%)|40)")
#: The part before the sign, read from its end: quoted, or up to what ends a word or a piece of a URL's path.
_LOCAL = re.compile(r""""[^"\n\[\]]*"|[^\s@\uff20\ufe6b<>()\[\],;:"'/]+""")
_LOCAL_MOST, _HOST_MOST = 64, 255
_DOTS = ".\u3002\uff0e\uff61"
_DOT = re.compile(f"[{_DOTS}]")
_WITH_LETTERS = {"Mn", "Mc", "Me", "Cf"}
#: How the number of a version or of a place ends, and no name of a host.
_NUMBER = re.compile(r"\d+(?:-|$)")


def mask(text: str) -> str:
    """`text` with e-mail addresses in it masked: what people see who were not meant to write to anybody.

    An address is a word or a quoted text, an at-sign and the name of a host with a dot. Neither part holds a slash and
    no host ends in a number, so most URLs with an at-sign in their path stay whole. Takes a time linear in the length.
    """
    if "@" not in text and "%40" not in text and (text.isascii() or not _AT.search(text)):
        return text
    kept: list[str] = []
    end = 0
    for at in _AT.finditer(text):
        past = _host(text, at.end())
        begin = _local(text, end, at.start()) if past > at.end() else at.start()
        if begin < at.start():
            directions = "".join(character for character in text[begin:past] if character in _BIDI)
            kept += [text[end:begin], "[address hidden]", directions]
            end = past
    return "".join(kept) + text[end:]


def _local(text: str, low: int, at: int) -> int:
    """Where the local part that ends before `at` begins, at `low` or later; `at` if there is none."""
    found = _LOCAL.match(text[max(low, at - _LOCAL_MOST) : at][::-1])
    return at - found.end() if found else at


def _host(text: str, at: int) -> int:
    """Where the name of a host that begins at `at` ends; `at` if there is none."""
    run = text[at : at + _HOST_MOST]
    length = next((n for n, character in enumerate(run) if not _in_host(character)), len(run))
    labels = list(takewhile(bool, _DOT.split(run[:length])))
    while len(labels) > 1 and (len(labels[-1]) < 2 or _NUMBER.match(labels[-1])):
        labels.pop()
    return at + len(".".join(labels)) if len(labels) > 1 else at


def _in_host(character: str) -> bool:
    """Letters and digits with their marks, hyphens, dots; and what cannot be seen between them."""
    return character.isalnum() or character == "-" or character in _DOTS or category(character) in _WITH_LETTERS


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a body: plain text, or text that links to `href` (an http or https URL)."""

    text: str
    href: str | None = None


_linkify = LinkifyIt(options={"fuzzy_email": False, "fuzzy_ip": False})
for _scheme in ("ftp:", "mailto:", "//"):
    _linkify.add(_scheme, None)
_RUN = re.compile(r"\S+")
#: Longer than any URL we take: not looked through for links, which takes a time that grows with the square.
_LONG = 2048
#: A dot inside a word. It begins with the dot, which is looked for faster than what may stand before it.
_DOT_INSIDE = re.compile(r"[.\u3002\uff0e\uff61](?<=[^\s.].)(?=[^\s.])")


def linklike(text: str) -> bool:
    """Whether `text` has a dot inside a word, or what stands before a host: no link is without one of them."""
    if "//" in text:
        return True
    if text.isascii() and text.count(".") == text.count(". ") + text.endswith("."):
        return False  # as most texts: each dot ends a word
    return _DOT_INSIDE.search(text) is not None


def parts(text: str) -> list[Part]:
    """`text` cut into plain and linked parts; joined they are `text` again."""
    if not linklike(text):
        return [Part(text)] if text else []
    cut: list[Part] = []
    at = 0
    for begin, end, href in _found(text):
        if begin > at:
            cut.append(Part(text[at:begin]))
        cut.append(Part(text[begin:end], href))
        at = end
    if at < len(text):
        cut.append(Part(text[at:]))
    return cut


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    """Links to the web: where they begin and end, and where they lead.

    What stands between two spaces is looked through only if it may hold one, for looking takes long.
    """
    if not linklike(text):
        return
    for run in _RUN.finditer(text):
        if len(run[0]) > _LONG or not linklike(run[0]):
            continue
        for match in _linkify.match(run[0]) or []:
            if _one_reader(match.url):
                yield run.start() + match.index, run.start() + match.last_index, match.url


#: Scheme, host and port that every reader of URLs takes apart alike: no user before an @, no backslash, no escapes.
_PLAIN_URL = re.compile(r"https?://([^\s/?#\\@:%\[\]<>|^]+)(?::[0-9]{0,5})?(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_DELIMITERS = frozenset("/?#\\@:%[]<>|^")
_FOUR_NUMBERS = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_LAST_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)


def _one_reader(url: str) -> bool:
    """Whether a browser opens the host that we read in `url`: what is linked is what rules judge.

    Signs that become delimiters when a host is made plain (U+FF0F a slash, U+2100 one of its own) make it another's,
    and numbers in other forms than four decimal ones are an address that does not look like it.
    """
    found = _PLAIN_URL.fullmatch(url)
    if found is None:
        return False
    host = found[1]
    if not host.isascii():
        host = _DOT.sub(".", unicodedata.normalize("NFKC", host))
    return _DELIMITERS.isdisjoint(host) and (not _LAST_NUMBER.fullmatch(host) or bool(_FOUR_NUMBERS.fullmatch(host)))


#: Where an address of the web begins for anybody who follows it by hand, and what stands there for a host.
_BEGINNING = re.compile(r"(?:https?:[/\\]*+|(?<![/\\])[/\\]{2,}+)([^\s/?#]{1,512})", re.IGNORECASE)
_BETWEEN_HOSTS = re.compile(r"""[\s/\\?#@:<>"'(),;\[\]{}|^`!$&*+=~]+""")


def written_hosts(text: str) -> Iterator[str]:
    """Every host that somebody might be led to by an address in `text`, linked or not, without ports.

    Where readers of URLs differ, as about `a\\@b`, all of them are right: each name between two signs counts.
    """
    for found in _BEGINNING.finditer(text):
        given = found[1]
        read = unquote(given, errors="replace") if "%" in given else given
        plain = read if read.isascii() else _DOT.sub(".", unicodedata.normalize("NFKC", read))
        yield from (name for name in _BETWEEN_HOSTS.split(plain) if "." in name.strip("."))


def links(text: str) -> list[str]:
    """The URLs that `text` links to: those that `parts` would link."""
    return [url for _, _, url in _found(text)]

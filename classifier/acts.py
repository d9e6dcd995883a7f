"""The acts of normalising: what is looked for, and what is written instead.

An act has a gate, a test cheap enough for every text, and a search that gives its edits. Quantifiers are
bounded and a match may begin only where a run begins, so no text makes a search quadratic.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Edit(NamedTuple):
    """Replace `[start, end)` of a text by `text`; `flag` names what was undone, if it tells something."""

    start: int
    end: int
    text: str
    flag: str | None


@dataclass(frozen=True, slots=True)
class Act:
    """One kind of edit. `rewrite` gives the new text and flag for a match, or None to let it stand."""

    gate: Callable[[str], object]
    search: re.Pattern[str]
    rewrite: Callable[[re.Match[str]], tuple[str, str | None] | None]

    def edits(self, text: str) -> list[Edit]:
        """The edits for `text`, in order, not overlapping, none of them empty."""
        found = []
        for match in self.search.finditer(text):
            answer = self.rewrite(match)
            if answer is not None and answer[0] != match[0]:
                found.append(Edit(match.start(), match.end(), *answer))
        return found


_GLYPHS = str.maketrans(
    dict(zip("авекмнорстухіѕјԁԛԝһӏь", "abekmhopctyxisjdqwhlb", strict=True))
    | dict(zip("αβεζηικμνορτυχγω", "abeznikuvoptuxyw", strict=True))
)
_FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LATIN = re.compile("[a-z]")


def _unmask_glyphs(match: re.Match[str]) -> tuple[str, str | None] | None:
    word = match[0]
    if not (_LATIN.search(word) and _FOREIGN.search(word)):
        return None
    return word.translate(_GLYPHS), "xglyph"


_LETTER = "[a-z0-9@$!]"
_SPACED = re.compile(rf"(?<![^\s\"'(\[]){_LETTER}([ .\-_*~,|/]{{1,3}}){_LETTER}(?:\1{_LETTER})+(?![a-z0-9@$!])")


def _join_letters(match: re.Match[str]) -> tuple[str, str | None] | None:
    word = match[0].replace(match[1], "")
    letters = sum(c.isalpha() for c in word)
    if letters < 3 or 2 * letters <= len(word):
        return None
    return word, "xspaced" if len(word) > 3 else None


_DOTTED = re.compile(
    r"(?<![\[(])(?<![\[(] )(?P<left>(?: ?[\[(])++) ?(?:\.|dot)(?P<right>(?: ?[\])])++)(?P<after> ?)"
    r"|(?<=[a-z0-9]) (?:dot|\.) ?(?=(?:com|net|org|info|biz|ru|site|xyz|club|online|top)\b)"
)
_OPENING, _CLOSING = re.compile(r" ?[\[(]"), re.compile(r" ?[\])]")
_SPREAD_SCHEME = re.compile(r"(?<![a-z])(h(?:tt|xx)ps?)(?: ?: ?/ ?/ ?)(?=[a-z0-9])")


def _write_dot(match: re.Match[str]) -> tuple[str, str | None] | None:
    """A dot alone, out of all brackets that belong together: one layer a time would need a round for each."""
    if not match["left"]:
        return ".", "xdot"
    left, right = _OPENING.findall(match["left"]), _CLOSING.findall(match["right"])
    layers = 0
    while layers < min(len(left), len(right)) and left[-1 - layers][-1] + right[layers][-1] in ("[]", "()"):
        layers += 1
    if not layers:
        return None
    before, behind = "".join(left[:-layers]), "".join(right[layers:])
    return f"{before}.{behind.removeprefix(' ') + match['after'] if behind else ''}", "xdot"


def _join_scheme(match: re.Match[str]) -> tuple[str, str | None]:
    return f"{match[1]}://", None if "://" in match[0] else "xdot"


_PLAIN_TLDS = (
    "com|net|org|info|biz|edu|gov|xyz|top|shop|online|site|store|club|live|vip|win|bet|loan|casino|click|"
    "link|space|website|tech|icu|life|world|digital|agency|blog|app|dev|cloud|pro|io|co|ru|cn|uk|de|fr|nl|"
    "pl|br|au|ca|eu|ua|jp|ng|ke|pk|cc|tk|ml|ga|cf|gq|ws|gg|ai"
)
_URL = re.compile(
    r"(?:(?<![a-z0-9])(?:h(?:tt|xx)ps?|ftp)://|(?<![a-z0-9@.-])www\.)(?P<rest>[^\s<>\"]{1,2048})"
    rf"|(?<![a-z0-9@._/-])(?P<host>(?:[a-z0-9][a-z0-9-]{{0,62}}\.){{1,4}}"
    rf"(?:(?:{_PLAIN_TLDS})(?![a-z0-9@_-]|\.[a-z0-9])|[a-z]{{2,12}}(?=/[a-z0-9+@])))"
    r"(?P<tail>[/?#:][^\s<>\"]{0,2048})?"
)
_HOST_END = re.compile(r"[/?#:]")
_HOST_WORD = re.compile(r"[a-z]{2,}")


_CHEAP_ENDING = re.compile(
    r"\.(?:xyz|top|shop|online|site|store|club|live|vip|win|bet|loan|casino|click|link|icu|buzz|pw|work|best|bid|date|"
    r"download|faith|men|party|racing|review|science|stream|trade|tk|ml|ga|cf|gq|su)$"
)
_SHORTENER = re.compile(
    r"^(?:bit\.ly|tinyurl\.com|goo\.gl|t\.co|ow\.ly|is\.gd|buff\.ly|cutt\.ly|rb\.gy|shorturl\.at|rebrand\.ly)$"
)


def host_flag(host: str) -> str | None:
    """A flag for a host that costs next to nothing ("xcheap") or hides another ("xshort"); None for others."""
    return "xcheap" if _CHEAP_ENDING.search(host) else "xshort" if _SHORTENER.match(host) else None


def _keep_host(match: re.Match[str]) -> tuple[str, str | None]:
    host = (match["host"] or _HOST_END.split(match["rest"], maxsplit=1)[0])[:253]
    words = [word for word in _HOST_WORD.findall(host) if word != "www"]
    return " ".join(["", "<url>", *words, ""]), host_flag(host.removeprefix("www.").rstrip(".,;!)"))


_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4}")
_IP = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.])")
_MONEY = re.compile(
    r"(?<![\w$£€¥₹])[$£€¥₹] ?[0-9][0-9.,]{0,15}[kmb]?(?!\w)"
    r"|(?<![\w.,])[0-9][0-9.,]{0,15}[km]? ?(?:[$£€¥₹]|usd|usdt|eur|gbp|dollars?|euros?|pounds?|bucks)(?!\w)"
)
_PHONE = re.compile(r"(?<![\w.+])\+?\(?[0-9][0-9 ().-]{7,20}[0-9](?!\w)")
_USER = re.compile(r"(?<![\w@])@(?!ss(?:es|hole|hat|wipe)?s?\b)[a-z_]\w{1,30}(?!\w)")


def _mark(token: str) -> Callable[[re.Match[str]], tuple[str, str | None]]:
    return lambda _: (token, None)


def _mark_phone(match: re.Match[str]) -> tuple[str, str | None] | None:
    digits = sum(c.isdigit() for c in match[0])
    return (" <phone> ", None) if digits >= 9 else None


_LEET = str.maketrans("013457@$!|", "oieastasil")
_LEET_WORD = re.compile(r"(?<![a-z0-9@$!|])[a-z0-9@$!|]{2,24}(?![a-z0-9@$|])")
_LEET_SIGN = re.compile(r"[a-z][0-9!|]{1,2}[a-z]|[@$][a-z]|[a-z][@$]")
_UNREAD_DIGIT = re.compile(r"[2689]")


def _undo_leet(match: re.Match[str]) -> tuple[str, str | None] | None:
    word = match[0]
    core = word.rstrip("!|")
    signs = sum(not "a" <= c <= "z" for c in core)
    if not signs or not _LEET_SIGN.search(core) or _UNREAD_DIGIT.search(core) or core == "@user":
        return None
    letters = len(core) - signs
    if letters < 2 and core not in ("a$$", "@ss", "@$$"):
        return None
    return (core.translate(_LEET) + word[len(core) :], "xleet") if signs <= letters + 1 else None


_MASK = re.compile(r"(?<=[a-z])[*#%]{1,5}(?=[a-z])")
_GRAWLIX = re.compile(r"(?<![@#$%&*!])[@#$%&*!]{4,}")


def _write_stars(match: re.Match[str]) -> tuple[str, str | None]:
    return "*" * min(len(match[0]), 2), "xmask"


def _mark_grawlix(match: re.Match[str]) -> tuple[str, str | None] | None:
    return (" <grawlix> ", "xgrawlix") if len(set(match[0])) >= 3 else None


_STRETCH = re.compile(r"([^\s0-9])\1{2,}")


def _cut_repeats(match: re.Match[str]) -> tuple[str, str | None]:
    return match[1] * 2, "xstretch" if match[1].isalpha() else None


def _not_ascii(text: str) -> bool:
    return not text.isascii()


def _has(*needles: str) -> Callable[[str], bool]:
    if len(needles) == 1:
        return lambda text: needles[0] in text
    return lambda text: any(needle in text for needle in needles)


_DOTTED_NUMBER = re.compile(r"[0-9]\.[0-9]").search
_CURRENCY = re.compile(r"[$£€¥₹0-9](?:(?<![0-9])| ?[km]? ?(?:[$£€¥₹]|usd|eur|gbp|doll|pound|buck))").search
_LONG_NUMBER = re.compile(r"[0-9][0-9 ().-]{7}").search
_LONE = re.compile(r"[ .\-_*~,|/][a-z0-9@$!][ .\-_*~,|/]{1,3}[a-z0-9@$!](?![a-z0-9@$!])").search
_SIGN = re.compile(r"[0-9!|@$](?:[a-z]|(?<=[a-z][@$]))").search
_REPEAT = re.compile(r"([^\s0-9])\1\1").search
_DOT = re.compile(r"\.[a-z]|://").search
_BROKEN_DOT = re.compile(r"[\[( ](?:dot|\.)").search

_SCHEMES = Act(_has("http", "hxxp"), _SPREAD_SCHEME, _join_scheme)
_DOTS = Act(_BROKEN_DOT, _DOTTED, _write_dot)

LINK_ACTS: tuple[Act, ...] = (_SCHEMES, _DOTS)
"""Those that mend links which were broken so that nobody sees them as such."""

ACTS: tuple[Act, ...] = (
    Act(_not_ascii, re.compile(r"(?<!\w)\w{2,64}"), _unmask_glyphs),
    _SCHEMES,
    Act(_LONE, _SPACED, _join_letters),
    _DOTS,
    Act(_DOT, _URL, _keep_host),
    Act(_has("@"), _MAIL, _mark(" <email> ")),
    Act(_DOTTED_NUMBER, _IP, _mark(" <ip> ")),
    Act(_CURRENCY, _MONEY, _mark(" <money> ")),
    Act(_LONG_NUMBER, _PHONE, _mark_phone),
    Act(_has("@"), _USER, _mark("@user")),
    Act(_SIGN, _LEET_WORD, _undo_leet),
    Act(_has("*", "#", "%"), _MASK, _write_stars),
    Act(_has("!", "@", "#", "$"), _GRAWLIX, _mark_grawlix),
    Act(_REPEAT, _STRETCH, _cut_repeats),
)
"""In the order they are done: what later acts could spoil comes first."""

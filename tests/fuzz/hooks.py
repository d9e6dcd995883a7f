r"""What Schemathesis has to be told: it reads `\p{C}`, `\p{M}` and the like of a pattern as their Latin parts only.

So it takes some texts for good in which nothing is seen, and they are left out; as are those that a schema cannot
tell from good ones: with many marks on one character, or with tags.
"""

from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import strategies as st

from service.domain import text as rules
from service.web.schemas import NAME_MARKS


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Whether every text in a request's body and query is one of which the document says whether it is taken."""
    return all(_told(text) for part in (case.body, case.query) for text in _texts(part))


def _told(text: str) -> bool:
    tagged = any("\U000e0000" <= character <= "\U000e007f" for character in text)
    return text.isascii() or (rules.visible(text) and rules.stacked(text) <= NAME_MARKS and not tagged)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner))


# Formats that no pattern can say.
_WORD = st.text("abcdefghijklmnopqrstuvwxyz\u00e9\u00fc\u0436", min_size=2, max_size=12)

schemathesis.openapi.format(
    "words", st.one_of(_WORD, _WORD.map("{}*".format), st.lists(_WORD, min_size=2, max_size=8).map(" ".join))
)
schemathesis.openapi.format(
    "re2", st.sampled_from([r"\bcheap\s+pills?\b", r"casino\w*", r"(?:a|b){2,5}c", r"\p{Greek}+", "x", r"^buy.*now$"])
)
schemathesis.openapi.format(
    "network", st.sampled_from(["192.0.2.0/24", "198.51.0.0/16", "10.0.0.0/8", "2001:db8:1::/48", "2001:db8::/32"])
)
_PLACE = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=1, max_size=20)
schemathesis.openapi.format(
    "webhook",
    st.builds("https://{}/{}".format, st.sampled_from(["blog.example", "HOOKS.example:443", "93.184.216.34"]), _PLACE),
)

r"""What Schemathesis has to be told: it reads `\p{C}`, `\p{M}` and the like of a pattern as their Latin parts only.

So it takes some texts for good in which nothing is seen, and they are left out; as are those that a schema cannot
tell from good ones: with many marks on one character, or with tags.
"""

from collections.abc import Iterator
from typing import Any

import schemathesis

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

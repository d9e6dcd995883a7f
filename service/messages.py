"""What a schema says against a document, one by one."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat(messages: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each message of a schema's nested ones, with the JSON Pointer of what it is about."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from flat(inner, place if name == "_schema" else f"{place}/{step(str(name))}")
        return
    for message in messages if isinstance(messages, list) else [messages]:
        if isinstance(message, Mapping):
            yield from flat(message, place)
        else:
            yield place, str(message)


def step(name: str) -> str:
    """A member's name as a part of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")

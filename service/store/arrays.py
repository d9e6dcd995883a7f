"""Many values as one parameter: array literals, written in a tenth of the time that the driver takes for a list.

The driver looks at each element with a regular expression; a batch of comments has thousands.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from json import dumps
from typing import Any
from uuid import UUID


def array(values: Iterable[Any]) -> str:
    """The values as PostgreSQL reads an array of them: UUIDs, numbers, truth values, texts, bytes, JSON objects, None.

    For a parameter whose type the statement names (`%s::uuid[]`).
    """
    return "{" + ",".join([_WRITE[type(value)](value) for value in values]) + "}"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Writers(dict[type, Callable[[Any], str]]):
    """How a value of each type is written; a subclass as its base."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        if issubclass(kind, str):
            return _named if issubclass(kind, Enum) else _text
        if issubclass(kind, Mapping):
            return _object
        raise TypeError(f"no array holds {kind.__name__}")


def _named(value: Enum) -> str:
    return _text(value.value)


def _object(value: Mapping[str, Any]) -> str:
    return _text(dumps(dict(value)))


_WRITE = _Writers(
    {
        UUID: lambda value: value.hex,
        int: str,
        float: repr,
        bool: lambda value: "t" if value else "f",
        type(None): lambda _: "NULL",
        str: _text,
        bytes: lambda value: f'"\\\\x{value.hex()}"',
        dict: _object,
    }
)

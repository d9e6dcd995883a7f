"""Arrays in binary form say what the driver's lists say."""

import struct
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.lifecycle import State
from service.store.arrays import array

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
VALUES = {
    "uuid": st.uuids(),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "float4": st.floats(allow_nan=False, width=32),
    "bool": st.booleans(),
    "text": _TEXT,
    "bytea": st.binary(),
    "jsonb": st.dictionaries(_TEXT, st.none() | _TEXT | st.booleans()),
}


@pytest.mark.parametrize("kind", VALUES)
def test_what_is_written_is_read_again(kind: str, owner_url: str) -> None:
    """Any values of any kind come back from PostgreSQL as they were, in order, None among them or not."""
    with psycopg.connect(owner_url, autocommit=True) as connection:

        @given(st.lists(st.none() | VALUES[kind], max_size=8) | st.lists(VALUES[kind], max_size=8))
        def check(values: Sequence[Any]) -> None:
            row = connection.execute(
                "SELECT %s, pg_typeof(%s)::text", [array(kind, values)] * 2, binary=True
            ).fetchone()
            assert row is not None
            assert row[0] == values
            assert psycopg.postgres.types[kind].regtype == row[1].removesuffix("[]")

        check()


def test_an_enum_is_its_value(owner_url: str) -> None:
    """A StrEnum is written as the text it is."""
    assert array("text", [State.FLAGGED]) == array("text", ["flagged"])


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uuid", [UUID(int=1)]), ("int4", 2**31), ("int8", 2**63), ("int4", "x"), ("text", 1), ("bytea", 1), ("jsonb", 1)],
)
@pytest.mark.parametrize("more", [[], [None]])
def test_what_an_array_does_not_hold_is_refused(kind: str, value: Any, more: Sequence[None]) -> None:
    """It would become something else."""
    with pytest.raises((TypeError, ValueError, AttributeError, OverflowError, struct.error)):
        array(kind, [value, *more])

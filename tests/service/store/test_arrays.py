"""Array literals say what the driver's lists say."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.lifecycle import State
from service.store.arrays import array

VALUES = {
    "uuid": st.uuids(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float8": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
    "bytea": st.binary(),
    "jsonb": st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
        st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))) | st.booleans(),
    ),
}


@pytest.mark.parametrize("kind", VALUES)
def test_what_is_written_is_read_again(kind: str, owner_url: str) -> None:
    """Any values of any kind come back from PostgreSQL as they were, in order, None among them."""
    with psycopg.connect(owner_url, autocommit=True) as connection:

        @given(st.lists(st.none() | VALUES[kind], max_size=8))
        def check(values: Sequence[Any]) -> None:
            row = connection.execute(f"SELECT %s::{kind}[]", [array(values)]).fetchone()
            assert row is not None
            assert row[0] == values

        check()


def test_an_enum_is_its_value() -> None:
    """A StrEnum is written as the text it is."""
    assert array([State.FLAGGED]) == '{"flagged"}'


def test_what_no_array_holds_is_refused() -> None:
    """A list, for one: it would become something else."""
    with pytest.raises(TypeError):
        array([[UUID(int=1)]])

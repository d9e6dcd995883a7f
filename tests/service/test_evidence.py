"""What a comment's texts say for a verdict."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import evidence
from service.domain.ids import new_id


@pytest.mark.parametrize(
    ("body", "website", "hosts"),
    [
        ("no link here", None, ()),
        ("see https://A.example/x and http://b.example:8080", None, ("a.example", "b.example")),
        ("see a.example.com now", "https://c.example", ("a.example.com", "c.example")),
        ("spam [dot] com and spam(.)com and hxxp://deal .example", None, ("spam.com",)),
        ("https://bücher.example/", None, ("xn--bcher-kva.example",)),
        ("https://[broken", "https://[::1]/", ("::1",)),
    ],
)
def test_hosts_of_links_are_found_also_when_broken(body: str, website: str | None, hosts: tuple[str, ...]) -> None:
    """Each once, in the form DNS has."""
    assert set(hosts) <= set(evidence.hosts(body, website))
    if not hosts:
        assert evidence.hosts(body, website) == ()


@given(st.text(max_size=300), st.none() | st.text(max_size=50))
def test_any_text_can_be_looked_at(body: str, website: str | None) -> None:
    """Whatever a visitor writes, reading it raises nothing."""
    evidence.hosts(body, None)
    assert set(evidence.texts("Ann", body, website)) <= {"name", "body", "website"}
    evidence.sketched(UUID(int=1), body)


def test_a_lot_is_spread_evenly_and_stays() -> None:
    """Between 0 and 1, by the comment's id alone."""
    lots = [evidence.lot(new_id()) for _ in range(4000)]
    assert all(0 <= lot < 1 for lot in lots)
    assert 0.45 < sum(lots) / len(lots) < 0.55
    one = new_id()
    assert evidence.lot(one) == evidence.lot(UUID(str(one)))

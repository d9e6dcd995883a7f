"""What docs/operator/proxy.md says of `X-Forwarded-For`: right, too small and too large a count of proxies."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.world import World

CDN = "192.0.2.7"  # as the inner proxy sees it
ALL_TAKEN, FOUR_TAKEN = [200] * 6, [200] * 4 + [429] * 2


def _codes(world: World, forwarded: Callable[[int], str]) -> list[int]:
    """Six requests of visitors, each counted by the network Comity sees; a network may send four."""
    place = "/v1/threads/counts?site=blog&thread_key=x"
    return [
        world.request("GET", place, headers={"X-Forwarded-For": forwarded(n)} if forwarded(n) else {}).status_code
        for n in range(6)
    ]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "codes"),
    [
        (1, lambda n: f"10.{n}.0.1", ALL_TAKEN),  # six visitors behind one proxy
        (1, lambda n: f"203.0.{n}.1, 10.0.0.1", FOUR_TAKEN),  # one visitor who invents addresses
        (2, lambda n: f"10.{n}.0.1, {CDN}", ALL_TAKEN),  # six visitors behind two
        (0, lambda n: f"10.{n}.0.1", FOUR_TAKEN),  # too small: all are one
        (1, lambda n: f"10.{n}.0.1, {CDN}", FOUR_TAKEN),  # too small: all are the outer proxy
        (2, lambda n: f"203.0.{n}.1, 10.0.0.1", ALL_TAKEN),  # too large: whoever invents addresses is not counted
        (2, lambda n: f"10.{n}.0.1", FOUR_TAKEN),  # fewer entries than proxies: none is believed
    ],
)
def test_the_count_of_proxies_decides_whose_word_counts(
    make_world: Any, trusted: int, forwarded: Callable[[int], str], codes: list[int]
) -> None:
    """The entry counts that the outermost trusted proxy added."""
    assert _codes(make_world(limit_visitor=(4, 3600), trusted_proxies=trusted), forwarded) == codes

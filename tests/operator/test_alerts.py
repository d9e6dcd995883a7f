"""Every alert of docs/operator/alerts.yml is fired by the trouble it tells of, and by no other; a healthy service fires none."""

from collections.abc import Iterator

import pytest

from tests.operator.scrapes import rules
from tests.operator.troubles import TROUBLES, Trouble, Watched, watched


@pytest.fixture(scope="module")
def seen() -> Iterator[Watched]:
    """A service of real processes with figures."""
    with watched() as made:
        yield made


def test_a_healthy_service_fires_nothing(seen: Watched) -> None:
    """Comments come in, and every rate has something to count."""
    scrapes = seen.scrapes()
    scrapes.scrape()
    seen.house.settled(seen.house.submit(10), 20)
    scrapes.scrape()
    assert scrapes.count("rate(comity_requests_total[5m])") > 1
    assert scrapes.firing() == set()


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.make.__name__)
def test_a_trouble_fires_its_alerts_and_no_other(seen: Watched, trouble: Trouble) -> None:
    """On the figures that the service itself gives, scraped before and while it lasts."""
    trouble.fires(seen)


def test_every_alert_has_its_trouble() -> None:
    """No rule stands there that nobody ever saw firing."""
    assert {f"Comity{alert}" for trouble in TROUBLES for alert in trouble.alerts} == set(rules())

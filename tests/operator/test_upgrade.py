"""The release before this one runs on this one's schema, alone and beside it: so one can upgrade step by step, and go back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.store import sites
from tests import releases
from tests.faults.house import ROOT, House, house, wait_for
from tests.operator.troubles import FOREIGN


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release before this one."""
    folder = tmp_path_factory.mktemp("previous")
    releases.previous(folder)
    return folder


@pytest.fixture(scope="module")
def servers() -> Iterator[House]:
    """Servers with this release's schema, and no process."""
    with house() as made:
        yield made


@pytest.fixture
def empty(servers: House) -> Iterator[House]:
    """The same for each test, without comments and without processes of the service."""
    servers.reset()
    yield servers
    servers.reset()


def _starts(house: House, **roots: Path) -> None:
    for name, root in roots.items():
        house.start(name, name.partition("_")[0], root=root)
    wait_for(lambda: house.logged("child_ready") == 2, 30, "the worker is ready")


def _moderate(house: House) -> None:
    """A foreign comment waits for a moderator, who publishes it."""
    with psycopg.connect(house.servers.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        _, token = sites.add_moderator(connection, "moderator", {None: "moderator"}, None)
    comment = house.submit(body=FOREIGN)
    house.settled(comment, 20)
    place = f"/v1/comments/{comment[0]}"
    status, review, _ = house.client.request("GET", f"{place}/review", token)
    assert (status, review["status"]) == (200, "flagged")
    wanted: dict[str, Any] = {"action": "publish", "version": review["version"]}
    assert house.client.request("POST", f"{place}/decisions", token, wanted)[0] == 200
    assert house.states(comment) == {"published": 1}


@pytest.mark.parametrize(
    "mixed", [(), ("web",), ("worker",), ("relay_1",)], ids=lambda mixed: "".join(mixed) or "alone"
)
def test_the_previous_release_runs_on_this_schema(empty: House, previous: Path, mixed: tuple[str, ...]) -> None:
    """It takes, decides, publishes and moderates comments; alone, or with one process of this release among its own."""
    _starts(empty, **{name: ROOT if name in mixed else previous for name in ("web", "worker", "relay_1")})
    ids = empty.submit(20)
    empty.settled(ids, 20)
    assert empty.states(ids) == {"published": 20}
    _moderate(empty)
    wait_for(lambda: empty.rows("SELECT count(*) FROM comity.counter_change") == [(0,)], 20, "the relay does its jobs")
    empty.check_history()
    assert empty.logged("batch_failed") == empty.logged("request_failed") == empty.logged("relay_failed") == 0

"""The connection to the database is cut while a comment is committed: nobody knows, until it is sent again."""

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest

from tests import world as worlds
from tests.faults.house import House, house
from tests.faults.pooler import Cutter

ROUNDS = 20


@pytest.fixture(scope="module")
def cut() -> Iterator[tuple[House, Cutter]]:
    """A web process that reaches its database through something that hangs up."""
    with house() as made:
        owner = urlsplit(made.servers.owner_url)
        folder = parse_qs(owner.query)["host"][0] if "host" in owner.query else unquote(owner.hostname or "")
        with closing(Cutter(f"{folder}/.s.PGSQL.5432")) as cutter:
            login = f"comity_web:{worlds.PASSWORDS['comity_web']}"
            made.start("web", COMITY_DATABASE_URL=f"postgresql://{login}@127.0.0.1:{cutter.port}{owner.path}")
            yield made, cutter


def test_a_connection_cut_in_commit_costs_one_more_try(cut: tuple[House, Cutter]) -> None:
    """503; the same key again is answered with the one comment, which was there already."""
    place, cutter = cut
    place.submit()  # so that the thread is there, and the next ones are stored by the first statement that has them
    for number in range(ROUNDS):
        key, members = (
            str(uuid4()),
            {"body": f"This leaves no trace {number}.", "email": f"canary-{number}@leak.example"},
        )
        cutter.armed = True
        status, answer = place.send(key, **members)
        assert status == 503, answer
        assert cutter.cuts == number + 1
        assert place.rows("SELECT count(*) FROM comity.comment") == [(number + 2,)]
        again = [place.send(key, **members) for _ in range(2)]
        assert [one[0] for one in again] == [202, 202]
        assert again[0][1] == again[1][1]
        assert place.rows("SELECT count(*) FROM comity.comment") == [(number + 2,)]

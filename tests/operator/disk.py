"""How many bytes a comment takes on disk: `python -m tests.operator.disk [COUNT]`.

Sends comments through the API of a service of real processes, has them decided, and asks PostgreSQL for the size of each
table with its indexes. What a small database takes by itself is subtracted; nothing is vacuumed away by hand.
"""

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tests import world as worlds
from tests.faults.house import House, house
from tools.texts import harmless

BATCH = 100
_SIZES = """
SELECT n.nspname || '.' || c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('comity', 'contacts') AND c.relkind = 'r'
"""


def _sizes(made: House) -> dict[str, tuple[int, int]]:
    return {name: (table, indexes) for name, table, indexes in made.rows(_SIZES)}


def _comments(numbers: range) -> list[dict[str, object]]:
    return [
        {"thread": {"key": f"page-{n // 50}"}, "name": "Ann Example", "email": worlds.canary(), "body": harmless(n)}
        for n in numbers
    ]


def _send(made: House, count: int) -> Iterator[int]:
    for first in range(0, count, BATCH):
        body = {"comments": _comments(range(first, min(first + BATCH, count)))}
        status, answer, _ = made.client.request("POST", "/v1/comments/batch", made.key, body)
        assert status < 300, answer
        yield first


def main(count: int) -> None:
    """Send, wait, measure, print."""
    with house(web={"COMITY_LIMIT_SITE": "6000000/60"}, worker={}, relay_1={}) as made:
        before = _sizes(made)
        made.settled([], 1)
        for _ in _send(made, count):
            pass
        while made.rows("SELECT FROM comity.comment WHERE due_at IS NOT NULL LIMIT 1"):
            pass
        after = _sizes(made)
        stored = made.rows("SELECT count(*), avg(octet_length(body))::int FROM comity.comment")[0]
        wal = made.rows("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")[0][0]
    table = Table(
        "table", "rows and texts", "indexes", "bytes a comment", title=f"{stored[0]:,} comments of {stored[1]} bytes"
    )
    whole = 0
    for name in sorted(after, key=lambda name: -sum(after[name])):
        parts = [after[name][n] - before[name][n] for n in (0, 1)]
        whole += sum(parts)
        if sum(parts) > stored[0]:
            table.add_row(name, *(f"{part / stored[0]:,.0f}" for part in (*parts, sum(parts))))
    table.add_row("all", "", "", f"{whole / stored[0]:,.0f}")
    Console().print(table)
    Console().print(f"Write-ahead log so far: {wal / 1e6:,.0f} MB.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)

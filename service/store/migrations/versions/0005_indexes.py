"""Indexes that answer for the comments themselves."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

_SQL = Path(__file__).parents[1] / "0005_indexes.sql"


def upgrade() -> None:
    """Make them, and drop those that they replace; each statement for itself, so that nobody has to wait."""
    with op.get_context().autocommit_block():
        for statement in _SQL.read_text(encoding="utf-8").strip().split(";\n"):
            op.get_bind().exec_driver_sql(statement.strip())

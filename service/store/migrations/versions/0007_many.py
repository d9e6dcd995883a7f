"""Submissions that are there at the same time are stored together."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

_SQL = Path(__file__).parents[1] / "0007_many.sql"


def upgrade() -> None:
    """Make the functions that take several."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))

"""Threads known by key alone gain their URL."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

_SQL = Path(__file__).parents[1] / "0002_thread_url.sql"


def upgrade() -> None:
    """Replace the function that takes a comment."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))

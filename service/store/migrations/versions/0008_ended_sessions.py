"""Sessions end on the server too."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

_SQL = Path(__file__).parents[1] / "0008_ended_sessions.sql"


def upgrade() -> None:
    """Make the table of sessions that were signed out."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))

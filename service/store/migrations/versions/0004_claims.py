"""A claim is one row for a batch."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

_SQL = Path(__file__).parents[1] / "0004_claims.sql"


def upgrade() -> None:
    """Make the table of claims and the function that claims."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))

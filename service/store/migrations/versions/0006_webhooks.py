"""Webhooks."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

_SQL = Path(__file__).parents[1] / "0006_webhooks.sql"


def upgrade() -> None:
    """Make the tables of endpoints, deliveries and attempts."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))

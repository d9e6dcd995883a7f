"""Bans, imported lists and near repeats."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

_SQL = Path(__file__).parents[1] / "0003_policies.sql"


def upgrade() -> None:
    """Make what policies need."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))

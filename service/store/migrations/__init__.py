"""The schema's history: one SQL file and one Alembic revision a step."""

"""Alembic's entry: runs the revisions on the connection that `service.store.migrate` hands over."""

from alembic import context

if context.is_offline_mode():
    context.configure(url="postgresql://", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(
        connection=context.config.attributes["connection"],
        version_table_schema="public",
        version_table="comity_version",
    )
    with context.begin_transaction():
        context.run_migrations()

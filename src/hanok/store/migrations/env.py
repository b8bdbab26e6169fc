"""How Alembic reaches the database: over the connection that `hanok.store.migrate` hands it."""

from __future__ import annotations

from alembic import context

from hanok.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction is the one
)
context.run_migrations()

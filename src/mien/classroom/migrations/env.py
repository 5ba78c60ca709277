"""What Alembic runs for each migration; the connection comes from `mien.classroom.schema`."""

from alembic import context

from mien.classroom.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()

"""How Alembic runs relay's migrations: in the process, on the connection that it is handed, as one transaction."""

from alembic import context

from relay.journal.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

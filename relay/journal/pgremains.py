"""What was deleted from PostgreSQL's tables -> its room is given back, so that nobody reads it there any more.

The bytes of a deleted row stay in a table's file until VACUUM. What PostgreSQL keeps beside that, in its write-ahead
log, its standbys and its backups, is its administrator's to end.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from relay.journal.schema import metadata
from relay.journal.writer import Writer


class PostgresRemains:
    """Has PostgreSQL tidy up."""

    async def clear(self, writer: Writer, needles: Sequence[bytes]) -> bool:  # noqa: ARG002 - no file to look through
        """Give the room of deleted rows back; gives whether that was done."""
        await writer.apart(_vacuumed)
        return True


def _vacuumed(connection: Connection) -> None:
    connection.rollback()
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with connection.engine.connect() as vacuuming:
        vacuuming.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"VACUUM {names}")

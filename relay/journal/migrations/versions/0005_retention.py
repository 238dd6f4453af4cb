"""Lifetimes of their own for texts and for the ids of requests.

Frozen: what changes later is another migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What an index covers: its table, its columns, its condition.
INDEXES = {
    "message_told": ("message", ["direction", "ended_at"], "ended_at IS NOT NULL AND (length(content) > 0)"),
    "command_left": ("command", ["ended_at"], "ended_at IS NOT NULL"),
}


def upgrade() -> None:
    """Add when a request had ended, for an id that outlives it, and the indexes by which the time is over."""
    op.add_column("command", sa.Column("ended_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
    for name, (table, columns, where) in INDEXES.items():
        part = sa.text(where)
        op.create_index(name, table, columns, sqlite_where=part, postgresql_where=part)

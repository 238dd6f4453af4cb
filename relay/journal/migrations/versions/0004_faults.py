"""Checksums for copies, commands and opt-outs, and receipts of nobody's text among what was set aside.

Frozen: what changes later is another migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# What was made before has no checksum, and is taken as it is.
ADDED = (
    ("copy", "sum", WHOLE),
    ("command", "sum", WHOLE),
    ("optout", "sum", WHOLE),
    ("aside", "parked_id", TEXT),
    ("parked", "aside_at", WHOLE),
)
INDEXES = {
    "aside_kind": ("aside", ["kind", "line", "id"], "state = 'open'"),
    "aside_parked": ("aside", ["parked_id"], "parked_id IS NOT NULL"),
    "parked_waiting": ("parked", ["at"], "aside_at IS NULL"),
}


def upgrade() -> None:
    """Add the columns, and the indexes that they need."""
    for table, column, kind in ADDED:
        op.add_column(table, sa.Column(column, kind, nullable=True))
    op.drop_index("parked_at", "parked")
    for name, (table, columns, part) in INDEXES.items():
        where = sa.text(part)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)

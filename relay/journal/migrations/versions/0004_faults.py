"""Checksums for copies, commands and opt-outs, and receipts of nobody's text among what was set aside.

Frozen: what changes later is another migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text()
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# What was made before has no checksum, and is taken as it is.
ADDED = (("copy", "sum", WHOLE), ("command", "sum", WHOLE), ("optout", "sum", WHOLE), ("aside", "parked_id", TEXT))


def upgrade() -> None:
    """Add the columns."""
    for table, column, kind in ADDED:
        op.add_column(table, sa.Column(column, kind, nullable=True))

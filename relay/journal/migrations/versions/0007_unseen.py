"""How often a copy may still be shown, instead of whether.

Frozen: what changes later is another migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WHERE = "unseen > 0"


def upgrade() -> None:
    """Make the index anew by which copies are found that may be shown."""
    op.drop_index("copy_unseen", table_name="copy")
    part = sa.text(WHERE)
    op.create_index("copy_unseen", "copy", ["line", "address"], sqlite_where=part, postgresql_where=part)

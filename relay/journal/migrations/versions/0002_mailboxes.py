"""Mailboxes, messages that are fetched in pieces, sightings, segments and media.

Frozen: what changes later is another migration.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BYTES = sa.LargeBinary()
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new tables, and add to the old ones; what is there stays."""
    for name, column in ADDED:
        op.add_column(name, column)
    op.execute("UPDATE copy SET unseen = 1 WHERE ended = 0 AND state = 'uncertain'")
    for name, (primary_key, columns, options) in TABLES.items():
        op.create_table(
            name,
            *(sa.Column(column.rstrip("?"), kind, nullable="?" in column) for column, kind in columns.items()),
            sa.PrimaryKeyConstraint(*primary_key),
            sqlite_strict=True,
            **options,
        )
    for name, (table, indexed, where) in INDEXES.items():
        part = sa.text(where) if where else None
        op.create_index(name, table, indexed, sqlite_where=part, postgresql_where=part)


ADDED: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("message", sa.Column("send_at", WHOLE, nullable=True)),
    ("copy", sa.Column("unseen", WHOLE, nullable=False, server_default=sa.text("0"))),
    ("call", sa.Column("unseen", WHOLE, nullable=False, server_default=sa.text("0"))),
)

# A question mark says that a column may be NULL.
TABLES: dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]] = {
    "mail": (
        ("line", "ref"),
        {
            "line": TEXT,
            "ref": TEXT,
            "listed": WHOLE,
            "is_unread?": WHOLE,
            "is_incoming?": WHOLE,
            "message_id?": TEXT,
        },
        {"sqlite_with_rowid": False},
    ),
    "arrival": (
        ("id",),
        {
            "id": TEXT,
            "line": TEXT,
            "ref": TEXT,
            "mail?": BYTES,
            "sum?": WHOLE,
            "since": WHOLE,
            "due_at": WHOLE,
            "attempts": WHOLE,
        },
        {},
    ),
    "sighting": (
        ("id",),
        {"id": TEXT, "line": TEXT, "ref": TEXT, "mail": BYTES, "sum": WHOLE, "since": WHOLE, "due_at": WHOLE},
        {},
    ),
    "segment": (
        ("line", "whole", "place"),
        {"line": TEXT, "whole": BYTES, "place": WHOLE, "mail": BYTES, "sum": WHOLE, "at": WHOLE},
        {"sqlite_with_rowid": False},
    ),
    "media": (
        ("token",),
        {"token": TEXT, "line": TEXT, "content_type": TEXT, "filename?": TEXT, "bytes": WHOLE, "expires_at": WHOLE},
        {},
    ),
}

INDEXES: dict[str, tuple[str, list[str], str]] = {
    "copy_unseen": ("copy", ["line", "address"], "unseen = 1"),
    "aside_raw": ("aside", ["raw_id"], "state = 'open'"),
    "mail_message": ("mail", ["message_id"], "message_id IS NOT NULL"),
    "arrival_due": ("arrival", ["line", "due_at", "id"], ""),
    "sighting_due": ("sighting", ["due_at"], ""),
    "sighting_ref": ("sighting", ["line", "ref"], ""),
    "segment_at": ("segment", ["at"], ""),
    "media_expiring": ("media", ["expires_at"], ""),
}

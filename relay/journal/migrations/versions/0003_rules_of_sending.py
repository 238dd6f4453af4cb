"""The rules of sending: opt-outs, what was spent, how lines are steered, and copies that travel together.

Frozen: what changes later is another migration.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from relay.ids import unguessable

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new tables, and add to the old ones; what waits goes on waiting."""
    for name, column in ADDED:
        op.add_column(name, column)
    for statement in FILLED:
        op.execute(statement)
    _fill_recipients()
    made = sa.table("memory", sa.column("owner", TEXT), sa.column("key", TEXT), sa.column("value", sa.LargeBinary()))
    op.bulk_insert(made, [{"owner": "", "key": "optout.peer_key", "value": unguessable().encode()}])
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


def _fill_recipients() -> None:
    """Calls named the copies that they carry by their places in one message."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, message_id, recipients FROM call WHERE recipients IS NOT NULL"))
    for call_id, message_id, recipients in rows.all():
        named = json.dumps([f"{message_id}-{place}" for place in json.loads(recipients)], separators=(",", ":"))
        filled = sa.text("UPDATE call SET recipients = :named WHERE id = :call_id")
        connection.execute(filled, {"named": named.encode(), "call_id": call_id})


ADDED: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("copy", sa.Column("waits", WHOLE, nullable=False, server_default=sa.text("0"))),
    ("copy", sa.Column("client", TEXT, nullable=True)),
    ("call", sa.Column("company", TEXT, nullable=True)),
    ("call", sa.Column("size", WHOLE, nullable=False, server_default=sa.text("0"))),
    ("call", sa.Column("why", TEXT, nullable=True)),
    ("call", sa.Column("behind", TEXT, nullable=True)),
    ("call", sa.Column("resume_at", WHOLE, nullable=True)),
)

FILLED = (
    "UPDATE copy SET waits = 1 WHERE ended = 0 AND state IN ('scheduled', 'queued', 'sending')",
    # What is uncertain may wait again.
    "UPDATE copy SET client = (SELECT client FROM message WHERE message.id = copy.message_id) WHERE ended = 0",
    "UPDATE call SET size = (SELECT count(*) FROM copy WHERE copy.call_id = call.id) WHERE stage <> 'closed'",
    "UPDATE call SET why = CASE WHEN attempts > 0 THEN 'retry' ELSE 'send_at' END WHERE stage = 'waiting'",
)

# A question mark says that a column may be NULL.
TABLES: dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]] = {
    "optout": (
        ("id",),
        {
            "id": TEXT,
            "peer": TEXT,
            "address?": TEXT,
            "line?": TEXT,
            "line_group?": TEXT,
            "source": TEXT,
            "word?": TEXT,
            "message_id?": TEXT,
            "copy_id?": TEXT,
            "at": WHOLE,
            "again_at?": WHOLE,
            "confirmed_by?": TEXT,
            "lifted_at?": WHOLE,
            "lifted_by?": TEXT,
            "lifted_message_id?": TEXT,
        },
        {},
    ),
    "optin": (
        ("peer", "line"),
        {"peer": TEXT, "line": TEXT, "at": WHOLE, "message_id?": TEXT},
        {"sqlite_with_rowid": False},
    ),
    "usage": (
        ("line", "day", "kind"),
        {"line": TEXT, "day": TEXT, "kind": TEXT, "calls": WHOLE},
        {"sqlite_with_rowid": False},
    ),
    "steering": (
        ("line",),
        {"line": TEXT, "next_call_at?": WHOLE, "held_at?": WHOLE},
        {"sqlite_with_rowid": False},
    ),
}

INDEXES: dict[str, tuple[str, list[str], str | None]] = {
    "copy_waiting": ("copy", ["line", "address", "message_id", "client"], "waits = 1"),
    "call_company": ("call", ["line", "company", "id"], "stage = 'waiting' AND company IS NOT NULL"),
    "call_behind": ("call", ["behind"], "behind IS NOT NULL"),
    "call_held_back": ("call", ["line", "id"], "resume_at IS NOT NULL"),
    "optout_holding": ("optout", ["peer"], "lifted_at IS NULL"),
    "optout_peer": ("optout", ["peer", "line"], None),
}

"""The first tables.

Frozen: what changes later is another migration. Times are microseconds since the epoch; JSON is kept as bytes.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BYTES = sa.LargeBinary()
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
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
        op.create_index(name, table, indexed, unique=name in UNIQUE, sqlite_where=part, postgresql_where=part)


# A question mark says that a column may be NULL.
TABLES: dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]] = {
    "raw": (
        ("id",),
        {
            "id": TEXT,
            "line": TEXT,
            "source": TEXT,
            "event": TEXT,
            "about": TEXT,
            "content_type": TEXT,
            "body": BYTES,
            "received_at": WHOLE,
            "state": TEXT,
            "sum": WHOLE,
        },
        {},
    ),
    "message": (
        ("id",),
        {
            "id": TEXT,
            "direction": TEXT,
            "line": TEXT,
            "client?": TEXT,
            "request_id": TEXT,
            "content": BYTES,
            "sum": WHOLE,
            "lane": WHOLE,
            "class": TEXT,
            "receipts": WHOLE,
            "on_uncertain": TEXT,
            "echo": BYTES,
            "echo_sum": WHOLE,
            "sequence": WHOLE,
            "open_copies": WHOLE,
            "created_at": WHOLE,
            "ended_at?": WHOLE,
        },
        {},
    ),
    "copy": (
        ("id",),
        {
            "id": TEXT,
            "message_id": TEXT,
            "call_id?": TEXT,
            "ordinal": WHOLE,
            "line": TEXT,
            "address_kind": TEXT,
            "address": TEXT,
            "address_raw": TEXT,
            "state": TEXT,
            "ended": WHOLE,
            "attempt": WHOLE,
            "remote_ref?": TEXT,
            "provider_status?": TEXT,
            "provider_code?": TEXT,
            "problem?": BYTES,
            "changed_at": WHOLE,
        },
        {},
    ),
    "call": (
        ("id",),
        {
            "id": TEXT,
            "line": TEXT,
            "message_id": TEXT,
            "lane": WHOLE,
            "stage": TEXT,
            "due_at": WHOLE,
            "expires_at?": WHOLE,
            "attempts": WHOLE,
            "owner?": TEXT,
            "recipients?": BYTES,
            "began_at?": WHOLE,
            "remote_ref?": TEXT,
            "handed_over_at?": WHOLE,
            "look_at?": WHOLE,
            "looks": WHOLE,
        },
        {},
    ),
    "command": (
        ("key", "line", "client"),
        {
            "key": TEXT,
            "line": TEXT,
            "client": TEXT,
            "digest": TEXT,
            "raw_digest?": TEXT,
            "message_id": TEXT,
            "answer": BYTES,
            "created_at": WHOLE,
        },
        {},
    ),
    "event": (
        ("position",),
        {
            "position": WHOLE,
            "id": TEXT,
            "kind": TEXT,
            "line?": TEXT,
            "client?": TEXT,
            "subject": TEXT,
            "sequence": WHOLE,
            "occurred_at": WHOLE,
            "recorded_at": WHOLE,
            "body": BYTES,
            "reply?": BYTES,
            "published_at?": WHOLE,
            "sum": WHOLE,
        },
        {"sqlite_autoincrement": True},
    ),
    "aside": (
        ("id",),
        {
            "id": TEXT,
            "kind": TEXT,
            "line?": TEXT,
            "what": TEXT,
            "why": TEXT,
            "raw_id?": TEXT,
            "event_id?": TEXT,
            "copy_id?": TEXT,
            "at": WHOLE,
            "state": TEXT,
        },
        {},
    ),
    "parked": (("id",), {"id": TEXT, "line": TEXT, "ref": TEXT, "report": BYTES, "at": WHOLE}, {}),
    "seen": (("line", "key"), {"line": TEXT, "key": BYTES, "at": WHOLE, "raw_id?": TEXT}, {"sqlite_with_rowid": False}),
    "memory": (("owner", "key"), {"owner": TEXT, "key": TEXT, "value": BYTES}, {}),
    "lease": (("name",), {"name": TEXT, "owner": TEXT, "until": WHOLE, "token": WHOLE}, {}),
}

INDEXES: dict[str, tuple[str, list[str], str]] = {
    "raw_kept": ("raw", ["line", "id"], "state = 'kept'"),
    "raw_read": ("raw", ["received_at"], "state = 'read'"),
    "message_ended": ("message", ["ended_at"], "ended_at IS NOT NULL"),
    "copy_call": ("copy", ["call_id"], ""),
    "copy_live": ("copy", ["state", "line"], "ended = 0"),
    "copy_message": ("copy", ["message_id", "ordinal"], ""),
    "copy_ref": ("copy", ["line", "remote_ref"], "remote_ref IS NOT NULL"),
    "call_expiring": ("call", ["expires_at"], "stage = 'waiting' AND expires_at IS NOT NULL"),
    "call_followed": ("call", ["handed_over_at"], "stage = 'followed'"),
    "call_in_flight": ("call", ["line", "id"], "stage = 'in_flight'"),
    "call_look": ("call", ["line", "look_at", "id"], "stage = 'followed' AND look_at IS NOT NULL"),
    "call_message": ("call", ["message_id"], ""),
    "call_ref": ("call", ["line", "remote_ref"], "remote_ref IS NOT NULL"),
    "call_waiting": ("call", ["line", "lane", "due_at", "id"], "stage = 'waiting'"),
    "command_message": ("command", ["message_id"], ""),
    "command_raw": ("command", ["raw_digest", "line"], "raw_digest IS NOT NULL"),
    "event_id": ("event", ["id"], ""),
    "event_published": ("event", ["published_at"], "published_at IS NOT NULL"),
    "event_subject": ("event", ["subject"], ""),
    "event_waiting": ("event", ["position"], "published_at IS NULL"),
    "aside_copy": ("aside", ["copy_id"], ""),
    "aside_event": ("aside", ["event_id"], ""),
    "aside_open": ("aside", ["id"], "state = 'open'"),
    "aside_settled": ("aside", ["at"], "state = 'settled'"),
    "parked_at": ("parked", ["at"], ""),
    "parked_ref": ("parked", ["line", "ref"], ""),
    "seen_at": ("seen", ["at"], ""),
}

UNIQUE = {"event_id"}

"""The tables of the rules of sending. What holds for `relay.journal.schema` holds here."""

from sqlalchemy import Column, Index

from relay.journal.columns import Moment, Whole, Words
from relay.journal.tables import need, part, table

optout = table(
    "optout",
    need("id", Words, primary_key=True),
    need("peer", Words),  # a keyed hash of the address: it stays when the address is erased
    Column("address", Words),
    Column("line", Words),  # where it was asked for; NULL: an operator's, for every line
    Column("line_group", Words),  # the line's group at that time
    need("source", Words),  # keyword, provider, operator, import
    Column("word", Words),  # the keyword, or the provider's code
    Column("message_id", Words),  # the message that asked for it
    Column("copy_id", Words),  # the copy that the provider refused
    need("at", Moment),
    Column("again_at", Moment),  # when the same was last asked for again
    Column("confirmed_by", Words),  # the one compliance copy that was let through
    Column("lifted_at", Moment),
    Column("lifted_by", Words),  # keyword, operator
    Column("lifted_message_id", Words),
    Column("sum", Whole),  # of what never changes; NULL: it was made before there were sums
)
optout_holds = optout.c.lifted_at.is_(None)
part("optout_holding", optout.c.peer, where=optout_holds)
Index("optout_peer", optout.c.peer, optout.c.line)

optin = table(
    "optin",
    need("peer", Words, primary_key=True),
    need("line", Words, primary_key=True),
    need("at", Moment),  # the last time
    Column("message_id", Words),
    sqlite_with_rowid=False,
)

usage = table(
    "usage",
    need("line", Words, primary_key=True),
    need("day", Words, primary_key=True),  # UTC, such as 2026-11-21
    need("kind", Words, primary_key=True),  # send, status, inbox, mailbox
    need("calls", Whole),
    sqlite_with_rowid=False,
)

steering = table(
    "steering",
    need("line", Words, primary_key=True),
    Column("next_call_at", Moment),  # no call is begun before: the pace of the line, or the provider's wish
    Column("held_at", Moment),  # since when an operator holds the line
    sqlite_with_rowid=False,
)

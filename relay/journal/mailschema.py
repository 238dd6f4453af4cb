"""The tables of what a provider keeps and shows: mailboxes, messages that are fetched, sightings, segments, media."""

from sqlalchemy import Column, Index, LargeBinary

from relay.journal.columns import Moment, Whole, Words
from relay.journal.tables import equals, need, part, table

# What is known of a provider's messages, by its own ids. `listed`: a mailbox shows it now; else the row is only there
# to find relay's own id, as long as the message is known.
mail = table(
    "mail",
    need("line", Words, primary_key=True),
    need("ref", Words, primary_key=True),
    need("listed", Whole),
    Column("is_unread", Whole),
    Column("is_incoming", Whole),
    Column("message_id", Words),
    sqlite_with_rowid=False,
)
mail_is_listed = equals(mail.c.listed, "1")
mail_has_message = mail.c.message_id.is_not(None)
part("mail_message", mail.c.message_id, where=mail_has_message)

# A message of which something is still to be fetched. Without `mail`, everything is.
arrival = table(
    "arrival",
    need("id", Words, primary_key=True),
    need("line", Words),
    need("ref", Words),
    Column("mail", LargeBinary),
    Column("sum", Whole),
    need("since", Moment),
    need("due_at", Moment),
    need("attempts", Whole),
)
Index("arrival_due", arrival.c.line, arrival.c.due_at, arrival.c.id)

# A message that went out, while nobody knows whether relay sent it.
sighting = table(
    "sighting",
    need("id", Words, primary_key=True),
    need("line", Words),
    need("ref", Words),
    need("mail", LargeBinary),
    need("sum", Whole),
    need("since", Moment),
    need("due_at", Moment),
)
Index("sighting_due", sighting.c.due_at)
Index("sighting_ref", sighting.c.line, sighting.c.ref)

# A piece of a longer message, while others are missing. `whole` names the longer one.
segment = table(
    "segment",
    need("line", Words, primary_key=True),
    need("whole", LargeBinary, primary_key=True),
    need("place", Whole, primary_key=True),
    need("mail", LargeBinary),
    need("sum", Whole),
    need("at", Moment),
    sqlite_with_rowid=False,
)
Index("segment_at", segment.c.at)

media = table(
    "media",
    need("token", Words, primary_key=True),
    need("line", Words),
    need("content_type", Words),
    Column("filename", Words),
    need("bytes", Whole),
    need("expires_at", Moment),
)
Index("media_expiring", media.c.expires_at)

"""Media: what is known of attachments that are kept as files, because they are too large for the bus."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from relay.clock import Clock
from relay.domain.messages import Part
from relay.journal.listing import one_of
from relay.journal.mailschema import media
from relay.journal.reader import Reader
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer


@dataclass(frozen=True, slots=True)
class KeptMedia:
    """An attachment that is kept as a file, until `expires_at`. Whoever knows `token` may have it."""

    token: str
    line: str
    content_type: str
    filename: str | None
    bytes: int
    expires_at: datetime


class MediaVerbs:
    """What may be done with kept attachments; their files are the caller's."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def keep(self, line: str, part: Part, expires_at: datetime) -> None:
        """Know an attachment by its token; one that is known already is kept until `expires_at`.

        Raises:
            ValueError: it has no token.
        """
        if part.token is None:
            raise ValueError("an attachment that is kept needs a token")
        size = part.size if part.data is None else len(part.data)
        row = {
            "token": part.token,
            "line": line,
            "content_type": part.content_type,
            "filename": part.filename,
            "bytes": size or 0,
            "expires_at": expires_at,
        }

        def operation(tx: Transaction) -> None:
            if not tx.execute(update(media).where(media.c.token == part.token).values(row)).rowcount:
                tx.execute(insert(media), [row])

        await self._writer.run(operation)

    async def find(self, token: str) -> KeptMedia | None:
        """The attachment that is kept under `token`, unless it has expired."""
        here = select(media).where(media.c.token == token, media.c.expires_at > self._clock.now())

        def read(connection: Connection) -> Any:
            return connection.execute(here).first()

        row = await self._reader.run(read)
        return row and KeptMedia(*row)

    async def expired(self, limit: int) -> list[str]:
        """Tokens whose time is over, up to `limit`, those first that expired first."""
        over = select(media.c.token).where(media.c.expires_at <= self._clock.now()).order_by(media.c.expires_at)
        return await self._reader.run(lambda connection: list(connection.execute(over.limit(limit)).scalars()))

    async def drop(self, tokens: Sequence[str]) -> None:
        """Forget these, because their files are no more."""
        await self._writer.run(lambda tx: tx.execute(delete(media).where(one_of(media.c.token, tokens))).rowcount)


def expire_media(tx: Transaction, tokens: Sequence[str]) -> None:
    """Let the time of these be over: nobody is told of them."""
    if tokens:
        tx.execute(update(media).where(one_of(media.c.token, tokens)).values(expires_at=tx.now))

"""A whole table, looked through in small pieces on the reader's thread, by its key: nobody waits long for any."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from sqlalchemy import Column, Connection, Row, Select

from relay.journal.reader import Reader

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 1024 * 1024


async def found(
    reader: Reader, chosen: Select[Any], key: Column[Any], first: str | int, wanted: Callable[[Row[Any]], bool]
) -> AsyncIterator[list[Row[Any]]]:
    """The rows that are wanted, in the order of their key, up to those that are there when the end is reached.

    Args:
        reader: reads.
        chosen: the columns; the key is one of them.
        key: the table's key.
        first: less than every key.
        wanted: whether a row is; asked on the reader's thread.
    """
    last: str | int = first

    def read(connection: Connection) -> tuple[list[Row[Any]], Row[Any] | None]:
        piece = chosen.where(key > last).order_by(key).limit(ROWS_AT_ONCE)
        hits: list[Row[Any]] = []
        size, row = 0, None
        for row in connection.execute(piece):
            hits += [row] if wanted(row) else []
            size += sum(len(value) for value in row if isinstance(value, bytes))
            if size >= BYTES_AT_ONCE:
                break
        return hits, row

    while True:
        hits, end = await reader.run(read)
        if end is None:
            return
        last = end._mapping[key.name]  # noqa: SLF001 - SQLAlchemy's public name
        if hits:
            yield hits

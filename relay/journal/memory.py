"""A small durable memory for each owner: a line's tokens and cursors, secrets, the lab's anchor."""

from sqlalchemy import bindparam, delete, insert, select, update

from relay.journal.reader import Reader
from relay.journal.schema import memory
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer


class Memory:
    """One owner's memory."""

    def __init__(self, owner: str, writer: Writer, reader: Reader) -> None:
        self._owner = owner
        self._writer = writer
        self._reader = reader

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None."""
        here = select(memory.c.value).where(memory.c.owner == self._owner, memory.c.key == key)
        return await self._reader.run(lambda connection: connection.execute(here).scalar())

    async def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`, on disk when this returns, in place of what was there."""
        await self._writer.run(lambda tx: put_memory(tx, self._owner, key, value))

    async def drop(self, key: str) -> None:
        """Forget what was put under `key`; where nothing was, nothing happens."""
        here = delete(memory).where(memory.c.owner == self._owner, memory.c.key == key)
        await self._writer.run(lambda tx: tx.execute(here).rowcount)


def put_memory(tx: Transaction, owner: str, key: str, value: bytes) -> None:
    """Keep `value` under `key` in the memory of `owner`, in place of what was there."""
    if not tx.execute(_PUT, {"by": owner, "named": key, "now": value}).rowcount:
        tx.execute(insert(memory), [{"owner": owner, "key": key, "value": value}])


_PUT = (
    update(memory)
    .where(memory.c.owner == bindparam("by"), memory.c.key == bindparam("named"))
    .values(value=bindparam("now"))
)

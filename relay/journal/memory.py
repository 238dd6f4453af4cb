"""A small durable memory for each owner: a line's tokens and cursors, secrets, the lab's anchor."""

from typing import Any

from sqlalchemy import bindparam, delete, select

from relay.journal.announce import SetAside, set_aside
from relay.journal.memoryrows import put_memory
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
        """What was put under `key`, or None. What is damaged is forgotten, and listed for a person."""
        mine = (memory.c.owner == self._owner, memory.c.key == key)
        row = await self._reader.run(lambda connection: connection.execute(select(memory.c.value).where(*mine)).first())
        if row is not None and row.value is None:
            await self._writer.run(lambda tx: _forget(tx, self._owner, key))
        return None if row is None else row.value

    async def put(self, key: str, value: bytes, *, begins: bool = False) -> None:
        """Keep `value` under `key`, on disk when this returns, in place of what was there.

        Args:
            key: what for.
            value: what.
            begins: it begins work of which more will have to be kept; raises JournalShut where the disk takes no more.
        """
        await self._writer.run(lambda tx: put_memory(tx, self._owner, key, value), begins=begins)

    async def put_first(self, key: str, value: bytes) -> bytes:
        """Keep `value` under `key` unless something is there; gives what is there then.

        Of several nodes that come at once one is the first, and all are given what it put.
        """
        return await self.swap(key, None, value)

    async def swap(self, key: str, before: bytes | None, value: bytes, *, begins: bool = False) -> bytes:
        """Keep `value` under `key` where `before` is there (None: nothing), and only there; gives what is there then.

        In one transaction: what another node has put meanwhile stays, and is given. What is damaged is forgotten.
        `begins`: as for `put`.
        """
        return await self._writer.run(lambda tx: swap(tx, self._owner, key, before, value), begins=begins)

    async def drop(self, key: str) -> None:
        """Forget what was put under `key`; where nothing was, nothing happens."""
        here = delete(memory).where(memory.c.owner == self._owner, memory.c.key == key)
        await self._writer.run(lambda tx: tx.execute(here).rowcount)


def swap(tx: Transaction, owner: str, key: str, before: bytes | None, value: bytes) -> bytes:
    """As `Memory.swap`, of `owner`'s."""
    row = tx.execute(_VALUE, {"by": owner, "named": key}).first()
    if row is not None and row.value is None:
        _forget(tx, owner, key)
        row = None
    there = None if row is None else bytes(row.value)
    if there is not None and there != before:
        return there
    put_memory(tx, owner, key, value)
    return value


def _forget(tx: Transaction, owner: str, key: str) -> None:
    named = {"by": owner, "named": key}
    row = tx.execute(_VALUE, named).first()
    if row is None or row.value is not None:
        return
    tx.execute(_DROP, named)
    set_aside(tx, SetAside("damaged", owner or None, "memory", f"the journal's row is damaged: `{key}` is lost"))


_THIS: Any = (memory.c.owner == bindparam("by"), memory.c.key == bindparam("named"))
_VALUE = select(memory.c.value).where(*_THIS)
_DROP = delete(memory).where(*_THIS)

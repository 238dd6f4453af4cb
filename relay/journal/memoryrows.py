"""The rows of `memory`: what is kept under an owner and a key."""

from sqlalchemy import bindparam, insert, update

from relay.journal.schema import memory
from relay.journal.transaction import Transaction


def put_memory(tx: Transaction, owner: str, key: str, value: bytes) -> None:
    """Keep `value` under `key` in the memory of `owner`, in place of what was there."""
    if not tx.execute(_PUT, {"by": owner, "named": key, "now": value}).rowcount:
        tx.execute(insert(memory), [{"owner": owner, "key": key, "value": value}])


_PUT = (
    update(memory)
    .where(memory.c.owner == bindparam("by"), memory.c.key == bindparam("named"))
    .values(value=bindparam("now"))
)

"""Leases: one holder of a name at a time, for as long as it renews in time. They run on real time, also in the lab."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from relay.journal.schema import lease
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer


@dataclass(frozen=True, slots=True)
class Lease:
    """A name that is held until a time. `token` rises with every holder, so that a former one is recognised."""

    name: str
    owner: str
    token: int
    until: datetime


class LeaseVerbs:
    """What may be done with leases.

    Args:
        writer: where to.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Hold `name`; None where another owner does. An owner that holds it already is its own successor."""

        def operation(tx: Transaction) -> Lease | None:
            now = tx.real_now
            row = tx.execute(select(lease).where(lease.c.name == name)).first()
            if row is not None and row.until > now and row.owner != owner:
                return None
            held = Lease(name, owner, row.token + 1 if row else 1, now + timedelta(seconds=seconds))
            values = {"owner": owner, "until": held.until, "token": held.token}
            if row is None:
                tx.execute(insert(lease), [{"name": name, **values}])
            else:
                tx.execute(update(lease).where(lease.c.name == name).values(values))
            return held

        return await self._writer.run(operation, marks=True)

    async def renew(self, held: Lease, seconds: float) -> Lease | None:
        """Hold it for `seconds` from now; None where it is lost, because it was over or somebody else has it."""

        def operation(tx: Transaction) -> Lease | None:
            now = tx.real_now
            until = now + timedelta(seconds=seconds)
            mine = (lease.c.name == held.name, lease.c.token == held.token, lease.c.until > now)
            renewed = tx.execute(update(lease).where(*mine).values(until=until)).rowcount
            return Lease(held.name, held.owner, held.token, until) if renewed else None

        return await self._writer.run(operation)

    async def release(self, held: Lease) -> None:
        """Let go of it, if it is still held."""

        def operation(tx: Transaction) -> None:
            mine = (lease.c.name == held.name, lease.c.token == held.token)
            # The row stays, so that the token goes on rising.
            tx.execute(update(lease).where(*mine).values(until=tx.real_now))

        await self._writer.run(operation)

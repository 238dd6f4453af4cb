"""The opt-out ledger as an operator sees it: listed with its evidence, added to, lifted, taken in from a list."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from relay.journal.listing import one_of
from relay.journal.optoutrows import Source, Word, lift, opt_out
from relay.journal.reader import Reader
from relay.journal.ruleschema import optout, optout_holds
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

AT_ONCE = 50  # numbers in one transaction: what else is to be written waits for no more than these
LISTED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """An opt-out as a list has it. `at`: None for one that is asked for now. `line`: None for every line."""

    address: str = field(repr=False)
    line: str | None = None
    at: datetime | None = None
    source: Source = "import"
    word: str | None = None


class OptOutVerbs:
    """What may be done with opt-outs. Addresses are canonical ones (`relay.domain.addresses`)."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def of(self, values: Sequence[str]) -> list[dict[str, Any]]:
        """Everything that is known of these addresses, what was lifted included."""

        def operation(tx: Transaction) -> list[dict[str, Any]]:
            peers = [tx.peer(value) for value in values]
            found = select(*_SHOWN).where(one_of(optout.c.peer, peers)).order_by(optout.c.id)
            return [dict(row._mapping) for row in tx.execute(found)]  # noqa: SLF001 - as above

        return await self._writer.run(operation)

    async def list(
        self, line: str | None = None, *, lifted: bool = False, after: str = "", limit: int = LISTED_AT_ONCE
    ) -> list[dict[str, Any]]:
        """Opt-outs with what shows them, in the order in which they were noted.

        Args:
            line: only those that were asked for there.
            lifted: also those that hold no more.
            after: the id to begin after.
            limit: how many.
        """
        found = select(*_SHOWN).where(optout.c.id > after).order_by(optout.c.id).limit(limit)
        if line is not None:
            found = found.where(optout.c.line == line)
        if not lifted:
            found = found.where(optout_holds)

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in connection.execute(found)]  # noqa: SLF001 - SQLAlchemy's public name

        return await self._reader.run(read)

    async def add(self, values: Iterable[str], line: str | None = None, source: Source = "operator") -> int:
        """Opt addresses out, on one line or on every line; gives how many of them were not opted out there."""
        return await self.import_(Listed(value, line, None, source) for value in values)

    async def remove(self, values: Iterable[str], line: str | None = None) -> int:
        """Lift what holds for addresses, all of it or what was asked for on one line; gives for how many."""
        lifted, left = 0, iter(values)
        while some := list(islice(left, AT_ONCE)):
            lifted += await self._writer.run(
                lambda tx, some=some: sum(lift(tx, value, line) > 0 for value in some)  # type: ignore[misc]
            )
        return lifted

    async def import_(self, entries: Iterable[Listed]) -> int:
        """Take in opt-outs from a list; gives how many were not known. The same list again changes nothing."""
        new, left = 0, iter(entries)
        while some := list(islice(left, AT_ONCE)):
            new += await self._writer.run(lambda tx, some=some: _take(tx, some))  # type: ignore[misc]
        return new


def _take(tx: Transaction, entries: Sequence[Listed]) -> int:
    new = 0
    for entry in entries:
        # A time to come would outlive an opt-in.
        at = min(entry.at or tx.now, tx.now)
        said = Word(entry.address, entry.line, at, entry.source, entry.word)
        new += opt_out(tx, said, imported=entry.at is not None)
    return new


_SHOWN = tuple(column for column in optout.c if column.name != "peer")

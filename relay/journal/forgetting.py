"""Somebody -> nobody: a person is taken out of everything that the journal holds, and only their opt-out stays.

It is done in small pieces: what needs to be looked through is read beside everything else, what is found is changed in
a transaction each. Cut short, it is done again and finds the rest. It changes nothing outside of the journal: a broker,
a provider, a log and an older backup keep what they have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy import delete, update

from relay.domain.addresses import Address
from relay.domain.spellings import Spellings
from relay.journal.erasure import Erasure
from relay.journal.forgetbytes import forget_awaited, forget_bytes, forget_media, forget_reports
from relay.journal.forgetcopies import forget_copies
from relay.journal.forgetevents import forget_events
from relay.journal.listing import one_of
from relay.journal.reader import Reader
from relay.journal.ruleschema import optin, optout
from relay.journal.steering import SteeringVerbs
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

log = structlog.get_logger()

KINDS = ("copies", "messages", "events", "raw", "reports", "awaited", "media", "asides", "optouts")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What came of it.

    Attributes:
        done: how much was erased, by its kind: one of KINDS.
        left: what could not be erased yet: `under_way` copies and `unread` bytes; a little later they can.
        is_clean: nothing of it is left in the journal's file where room was freed.
    """

    done: Mapping[str, int]
    left: Mapping[str, int]
    is_clean: bool


class Remainder(Protocol):
    """Sees to it that what was deleted is gone."""

    async def clear(self, writer: Writer, needles: Sequence[bytes]) -> bool:
        """Make sure that nothing of it is left where it was kept; gives whether that is so."""


class ForgetVerbs:
    """How people are forgotten."""

    def __init__(self, writer: Writer, reader: Reader, steering: SteeringVerbs, remains: Remainder) -> None:
        self._writer = writer
        self._reader = reader
        self._steering = steering
        self._remains = remains
        self._one_at_a_time = asyncio.Lock()

    async def forget(
        self, addresses: Sequence[Address], drop_media: Callable[[Sequence[str]], Awaitable[None]]
    ) -> Forgotten:
        """Forget these people.

        Copies that wait for them are canceled, those of which nobody knows whether they were sent have failed, and both
        are told by a final receipt. What comes in from them afterwards is new, as from anybody.

        Args:
            addresses: their numbers and e-mail addresses.
            drop_media: deletes kept attachments, by their tokens.

        Raises:
            JournalUnusable: it cannot be written; what was done stays, and the rest is found the next time.
        """
        # Of two at once, each would write back what it has read before the other one's change.
        async with self._one_at_a_time:
            return await self._forget(addresses, drop_media)

    async def _forget(
        self, addresses: Sequence[Address], drop_media: Callable[[Sequence[str]], Awaitable[None]]
    ) -> Forgotten:
        who = Spellings(await self._writer.run(lambda tx: {one: tx.name_of_forgotten(one.value) for one in addresses}))
        erasure = Erasure(self._writer, self._reader, who, drop_media)
        await forget_copies(erasure, self._steering)
        await forget_events(erasure)
        await forget_bytes(erasure)
        await forget_reports(erasure)
        await forget_awaited(erasure)
        await forget_media(erasure)
        erasure.done["optouts"] += await self._writer.run(lambda tx: _without_addresses(tx, addresses))
        clean = await self._remains.clear(self._writer, who.needles())
        done = {kind: erasure.done[kind] for kind in KINDS}
        left = {kind: count for kind, count in erasure.left.items() if count}
        log.info(
            "people.forgotten",
            people=len(addresses),
            left=sum(left.values()),
            clean=clean,
            copies=done["copies"],
            messages=done["messages"],
            events=done["events"],
        )
        return Forgotten(done, left, clean)


def _without_addresses(tx: Transaction, addresses: Sequence[Address]) -> int:
    """Keep their opt-outs by their hashes alone."""
    peers = sorted({tx.peer(one.value) for one in addresses})
    tx.execute(delete(optin).where(one_of(optin.c.peer, peers)))
    named = (one_of(optout.c.peer, peers), optout.c.address.is_not(None))
    return tx.execute(update(optout).where(*named).values(address=None)).rowcount

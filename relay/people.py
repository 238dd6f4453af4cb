"""An operator's list of numbers -> people who are forgotten, in the journal and among the attachments it knows."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from relay.domain.addresses import Address, AddressKind, InvalidAddress, outbound
from relay.domain.spellings import Spellings
from relay.journal import Forgotten, Journal, Spool
from relay.mediastore import MediaStore


class People:
    """Forgets people.

    Args:
        journal: what knows them.
        media: their attachments.
        own: the numbers of relay's own lines, which are nobody's.
        spool: what this node has still to fold into the journal.
    """

    def __init__(self, journal: Journal, media: MediaStore, own: Collection[str], spool: Spool | None = None) -> None:
        self._journal = journal
        self._media = media
        self._own = own
        self._spool = spool

    def named(self, text: str) -> Address:
        """Whom an operator means by a number or an e-mail address.

        Raises:
            InvalidAddress: nobody can be meant by it; says why, and not what was given.
        """
        address = outbound(text)
        if address.kind is AddressKind.SHORT_CODE:
            raise InvalidAddress("a short code is a service and no person: it cannot be forgotten")
        if address.value in self._own:
            raise InvalidAddress("the number is one of relay's own lines: it cannot be forgotten")
        return address

    async def forget(self, people: Sequence[Address]) -> Forgotten:
        """Take people out of everything; see `ForgetVerbs.forget`."""
        # Files that the journal does not know may be theirs.
        await self._media.purge()
        forgotten = await self._journal.people.forget(people, self._media.drop)
        spooled = await self._spool.naming(Spellings(dict.fromkeys(people, "somebody")).stand_in) if self._spool else 0
        return _with_spooled(forgotten, spooled) if spooled else forgotten


def _with_spooled(forgotten: Forgotten, hooks: int) -> Forgotten:
    """What waits in the spool is left until it was folded in and read."""
    left = {**forgotten.left, "unread": forgotten.left.get("unread", 0) + hooks}
    return replace(forgotten, left=left, is_clean=False)

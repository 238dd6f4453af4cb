"""What time alone does: expiry, the end of following, and forgetting what is done with. In pieces that keep nobody."""

from datetime import timedelta

from sqlalchemy import and_, or_, select

from relay.domain.schedule import TRACKING_HORIZON
from relay.journal.announce import tell_untold
from relay.journal.callrows import expire_calls, in_one_go
from relay.journal.clocksteps import put_back
from relay.journal.looks import end_following
from relay.journal.orphans import give_up_parked
from relay.journal.retention import Lifetimes, purge
from relay.journal.schema import call, call_is_followed
from relay.journal.segments import join_overdue
from relay.journal.sightings import settle_sightings
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

HORIZON = timedelta(seconds=TRACKING_HORIZON)
# The last look comes after the horizon; where no look comes any more, because the line is gone, time decides.
LAST_LOOK_WITHIN = timedelta(hours=1)

PARKED_FOR = 72 * 3600.0  # seconds
_EACH_A_WEEK = Lifetimes()


class UpkeepVerbs:
    """What a janitor does. Each gives how much it did: as long as that is not 0, there may be more."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def expire(self, limit: int = 100) -> int:
        """End what was not handed over before its expiry, up to `limit` calls; gives the number of copies."""
        return await self._writer.run(lambda tx: expire_calls(tx, limit))

    async def clock_put_back(self, by: timedelta) -> int:
        """Put back what relay itself noted for later, by as much as the clock was; gives how much that was."""
        return await self._writer.run(lambda tx: put_back(tx, by))

    async def end_following(self, limit: int = 100) -> int:
        """End the following of what was handed over 72 hours ago, up to `limit` calls; gives the number of copies."""

        def operation(tx: Transaction) -> int:
            no_look_left = or_(call.c.look_at.is_(None), call.c.handed_over_at <= tx.now - HORIZON - LAST_LOOK_WITHIN)
            over = and_(call_is_followed, call.c.handed_over_at <= tx.now - HORIZON, no_look_left)
            oldest = select(call.c.id, call.c.size).where(over).order_by(call.c.handed_over_at).limit(limit)
            return end_following(tx, in_one_go(tx.execute(oldest)), None)

        return await self._writer.run(operation)

    async def give_up_parked(self, older_than: float = PARKED_FOR) -> int:
        """Set aside reports that were parked so many seconds ago: nobody here sent what they are about."""
        return await self._writer.run(lambda tx: give_up_parked(tx, tx.now - timedelta(seconds=older_than), 500))

    async def tell_untold(self) -> int:
        """Tell what was set aside in a flood, and not one by one; gives the number of notices."""
        return await self._writer.run(tell_untold)

    async def join_overdue_segments(self, limit: int = 100) -> int:
        """Announce messages of which pieces are missing after an hour; gives the number of messages."""
        return await self._writer.run(lambda tx: join_overdue(tx, limit))

    async def settle_sightings(self, limit: int = 100) -> int:
        """Judge again whose the messages are that went out and were nobody's; gives how many were looked at."""
        return await self._writer.run(lambda tx: settle_sightings(tx, limit))

    async def purge(self, limit: int = 100, kept_for: Lifetimes = _EACH_A_WEEK) -> int:
        """Forget what was finished long enough ago, up to `limit` rows a kind; gives the number of rows."""
        return await purge(self._writer, kept_for, limit)

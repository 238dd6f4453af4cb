"""A subscriber's message index: looked at, created where there is none, and waited for.

Without an index AT&T answers neither a list nor a delta, and it goes after 30 days without use (In-App FAQ, "Does the
message index have to be explicitly created?").
"""

from datetime import datetime, timedelta

import structlog

from relay.clock import Clock
from relay.domain.errors import ErrorCode, Malformed, NotReady, Problem, TryLater
from relay.providers.att_inapp import operations, wire
from relay.providers.att_inapp.calls import Calls
from relay.providers.att_inapp.codes import INDEX_STATUSES, NO_INDEX, Index
from relay.providers.att_inapp.refusals import Asked
from relay.providers.att_inapp.wire import IndexInfo

log = structlog.get_logger()

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0  # seconds; a large store takes minutes
_PATIENCE = timedelta(hours=1)  # with a status that nobody knows


class MessageIndex:
    """One subscriber's index. `state` is where changes can be followed from, as of when it was last found ready.

    Args:
        alias: the line's, for the log.
        calls: to AT&T.
        clock: measures how long an unknown status is put up with.
    """

    def __init__(self, alias: str, calls: Calls, clock: Clock) -> None:
        self._alias = alias
        self._calls = calls
        self._clock = clock
        self._waits = 0
        self._unknown_since: datetime | None = None
        self.state: str | None = None

    async def prepare(self) -> None:
        """Return where the index is ready; have it made where there is none.

        Raises:
            NotReady: it is being made; ask again after `after` seconds, which grow from 5 to 300.
            TryLater: AT&T cannot be asked.
        """
        info = await self.info()
        if info.standing is Index.MISSING:
            info = await self._create()
        if info.standing is Index.READY or self._has_waited_enough(info):
            self._waits, self._unknown_since, self.state = 0, None, info.state
            return
        after = min(_FIRST_WAIT * 2.0 ** min(self._waits, 10), _LONGEST_WAIT)
        self._waits += 1
        raise NotReady(Problem(NO_INDEX.code, NO_INDEX.detail), after)

    async def info(self) -> IndexInfo:
        """How it stands; raises TryLater where AT&T cannot be asked or answers unreadably."""
        answer = await self._calls.make(operations.INDEX_INFO, Asked.STORE)
        return _read(answer.body)

    async def _create(self) -> IndexInfo:
        answer = await self._calls.make(operations.CREATE_INDEX, Asked.STORE, body=b"")
        # Documented with the index in the answer, served with nothing in it.
        return _read(answer.body) if answer.body.strip() else await self.info()

    def _has_waited_enough(self, info: IndexInfo) -> bool:
        if info.status.strip().upper() in INDEX_STATUSES:
            self._unknown_since = None
            return False
        now = self._clock.now()
        self._unknown_since = self._unknown_since or now
        is_enough = now - self._unknown_since >= _PATIENCE
        if is_enough:
            log.warning("mailbox.index.unknown", line=self._alias, status=info.status[:40])
        return is_enough


def _read(body: bytes) -> IndexInfo:
    try:
        return wire.read_index(body)
    except Malformed as error:
        raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, error.problem.detail)) from None

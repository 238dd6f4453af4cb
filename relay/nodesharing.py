"""The journal -> what a line shares with the same line of other nodes: turns by leases, news by bells or by time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from relay.domain.errors import ErrorCode, Problem, TryLater
from relay.journal import Journal, JournalError, Lease

log = structlog.get_logger()

LOOK_AGAIN = 1.0  # real seconds between two tries to have a turn that another node has
NEWS_AFTER = 5.0  # real seconds after which there may be news that no bell has told of
_PATIENCE = 2  # turns of another node's that are waited for


def sharing_of(journal: Journal, line: str) -> "NodeSharing | None":
    """How this node's line shares its memory; None where no other node has the journal."""
    return NodeSharing(line, journal, journal.owner) if journal.nodes.is_shared else None


class NodeSharing:
    """One line's, for one life of this node; see `relay.providerkit.sharing.Sharing`.

    Args:
        line: whose memory it is.
        journal: has it, and the leases; its bell `tokens:<line>` tells of changes.
        node: this life of this node.
    """

    is_shared = True

    def __init__(self, line: str, journal: Journal, node: str) -> None:
        self.node = node
        # No turn of a life's, which lasts as long as the life does: this one ends by itself.
        self._holder = f"{node}:{line}"
        self._line = line
        self._leases = journal.leases
        self._journal = journal
        self._bell_name = f"tokens:{line}"
        self._news = journal.listen(self._bell_name)
        self._news_at = 0.0
        self._memory = journal.memory(line)
        self.swap = self._memory.swap

    @asynccontextmanager
    async def turn(self, name: str, seconds: float, *, patient: bool = True) -> AsyncIterator[bool]:
        """By the lease `<name>:<line>`; as `Sharing.turn` says."""
        held = await self._acquired(f"{name}:{self._line}", seconds, patient=patient)
        if held is None:
            yield False
            return
        try:
            yield True
        finally:
            await self._released(held)

    def has_news(self) -> bool:
        """Once after each ring, and every few seconds for the rings that did not come through."""
        now = asyncio.get_running_loop().time()
        if not self._news.has_rung() and now < self._news_at:
            return False
        self._news_at = now + NEWS_AFTER
        return True

    def tell(self) -> None:
        """Ring on all nodes."""
        self._journal.ring(self._bell_name)

    async def get(self, key: str) -> bytes | None:
        """As `Sharing.get` says."""
        try:
            return await self._memory.get(key)
        except JournalError as error:
            log.warning("sharing.unread", line=self._line, policy=type(error).__name__)
            raise _later("relay cannot see what its nodes have kept: see its log") from None

    async def _acquired(self, name: str, seconds: float, *, patient: bool) -> Lease | None:
        bell, now = self._journal.listen(self._bell_name), asyncio.get_running_loop().time
        until = now() + _PATIENCE * seconds
        while True:
            try:
                held = await self._leases.acquire(name, self._holder, seconds)
            except JournalError as error:
                log.warning("sharing.unasked", line=self._line, turn=name, policy=type(error).__name__)
                raise _later("relay cannot see whether another node is at it: see its log") from None
            if held is not None or not patient:
                return held
            if now() >= until:
                raise _later("another node is at it, and does not end")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await bell.wait()

    async def _released(self, held: Lease) -> None:
        try:
            await self._leases.release(held)
        except JournalError as error:
            # It ends by itself.
            log.warning("sharing.unreleased", line=self._line, turn=held.name, policy=type(error).__name__)
        self.tell()


def _later(detail: str) -> TryLater:
    return TryLater(Problem(ErrorCode.INTERNAL, detail))

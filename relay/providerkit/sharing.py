"""What a line shares with the same line of other nodes: its small memory, and turns at what only one may do at a time.

A token is such a thing: where a refresh replaces the refresh token, two nodes that refresh at once lose the consent.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Kept(Protocol):
    """A line's small durable memory."""

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None."""

    async def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`, on disk, in place of what was there."""


class Sharing(Protocol):
    """How a line shares its memory.

    Attributes:
        node: this life of this node; no other life of any node has it.
        is_shared: whether other nodes may use the memory.
    """

    node: str
    is_shared: bool

    def turn(self, name: str, seconds: float, *, patient: bool = True) -> AbstractAsyncContextManager[bool]:
        """Have the turn at `name` for the length of the block; it ends by itself after so many real seconds.

        Args:
            name: at what.
            seconds: longer than the block takes; a node that dies in it keeps the others waiting no longer than that.
            patient: wait for it. Otherwise the block is told by False that another node has it.

        Raises:
            TryLater: it did not come in time, or cannot be had now.
        """

    def has_news(self) -> bool:
        """Whether the memory may have been changed by another node since this was last asked."""

    def tell(self) -> None:
        """Have the other nodes told that the memory was changed."""

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None; raises TryLater where the memory cannot be asked now."""

    async def swap(self, key: str, before: bytes | None, value: bytes) -> bytes:
        """Keep `value` under `key` where `before` is there (None: nothing), and only there; gives what is there."""


class Alone:
    """A line whose memory no other node has: every turn is its own, and costs nothing."""

    node = ""
    is_shared = False

    def __init__(self, memory: Kept) -> None:
        self._memory = memory
        self.get = memory.get

    @asynccontextmanager
    async def turn(self, name: str, seconds: float, *, patient: bool = True) -> AsyncIterator[bool]:  # noqa: ARG002 - nobody else takes one
        """At once."""
        yield True

    def has_news(self) -> bool:
        """There are none."""
        return False

    def tell(self) -> None:
        """There is nobody to be told."""

    async def swap(self, key: str, before: bytes | None, value: bytes) -> bytes:  # noqa: ARG002 - nobody else writes
        """Keep it."""
        await self._memory.put(key, value)
        return value

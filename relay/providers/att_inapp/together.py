"""Changes to single messages -> as few calls as there need be: those that come while one is on its way go together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from relay.domain.errors import Refused, RelayError

T = TypeVar("T")

_MOST, _LONGEST = 50, 2000  # ids in a call, and characters of them: they may stand in an address


@dataclass(slots=True, eq=False)
class _Change(Generic[T]):
    ref: str
    value: T
    done: bool = False
    error: RelayError | None = None


class Together(Generic[T]):
    """Carries changes, each of which may safely be made twice.

    Args:
        one: makes one change, by the message's id and the value.
        many: makes several, by their ids; it is called with two at least.
        fits: whether an id can stand in a call for several.
    """

    def __init__(
        self,
        one: Callable[[str, T], Awaitable[None]],
        many: Callable[[Mapping[str, T]], Awaitable[None]],
        *,
        fits: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._one = one
        self._many = many
        self._fits = fits
        self._waiting: list[_Change[T]] = []
        self._turn = asyncio.Lock()

    async def make(self, ref: str, value: T) -> None:
        """Have one change made; raises what the call that made it did."""
        mine = _Change(ref, value)
        self._waiting.append(mine)
        try:
            async with self._turn:
                if not mine.done:  # else somebody has taken it along
                    await self._carry(self._taken_along(mine))
        finally:
            self._leave(mine)
        if mine.error is not None:
            raise mine.error

    def _taken_along(self, mine: _Change[T]) -> list[_Change[T]]:
        """`mine` and those that wait, each message once: of two changes to one message the later waits."""
        taken, length = {mine.ref: mine}, len(mine.ref)
        if self._fits(mine.ref):
            for other in (waiting for waiting in self._waiting if waiting.ref not in taken):
                length += len(other.ref) + 1
                if len(taken) >= _MOST or length > _LONGEST or not self._fits(other.ref):
                    break
                taken[other.ref] = other
        return list(taken.values())

    async def _carry(self, changes: list[_Change[T]]) -> None:
        if len(changes) > 1:
            try:
                await self._many({change.ref: change.value for change in changes})
            except Refused:
                # One of them is at fault, or AT&T does not take several: each gets an answer of its own.
                await self._apart(changes)
            except RelayError as error:
                self._settle(changes, error)
            else:
                self._settle(changes, None)
        else:
            await self._apart(changes)

    async def _apart(self, changes: list[_Change[T]]) -> None:
        for change in changes:
            try:
                await self._one(change.ref, change.value)
            except RelayError as error:
                self._settle([change], error)
            else:
                self._settle([change], None)

    def _settle(self, changes: list[_Change[T]], error: RelayError | None) -> None:
        for change in changes:
            change.done, change.error = True, error
            self._leave(change)

    def _leave(self, change: _Change[T]) -> None:
        if change in self._waiting:
            self._waiting.remove(change)

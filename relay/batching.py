"""What comes within one turn of the loop -> one operation of the journal's, and each waiter's own result.

A thousand operations of one row each cost the loop and the journal's thread far more than one of a thousand rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from relay.journal import JournalUnusable

T = TypeVar("T")
R = TypeVar("R")

MOST = 200  # in one operation: what else is to be written waits for no more than these


class Batcher(Generic[T, R]):
    """Does for several at once what is asked for one by one.

    Where it fails for all of them, and that may be for the sake of one, each is done alone.

    Args:
        do: gives a result for each, in their order.
    """

    def __init__(self, do: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._do = do
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    def add(self, one: T) -> "asyncio.Future[R]":
        """Have it done; the future has its result, or what it failed with. Whoever leaves that stops nothing."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._begin)
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((one, future))
        return future

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST):
            task = asyncio.create_task(self._done(waiting[start : start + MOST]))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _done(self, some: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        [end] = await asyncio.gather(self._do([one for one, _ in some]), return_exceptions=True)
        if not isinstance(end, BaseException):
            for (_, future), result in zip(some, end, strict=True):
                _tell(future, result)
        elif len(some) == 1 or isinstance(end, JournalUnusable | asyncio.CancelledError):
            for _, future in some:
                _fail(future, end)
        else:
            await asyncio.gather(*(self._done([one]) for one in some))


def _tell(future: "asyncio.Future[R]", result: R) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[R]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)

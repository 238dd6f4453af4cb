"""What callers hand to the journal's thread: operations, some of which run together with others of their kind."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from relay.journal.transaction import Transaction

T = TypeVar("T")
About = TypeVar("About")


@dataclass(frozen=True, slots=True)
class Together(Generic[About, T]):
    """An operation that runs at once with all of its kind that stand beside it in a batch.

    Args:
        run: is the same object for all of a kind; gives what comes of each, in their order.
        about: what this one is about.
    """

    run: Callable[[Transaction, Sequence[About]], Sequence[T]]
    about: About

    def __call__(self, tx: Transaction) -> T:
        """By itself."""
        return self.run(tx, [self.about])[0]


@dataclass(slots=True)
class Job:
    """One caller's operation, and what came of it."""

    operation: Callable[[Any], Any]
    future: "asyncio.Future[Any]"
    weight: int
    is_new: bool
    is_apart: bool = False
    needs_life: bool = False
    result: Any = None
    refusal: BaseException | None = None


def together_of(job: Job) -> Callable[[Transaction, Sequence[Any]], Sequence[Any]] | None:
    """What runs this job together with others like it; None: it runs by itself."""
    return job.operation.run if isinstance(job.operation, Together) else None


class Attempt:
    """Holds what went wrong in its block, to be handed to whoever waits for it on another thread."""

    error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return isinstance(error, Exception)

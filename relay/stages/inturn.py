"""A stage that runs on one node at a time: made anew each time this node has its turn, and ended with it."""

import asyncio
from collections.abc import Awaitable, Callable

from relay.stagekit import EitherBell, Rest, Stage
from relay.telemetry.health import LineBoard
from relay.turns import Turns

ENDS_WITHIN = 600.0  # real seconds for what is in flight when a turn is lost: what was fetched can be had only once


class InTurn(Stage):
    """Runs a stage while this node has a turn.

    The inner stage takes up from the journal each time, as after a start. When the turn is lost it ends as at a stop:
    its step is cut short, and what is in flight may finish.

    Args:
        turn: the name of the turn.
        turns: this node's.
        make: makes the inner stage.
        name: of the inner stage.
        line: whose trouble its trouble is.
        board: where it shows how the line stands.
        parts: under these names.
    """

    def __init__(  # noqa: PLR0913 - what it runs, and how that is shown
        self,
        turn: str,
        turns: Turns,
        make: Callable[[], Stage],
        *,
        name: str,
        board: LineBoard,
        line: str | None = None,
        parts: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.line = line
        self._turn = turn
        self._turns = turns
        self._make = make
        self._board = board
        self._parts = (*parts, name)
        self._bell = turns.changed(turn)
        self._inner: Stage | None = None
        self._term: int | None = None

    async def step(self) -> Rest | None:
        """Let the inner stage do one piece of work, if it is its turn."""
        term = self._turns.term(self._turn)
        if self._inner is not None and term != self._term:
            await self._end(self._inner, lambda inner: inner.drain(ENDS_WITHIN))
            self._clear()
        if term is None:
            return Rest(bell=self._bell)
        rest = await self._step(self._inner or self._begun(term))
        return rest and Rest(rest.seconds, EitherBell(rest.bell, self._bell) if rest.bell else self._bell)

    async def drain(self, seconds: float) -> None:
        """Let what is in flight finish."""
        if self._inner is not None:
            await self._end(self._inner, lambda inner: inner.drain(seconds))

    async def hand_over(self) -> None:
        """Let what is in flight finish, however long it takes."""
        if self._inner is not None:
            await self._end(self._inner, lambda inner: inner.hand_over())

    def _begun(self, term: int) -> Stage:
        self._turns.enter(self._turn)
        self._inner, self._term = self._make(), term
        return self._inner

    async def _end(self, inner: Stage, end: Callable[[Stage], Awaitable[None]]) -> None:
        # Where it fails, something is to be written down still: then it is tried again.
        await end(inner)
        self._inner = None
        self._turns.leave(self._turn)

    def _clear(self) -> None:
        """Show no more what another node knows better from now on."""
        if self.line is not None:
            for part in self._parts:
                self._board.clear(self.line, part)
            self._board.loss_at(self.line, None)

    async def _step(self, inner: Stage) -> Rest | None:
        """Until it is done, or the turn is lost."""
        step = asyncio.ensure_future(inner.step())
        lost = asyncio.ensure_future(self._lost())
        try:
            await asyncio.wait({step, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            step.cancel()
            await asyncio.gather(step, lost, return_exceptions=True)
        return None if step.cancelled() else step.result()

    async def _lost(self) -> None:
        while self._turns.term(self._turn) == self._term:
            await self._bell.wait()

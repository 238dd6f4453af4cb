"""When a stage is to look for what another node has kept and will not read any more, because it has died."""

from datetime import datetime

from relay.stagekit import EitherBell, Rest, Standing

EVERY = 30.0  # seconds: what a node left that was buried while nobody listened


class Heirs:
    """Says when to look: at the start; and on a journal that others share, when a node came or went, and every 30 s.

    It is a bell, too, that rings when a node came or went.

    Args:
        standing: what the stage stands on.
    """

    def __init__(self, standing: Standing) -> None:
        self._is_shared = standing.journal.nodes.is_shared
        self._clock = standing.clock
        self._bell = standing.journal.listen("nodes")
        self._has_rung = False
        self._looked_at: datetime | None = None

    def are_called(self) -> bool:
        """Whether to look now; whoever asks does so."""
        now = self._clock.now()
        called = self._looked_at is None or (self._is_shared and self._is_due(self._looked_at, now))
        if called:
            self._looked_at, self._has_rung = now, False
        return called

    def rest(self, rest: Rest) -> Rest:
        """The same rest, which ends as well when there is to be looked."""
        if not self._is_shared:
            return rest
        seconds = EVERY if rest.seconds is None else min(rest.seconds, EVERY)
        return Rest(seconds, EitherBell(rest.bell, self) if rest.bell else self)

    async def wait(self) -> None:
        """Return once a node came or went since the last wait."""
        await self._bell.wait()
        self._has_rung = True

    def _is_due(self, before: datetime, now: datetime) -> bool:
        return self._has_rung or self._bell.has_rung() or abs((now - before).total_seconds()) >= EVERY

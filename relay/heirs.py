"""When a stage is to look for what another node has kept and will not read any more, because it has died."""

from relay.stagekit import EitherBell, Rest, Standing


class Heirs:
    """Says when to look: at the start; and on a journal that others share, whenever a node came or went.

    It is a bell, too, that rings when a node came or went. Every bell rings now and then besides, so that what was not
    heard is found all the same, however fast relay's time goes.

    Args:
        standing: what the stage stands on.
    """

    def __init__(self, standing: Standing) -> None:
        self._is_shared = standing.journal.nodes.is_shared
        self._bell = standing.journal.listen("nodes")
        self._is_due = True

    def are_called(self) -> bool:
        """Whether to look now; whoever asks does so."""
        called = self._is_due or (self._is_shared and self._bell.has_rung())
        self._is_due = False
        return called

    def rest(self, rest: Rest) -> Rest:
        """The same rest, which ends as well when there is to be looked."""
        if not self._is_shared:
            return rest
        return Rest(rest.seconds, EitherBell(rest.bell, self) if rest.bell else self)

    async def wait(self) -> None:
        """Return once a node came or went since the last wait."""
        await self._bell.wait()
        self._is_due = True

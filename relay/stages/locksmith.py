"""journal -> the public listener: the secrets under which other nodes have web hooks called, as soon as they change."""

from relay.hookaddresses import SECRETS_BELL, TakenSecrets
from relay.stagekit import Rest, Stage, Standing

EVERY = 30.0  # seconds: changes of which no bell has told


class Locksmith(Stage):
    """Keeps right which secrets this node takes.

    Args:
        secrets: those.
        standing: what the stage stands on.
    """

    name = "locksmith"

    def __init__(self, secrets: TakenSecrets, standing: Standing) -> None:
        self._secrets = secrets
        self._journal = standing.journal
        self._bell = standing.journal.listen(SECRETS_BELL)

    async def step(self) -> Rest | None:
        """See what is kept by now."""
        await self._secrets.look(self._journal.memory)
        return Rest(EVERY, self._bell)

"""journal -> nothing: attachments whose time is over are deleted."""

from relay.mediastore import MediaStore
from relay.stagekit import Rest, Stage

EVERY = 300.0  # seconds


class Sweeper(Stage):
    """Deletes what nobody may have any more."""

    name = "sweeper"

    def __init__(self, media: MediaStore) -> None:
        self._media = media

    async def step(self) -> Rest | None:
        """Delete one batch."""
        return None if await self._media.purge() else Rest(EVERY)

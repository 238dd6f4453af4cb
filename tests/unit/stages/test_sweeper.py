"""The sweeper: what is over is deleted, piece by piece, and it comes again."""

from relay.domain.messages import Part
from relay.mediastore import PURGED_AT_ONCE
from relay.stages.sweeper import EVERY, Sweeper
from tests.unit.stages.house import DESK, House, seconds, until_rest
from tests.unit.stages.test_collector import LIFETIME, store


async def test_what_has_expired_is_deleted_and_the_rest_stays(house: House) -> None:
    """More than one piece of it is done with before it rests."""
    media = store(house)
    sweeper = Sweeper(media)
    assert seconds(await until_rest(sweeper)) == EVERY
    for number in range(PURGED_AT_ONCE + 1):
        await house.journal.media.keep(DESK, Part("image/png", token=f"{number:032}", size=1), house.clock.now())
    kept = await media.keep(DESK, Part("image/png", size=1), b"x")
    assert seconds(await until_rest(sweeper)) == EVERY
    assert await house.journal.media.expired(10) == []
    assert await media.find(str(kept.token)) is not None
    await house.clock.advance(LIFETIME)
    assert seconds(await until_rest(sweeper)) == EVERY
    assert list(media.directory.iterdir()) == []

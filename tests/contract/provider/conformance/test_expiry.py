"""A call whose expiry has come is not made, whatever its line was doing since it was claimed."""

from datetime import timedelta

import pytest

from relay.domain.errors import RelayError, TooLate
from relay.domain.messages import Media
from relay.providerkit.spec import Sends
from tests.contract.provider.conformance.calls import a_call
from tests.contract.provider.conformance.known import Reply, facts_of, providers
from tests.contract.provider.conformance.lines import Stand, unconnected
from tests.contract.provider.conformance.scripted import scripted

PICTURE = Media("image/png", "map.png", b"PNG")
SENDING = [name for name in providers() if isinstance(unconnected(name), Sends)]


async def requests(provider: str, left: timedelta, media: tuple[Media, ...] = ()) -> tuple[int, RelayError | None]:
    """How many requests a call makes whose expiry is so far away, and how it ends."""
    facts = facts_of(provider)
    async with scripted(facts.opening) as server:
        stand = Stand(provider, server.base_url)
        await stand.prepare()
        server.reply = Reply(503, content_type="text/plain")
        server.requests.clear()
        async with stand.line() as line:
            try:
                await line.send(a_call(facts.somebody, media=media, expires_at=stand.clock.now() + left))
            except RelayError as error:
                return len(server.requests), error
    return len(server.requests), None


@pytest.mark.parametrize("media", [(), (PICTURE,)], ids=["text", "picture"])
@pytest.mark.parametrize("provider", SENDING)
async def test_a_call_is_not_made_from_its_expiry_on(provider: str, media: tuple[Media, ...]) -> None:
    """Nothing of it is written, and the error says which it was."""
    made, ended = await requests(provider, timedelta(), media)
    assert made == 0
    assert isinstance(ended, TooLate)


@pytest.mark.parametrize("provider", SENDING)
async def test_a_call_is_made_up_to_its_expiry(provider: str) -> None:
    """To the microsecond."""
    made, ended = await requests(provider, timedelta(microseconds=1))
    assert made == 1
    assert not isinstance(ended, TooLate)

"""Replies at clients' topics: tried until they pass, and given up before they can break the bus for others."""

import asyncio

import pytest

from relay.bus.confirmations import Forget, Settled
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.payloads import Publication
from relay.bus.replies import Replies
from tests.contract.bus.conftest import announcement

REPLY = Publication("reply/web", b"{}")


class Outlet:
    """Publishes as it is told to."""

    def __init__(self, *fates: Exception | None) -> None:
        self._fates = list(fates)
        self.most_at_once = 0
        self._now = 0

    async def publish(self, _what: Publication) -> None:
        """Meet the next fate."""
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        if (fate := self._fates.pop(0)) is not None:
            raise fate

    def send(self, what: Publication, settled: Settled) -> Forget:
        """The same, without waiting."""
        sending = asyncio.ensure_future(self.publish(what))
        sending.add_done_callback(lambda done: settled(done.exception()))  # type: ignore[arg-type] # what it raises
        return lambda: None


def replies_of(outlet: Outlet) -> Replies:
    """What is published through it."""
    return Replies(outlet.publish, outlet.send)


@pytest.mark.parametrize("fate", [None, PublishRefused(0x87), PublishRefused(0x95)])
async def test_a_reply_that_has_come_to_an_end_is_not_owed(fate: Exception | None) -> None:
    """It passed, or the broker has refused it."""
    replies = replies_of(Outlet(fate))
    await replies.publish(announcement(), REPLY)
    assert not replies.owed(announcement().id)


async def test_a_reply_is_owed_while_it_is_only_the_connection_that_fails() -> None:
    """It was never on the way: it cannot be what broke the connection."""
    replies = replies_of(Outlet(*[BusLost("gone")] * 5, None))
    for _ in range(5):
        with pytest.raises(BusLost):
            await replies.publish(announcement(), REPLY)
        assert replies.owed(announcement().id)
    await replies.publish(announcement(), REPLY)
    assert not replies.owed(announcement().id)


async def test_a_reply_at_which_two_connections_broke_is_given_up() -> None:
    """The third would break as well."""
    replies = replies_of(Outlet(*[BusLost("gone", on_the_way=True)] * 2))
    with pytest.raises(BusLost):
        await replies.publish(announcement(), REPLY)
    await replies.publish(announcement(), REPLY)
    assert not replies.owed(announcement().id)


async def test_replies_under_suspicion_go_one_at_a_time() -> None:
    """A connection that breaks again says which of them it was."""
    outlet = Outlet(*[BusLost("gone", on_the_way=True)] * 3, None, None, None)
    replies = replies_of(outlet)
    all_of_them = [announcement(number) for number in range(3)]
    await asyncio.gather(*(replies.publish(each, REPLY) for each in all_of_them), return_exceptions=True)
    assert outlet.most_at_once == 3
    outlet.most_at_once = 0
    await asyncio.gather(*(replies.publish(each, REPLY) for each in all_of_them))
    assert outlet.most_at_once == 1

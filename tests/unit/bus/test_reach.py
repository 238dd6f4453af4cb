"""A broker is reached at whichever of its addresses answers."""

import asyncio
import socket

import pytest

from relay.bus.config import Broker
from relay.bus.reach import reach
from tests.brokers import free_port


async def test_a_name_with_more_than_one_address_is_reached_at_the_one_that_answers() -> None:
    """`localhost` often means ::1 first, where nobody listens."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for host in ("localhost", "127.0.0.1"):
            with await reach(Broker(host, port, tls=False)) as connection:
                assert connection.getpeername() == ("127.0.0.1", port)


async def test_a_broker_that_is_not_there_is_told_in_the_systems_words() -> None:
    """Without its address, which asyncio puts among them."""
    with pytest.raises(ConnectionRefusedError) as refused:
        await reach(Broker("localhost", free_port(), tls=False))
    assert refused.value.strerror == "Connection refused"


async def test_a_name_that_nobody_has_is_told_apart() -> None:
    """By its own error."""
    with pytest.raises(socket.gaierror):
        await reach(Broker("nobody.invalid", 1883, tls=False))

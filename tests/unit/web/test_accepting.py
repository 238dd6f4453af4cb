"""Connections are taken off the backlog: none is lost as the taking ends, none is taken for which there is no room."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from relay.web.accepting import Accepting

PATIENCE = 20.0


@dataclass
class Door:
    """An address, and who has come in.

    Attributes:
        port: where it is.
        room: how many may come in.
        came: their protocols.
    """

    port: int
    accepting: Accepting
    came: list["Guest"] = field(default_factory=list)
    room: int = 1000

    async def until(self, count: int) -> None:
        """Wait until so many have come in."""
        async with asyncio.timeout(PATIENCE):
            while len(self.came) < count:  # noqa: ASYNC110 - turns of the loop are what is waited for
                await asyncio.sleep(0)


class Guest(asyncio.Protocol):
    """Says hello."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is here."""
        self._door.came.append(self)
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    """One that has not been opened yet."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=200)
    made: list[Door] = []
    accepting = Accepting(listening, lambda: Guest(made[0]), lambda coming: len(made[0].came) + coming < made[0].room)
    made.append(Door(listening.getsockname()[1], accepting))
    try:
        yield made[0]
    finally:
        listening.close()


@contextmanager
def callers(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many who have connected, as far as they know."""
    with ExitStack() as stack:
        made = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
        for one in made:
            one.settimeout(PATIENCE)
        yield made


async def test_who_waited_in_the_backlog_is_taken() -> None:
    """They called before anybody accepted; more of them than are taken at a time."""
    async with door() as made:
        with callers(made.port, 60) as waiting:
            made.accepting.start()
            await made.until(60)
            assert {await asyncio.to_thread(one.recv, 10) for one in waiting} == {b"hello"}
        await made.accepting.stop()


async def test_whoever_is_accepted_as_it_ends_is_not_dropped() -> None:
    """Each has a protocol, however soon after its connection the end comes; the others stay in the backlog."""
    for turns in range(6):
        async with door() as made:
            listening = made.accepting._listening
            with listening.dup() as kept, callers(made.port, 40) as waiting:
                made.accepting.start()
                for _ in range(turns):
                    await asyncio.sleep(0)
                await made.accepting.stop()
                taken = len(made.came)
                kept.setblocking(True)  # noqa: FBT003 - the standard library's word
                kept.settimeout(PATIENCE)
                for _ in range(40 - taken):
                    connection, _ = await asyncio.to_thread(kept.accept)
                    connection.sendall(b"later")
                    connection.close()
                said = [await asyncio.to_thread(one.recv, 10) for one in waiting]
                assert said == [b"hello"] * taken + [b"later"] * (40 - taken)


async def test_who_has_no_room_waits_until_there_is() -> None:
    """Nobody is cut for the next, and nobody is refused."""
    async with door() as made:
        made.room = 5
        with callers(made.port, 9) as waiting:
            made.accepting.start()
            await made.until(5)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(made.came) == 5
            made.room = 1000
            assert {await asyncio.to_thread(one.recv, 10) for one in waiting} == {b"hello"}
        await made.accepting.stop()


async def test_a_machine_without_descriptors_is_waited_for() -> None:
    """It is said once; callers are taken as soon as there are some again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with door() as made:
        with callers(made.port, 3) as waiting, capture_logs() as logged:
            lowest = os.dup(waiting[0].fileno())
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
            try:
                made.accepting.start()
                async with asyncio.timeout(PATIENCE):
                    while not logged:  # noqa: ASYNC110 - the log rings no bell
                        await asyncio.sleep(0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert {await asyncio.to_thread(one.recv, 10) for one in waiting} == {b"hello"}
        await made.accepting.stop()
    assert [(line["event"], line["error"]) for line in logged] == [("listener.exhausted", "EMFILE")]

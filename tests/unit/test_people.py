"""People are forgotten: what a node has still to fold into the journal is not overlooked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.domain.addresses import outbound
from relay.journal import Spool
from relay.mediastore import MediaStore
from relay.people import People
from relay.stages.folder import Folder
from relay.stages.receiver import Receiver
from tests.unit.journal.spooling import MUCH, hook
from tests.unit.stages.house import ALICE, BOB, OFFICE, House, until_rest

TEXT_OF_BOB = json.dumps({"id": 1, "messageType": "MO", "finalSource": "2065550002", "body": "Hello"}).encode()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    with capture_logs():
        async with AsyncExitStack() as stack:
            yield await House.built(tmp_path, stack)


async def test_what_waits_in_the_spool_is_left_until_it_is_read(house: House, tmp_path: Path) -> None:
    """It is said, so that the operator asks again; then nothing is left, in the spool's file either."""
    store = MediaStore(
        tmp_path / "media", house.journal, house.clock, inline_max=1, max_part=1, lifetime=1, address="http://h"
    )
    async with await Spool.open(tmp_path / "spool.db", MUCH) as spool:
        people = People(house.journal, store, set(), spool)
        await spool.keep(hook(TEXT_OF_BOB))
        first = await people.forget([outbound(BOB)])
        assert (first.left, first.is_clean) == ({"unread": 1}, False)
        other = await people.forget([outbound(ALICE)])
        assert (other.left, other.is_clean) == ({}, True)
        receiver = Receiver({OFFICE: house.landline()}, house.ground, spool)
        await until_rest(Folder(spool, house.ground, receiver.look_again))
        await until_rest(receiver)
        again = await people.forget([outbound(BOB)])
        assert (again.left, again.done["raw"], again.done["messages"]) == ({}, 1, 1)
        files = await asyncio.to_thread(lambda: [file.read_bytes() for file in tmp_path.glob("spool.db*")])
    assert len(files) >= 2
    assert not any(b"2065550002" in content for content in files)

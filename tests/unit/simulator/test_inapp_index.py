"""The message index of simulated In-App Messaging: without it there is neither list nor delta."""

from typing import Any

import pytest

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import InAppUser, said, texted, wrongs

DAY = 86_400


@pytest.fixture
async def newcomer(inapp: InAppUser, simulator: Simulator) -> InAppUser:
    """Somebody whose index is gone, with nothing said about it yet."""
    simulator.act("att-inapp", "expire-index")
    return inapp


@pytest.mark.parametrize(
    ("shape", "status", "while_building", "at_last"),
    [("documented", 200, "IN_PROGRESS", "COMPLETE"), ("served", 202, "INITIALIZING", "INITIALIZED")],
)
async def test_an_index_takes_its_time(  # noqa: PLR0917 - fixtures are arguments
    simulator: Simulator,
    newcomer: InAppUser,
    clock: ManualClock,
    shape: str,
    status: int,
    while_building: str,
    at_last: str,
) -> None:
    """From NOT_INITIALIZED, in the words of the document, or of the kits."""
    simulator.set_modes("att-inapp", {"shape": shape, "index_seconds": 30})
    assert (await newcomer.info())["status"] == "NOT_INITIALIZED"
    created = await newcomer.create_index()
    assert created.status == status
    assert created.text == "" if shape == "served" else created.json["messageIndexInfo"] == {"status": while_building}
    await clock.advance(29)
    building = await newcomer.info()
    assert (building["status"], "state" in building) == (while_building, False)
    await clock.advance(1)
    ready = await newcomer.info()
    assert (ready["status"], "state" in ready) == (at_last, True)
    assert (await newcomer.page()).status == 200
    assert simulator.world.violations.lines() == []
    standings = [line["status"] for line in said(simulator, "index")][-3:]
    assert standings == ["NOT_INITIALIZED", "INITIALIZING", "INITIALIZED"]


async def test_an_index_may_be_there_at_once(simulator: Simulator, newcomer: InAppUser) -> None:
    """Then its creation says INITIALIZED and its state, as in the document's example."""
    simulator.set_modes("att-inapp", {"index_seconds": 0})
    info = (await newcomer.create_index()).json["messageIndexInfo"]
    assert info == {"status": "INITIALIZED", "state": await newcomer.state()}


@pytest.mark.parametrize(
    ("modes", "status"),
    [
        ({"index_answer": "empty"}, 202),
        ({"index_answer": "body", "shape": "served"}, 200),
    ],
)
async def test_creation_is_answered_with_or_without_a_body(
    simulator: Simulator, newcomer: InAppUser, modes: dict[str, Any], status: int
) -> None:
    """Whatever the shape of the rest."""
    simulator.set_modes("att-inapp", modes)
    answer = await newcomer.create_index()
    assert (answer.status, bool(answer.text)) == (status, status == 200)


async def test_an_index_may_fail_and_be_created_again(
    simulator: Simulator, newcomer: InAppUser, clock: ManualClock
) -> None:
    """ERROR is no reason to wait."""
    simulator.set_modes("att-inapp", {"index_ends": "error"})
    await newcomer.create_index()
    await clock.advance(5)
    assert (await newcomer.info())["status"] == "ERROR"
    assert (await newcomer.page()).status == 400
    simulator.set_modes("att-inapp", {"index_ends": "ready"})
    await newcomer.create_index()
    await clock.advance(5)
    assert (await newcomer.info())["status"] == "COMPLETE"
    assert simulator.world.violations.lines() == []


@pytest.mark.parametrize(("not_ready", "status"), [("SVC0001", 400), ("409", 409)])
@pytest.mark.parametrize("path", ["/messages?limit=1&offset=0", "/delta?state=x"])
async def test_without_an_index_there_is_neither_list_nor_delta(
    simulator: Simulator, newcomer: InAppUser, not_ready: str, status: int, path: str
) -> None:
    """Whatever the state; but a message can still be fetched."""
    simulator.set_modes("att-inapp", {"not_ready": not_ready})
    answer = await newcomer.call("GET", path)
    assert answer.status == status
    assert answer.json["RequestError"]["ServiceException"]["MessageId"] == "SVC0001"
    (mail_id,) = texted(simulator, "hello")
    assert (await newcomer.message(mail_id))["text"] == "hello"


async def test_asking_again_instead_of_creating_it_is_a_violation(
    simulator: Simulator, newcomer: InAppUser, clock: ManualClock
) -> None:
    """Once is how one learns of it, and others may be under way."""
    await newcomer.page()
    await clock.advance(60)
    await newcomer.page()
    assert simulator.world.violations.lines() == []
    await clock.advance(1)
    await newcomer.page()
    assert wrongs(simulator) == ["list"]


@pytest.mark.parametrize("seconds", [0, 5])
async def test_an_index_is_not_to_be_created_twice(
    simulator: Simulator, newcomer: InAppUser, clock: ManualClock, seconds: float
) -> None:
    """Neither while it is built nor when it is ready; it is built anew then, and its states stay good."""
    await newcomer.create_index()
    await clock.advance(seconds)
    state = await newcomer.state() if seconds else ""
    assert (await newcomer.create_index()).status == 200
    assert wrongs(simulator) == ["index"]
    await clock.advance(5)
    assert (await newcomer.info())["status"] == "COMPLETE"
    if state:
        assert (await newcomer.delta(state)).status == 200


async def test_an_index_is_gone_after_thirty_days_without_use(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock
) -> None:
    """With all its states; a list or a delta is use."""
    simulator.set_modes("att-inapp", {"expires_in": 0})
    await inapp.consent()
    state = await inapp.state()
    await clock.advance(30 * DAY - 10)
    assert (await inapp.delta(state)).status == 200
    await clock.advance(30 * DAY - 1)
    assert (await inapp.info())["status"] == "COMPLETE"
    await clock.advance(1)
    assert (await inapp.info())["status"] == "NOT_INITIALIZED"
    await inapp.create_index()
    await clock.advance(5)
    assert (await inapp.delta(state)).status == 400
    assert simulator.world.violations.lines() == []


async def test_served_the_index_counts_the_messages(simulator: Simulator, inapp: InAppUser) -> None:
    """The kits' messageCount."""
    simulator.set_modes("att-inapp", {"shape": "served"})
    texted(simulator, "one", "two")
    assert (await inapp.info())["messageCount"] == 2

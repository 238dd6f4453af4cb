"""A Landline line against the simulator: what it sends, hears back and installs, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from relay.domain.errors import (
    ErrorCode,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RefusedForNow,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import DeliveryReport
from relay.domain.states import Fact, State, advance
from relay.providerkit.hooks import Install, Remove, Update
from tests.contract.provider.landline import FRIEND, NUMBER, OTHER, World, call_to, landline_world

IMPOSSIBLE, INVALID, REFUSED_ONCE, MUMBLED, NO_CARRIER = (f"+142577712{fate}" for fate in (13, 15, 20, 21, 23))


def ends(reports: Sequence[DeliveryReport], ref: str | None) -> State:
    """The state of a copy after its reports, told in any order."""
    state = State.SUBMITTED
    for report in reports:
        state = advance(state, report.fact) if report.ref == ref else state
    return state


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Everything, started."""
    async with landline_world() as world:
        yield world


async def test_texts_go_out_and_their_fates_come_back(world: World) -> None:
    """Each report names the copy's own id and its own recipient."""
    await world.install()
    numbers = (FRIEND, IMPOSSIBLE, OTHER)
    answer = await world.line.send(call_to(*numbers))
    await world.pass_time()
    accepted = world.ledger("accepted")
    assert [entry["to"] for entry in accepted] == list(numbers)
    assert {entry["text"] for entry in accepted} == {"Hello + ☎"}
    assert [entry["ref"] for entry in accepted] == [handover.ref for handover in answer.handovers]
    whose = {entry["ref"]: entry["to"] for entry in accepted}
    assert {(report.ref, report.address.value) for report in world.reports if report.address} == set(whose.items())
    states = [ends(world.reports, handover.ref) for handover in answer.handovers]
    assert all(state.final for state in states)
    assert [state is State.UNDELIVERED for state in states] == [False, True, False]


@pytest.mark.parametrize("ids", ["string", "int"])
async def test_reports_may_come_before_the_answer(world: World, ids: str) -> None:
    """They are known by the same id all the same, however it is written."""
    world.simulator.set_modes("att-landline", {"early_progress": True, "send_ids": ids})
    await world.install()
    answer = await world.line.send(call_to(FRIEND))
    assert {report.ref for report in world.reports} == {answer.handovers[0].ref}


async def test_a_text_from_a_handset_comes_in(world: World) -> None:
    """Through a real web hook, with the id that AT&T gave it."""
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "Hi ☎")
    await world.pass_time()
    (message,) = world.messages
    (received,) = world.ledger("received")
    assert (message.sender.value, message.recipient, message.text) == (FRIEND, NUMBER, "Hi ☎")
    assert message.dedupe_key == f"receive:{received['id']}"
    assert int(received["id"]) > 2**53


async def test_what_a_person_does_in_the_web_app_is_seen(world: World) -> None:
    """Reading, deleting, and a text that is not ours: its id is not ours."""
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "Hi")
    ref = world.ledger("received")[0]["id"]
    world.simulator.act("att-landline", "read", {"id": ref})
    world.simulator.act("att-landline", "delete", {"id": ref})
    world.simulator.act("att-landline", "text-from-app", {"line": NUMBER, "to": OTHER, "text": "by hand"})
    await world.pass_time()
    assert {report.address.value for report in world.reports if report.address} == {OTHER}
    assert len(world.messages) == 1
    assert {(change.name, change.ref) for change in world.changes} == {("read", ref), ("deleted", ref)}
    seen = {(sighting.ref, sighting.to[0].value, sighting.text) for sighting in world.sightings}
    assert seen == {(world.ledger("sent-elsewhere")[0]["message_id"], OTHER, "by hand")}


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (INVALID, Refused, ErrorCode.INVALID_REQUEST),
        (NO_CARRIER, Refused, ErrorCode.CARRIER_UNKNOWN),
        (REFUSED_ONCE, TryLater, ErrorCode.PROVIDER_ERROR),
        (MUMBLED, OutcomeUnknown, ErrorCode.UNCERTAIN),
    ],
)
@pytest.mark.parametrize("http", ["200", "400"])
async def test_a_failure_is_what_its_code_says(
    world: World, number: str, error: type[RelayError], code: ErrorCode, http: str
) -> None:
    """Under either HTTP status; and only "unknown" leaves a text that went out."""
    world.simulator.set_modes("att-landline", {"failure_http": http})
    with pytest.raises(RelayError) as caught:
        await world.line.send(call_to(number))
    assert (type(caught.value), caught.value.problem.code) == (error, code)
    assert bool(world.ledger("accepted")) == (error is OutcomeUnknown)


@pytest.mark.parametrize("bad", [INVALID, NO_CARRIER])
async def test_a_call_with_one_bad_recipient_is_to_be_divided(world: World, bad: str) -> None:
    """Nobody got anything; half of it passes."""
    with pytest.raises(RefusedAsGroup):
        await world.line.send(call_to(FRIEND, bad))
    assert world.ledger("accepted") == []
    await world.line.send(call_to(FRIEND))
    assert len(world.ledger("accepted")) == 1


async def test_whoever_sent_stop_is_refused(world: World) -> None:
    """Alone as opted out, among others as a call to be divided."""
    world.simulator.world.handset.text(FRIEND, NUMBER, "STOP")
    with pytest.raises(Refused) as alone:
        await world.line.send(call_to(FRIEND))
    assert alone.value.problem.code is ErrorCode.OPTED_OUT
    with pytest.raises(RefusedAsGroup):
        await world.line.send(call_to(FRIEND, OTHER))


async def test_a_stop_may_be_told_later(world: World) -> None:
    """Then the copy fails after it was taken."""
    world.simulator.set_modes("att-landline", {"stop": "async"})
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "STOP")
    answer = await world.line.send(call_to(FRIEND))
    await world.pass_time()
    assert ends(world.reports, answer.handovers[0].ref) is State.FAILED
    problems = [report.problem for report in world.reports if report.fact is Fact.REFUSED]
    assert [problem.code for problem in problems if problem] == [ErrorCode.OPTED_OUT]


async def test_a_flagged_line_is_not_divided(world: World) -> None:
    """Fifteen refusals would only deepen the suspicion."""
    world.simulator.set_modes("att-landline", {"spam": True})
    with pytest.raises(RefusedForNow) as caught:
        await world.line.send(call_to(FRIEND, OTHER))
    assert (caught.value.after, caught.value.problem.code) == (3600, ErrorCode.SPAM_BLOCKED)


async def test_a_revoked_session_is_told_from_everything_else(world: World) -> None:
    """By the send and by the check alike."""
    assert "0 web hooks" in await world.line.verify()
    world.simulator.act("att-landline", "revoke-sessions", {"line": NUMBER})
    with pytest.raises(NotAuthorized):
        await world.line.send(call_to(FRIEND))
    with pytest.raises(NotAuthorized):
        await world.line.verify()


@pytest.mark.parametrize(
    ("fault", "error", "sent"),
    [
        ({"do": "cut-before"}, OutcomeUnknown, 0),
        ({"do": "cut-after"}, OutcomeUnknown, 1),
        ({"do": "truncate"}, OutcomeUnknown, 1),
        ({"do": "garbage", "processed": True}, OutcomeUnknown, 1),
        ({"do": "html", "status": 502, "processed": True}, OutcomeUnknown, 1),
        ({"do": "html", "status": 413}, Refused, 0),
        ({"do": "html", "status": 503}, TryLater, 0),
        ({"do": "retry-after", "status": 429, "after": 30}, Throttled, 0),
    ],
    ids=lambda value: value["do"] if isinstance(value, dict) else None,
)
async def test_a_fault_is_never_taken_for_less_than_it_may_be(
    world: World, fault: dict[str, Any], error: type[RelayError], sent: int
) -> None:
    """What may have gone out is unknown, and one call makes one request."""
    world.simulator.world.faults.add({"match": {"service": "att-landline", "operation": "send"}, "times": 1, **fault})
    async with asyncio.timeout(20):
        with pytest.raises(RelayError) as caught:
            await world.line.send(call_to(FRIEND))
    assert type(caught.value) is error
    assert len(world.ledger("accepted")) == sent
    assert len(world.ledger("fault")) == 1


async def test_web_hooks_are_made_right_once_and_then_left_alone(world: World) -> None:
    """Installed at first; after a new secret pointed elsewhere; nothing when all is well."""
    assert {type(change) for change in await world.install()} == {Install}
    assert await world.install() == []
    changes = await world.install("second")
    assert [type(change) for change in changes] == [Update] * 5
    assert {hook.url for hook in await world.line.list_hooks()} == set(world.wanted("second").values())


async def test_doubles_go_and_others_stay(world: World) -> None:
    """Each text would come twice; the CRM's own hook is none of our business."""
    foreign = "https://crm.example/hooks/in"
    await world.install()
    await world.line.install_hook("receive", world.wanted()["receive"])
    await world.line.install_hook("receive", foreign)
    assert [type(change) for change in await world.install()] == [Remove]
    urls = sorted(hook.url for hook in await world.line.list_hooks())
    assert urls == sorted([foreign, *world.wanted().values()])


async def test_a_web_hook_that_somebody_removed_meanwhile_is_removed(world: World) -> None:
    """AT&T refuses to remove it again."""
    await world.install()
    hook = (await world.line.list_hooks())[0]
    await world.line.remove_hook(hook.provider_id)
    await world.line.remove_hook(hook.provider_id)
    assert len(await world.line.list_hooks()) == 4

"""What AT&T refuses over real sockets, in every dialect and every envelope."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.domain.errors import ErrorCode, Gone, NotAuthorized, Refused, RefusedAsGroup, Throttled

DELIVERED, INVALID = "+12065550001", "+12065550115"
DIALECTS: list[dict[str, Any]] = [
    {},
    {"dialect": "rest2"},
    {"dialect": "oneapi"},
    {"dialect": "oneapi", "oneapi_version": 3, "oneapi_body": "att", "oneapi_status_path": "example"},
]
ENVELOPES = ["upper", "lower", "xml"]


@pytest.fixture(params=ENVELOPES)
def fail(request: pytest.FixtureRequest, simulator: Any) -> Callable[..., None]:
    """Have the next request of a kind answered with a complaint, in this envelope."""
    envelope: str = request.param

    def script(operation: str, status: int, code: str, variables: str) -> None:
        kind = "policyException" if code.startswith("POL") else "serviceException"
        fields = {"messageId": code, "text": "An error occurred: %1", "variables": variables}
        rule: dict[str, Any] = {"match": {"operation": operation}, "do": "status", "status": status}
        if envelope == "xml":
            inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
            rule |= {"body": f"<requestError><{kind}>{inner}</{kind}></requestError>", "content_type": "text/xml"}
        elif envelope == "lower":
            rule["json"] = {"requestError": {kind: fields}}
        else:
            upper = {name[0].upper() + name[1:]: value for name, value in fields.items()}
            rule["body"] = json.dumps({"RequestError": {kind[0].upper() + kind[1:]: upper}})
        simulator.world.faults.add(rule)

    return script


@pytest.mark.parametrize("settings", DIALECTS)
async def test_a_complaint_means_the_same_in_every_dialect_and_envelope(
    connect: Any, call: Any, fail: Callable[..., None], settings: dict[str, Any]
) -> None:
    """A recipient, a rate, the credentials, an id that is gone."""
    line = await connect(**settings)
    fail("send", 400, "SVC0004", "Address")
    with pytest.raises(RefusedAsGroup):
        await line.send(call(DELIVERED, "+12065550002"))
    fail("send", 403, "POL0001", "The rate of requests exceeds the quota")
    with pytest.raises(Throttled):
        await line.send(call(DELIVERED))
    fail("send", 400, "POL0001", "Invalid Request")
    with pytest.raises(NotAuthorized):
        await line.send(call(DELIVERED))
    ref = (await line.send(call(DELIVERED))).ref
    fail("status", 400, "SVC0002", "RequestIdentifier")
    with pytest.raises(Gone):
        await line.fetch_status(ref)
    fail("inbox", 400, "SVC0002", "RegistrationID")
    with pytest.raises(NotAuthorized):
        await line.fetch_inbox()


@pytest.mark.parametrize("settings", DIALECTS)
async def test_a_recipient_at_fault_is_found_in_every_dialect(
    simulator: Any, connect: Any, call: Any, settings: dict[str, Any]
) -> None:
    """By dividing; AT&T took nothing meanwhile."""
    line = await connect(**settings)
    with pytest.raises(RefusedAsGroup):
        await line.send(call(DELIVERED, INVALID))
    with pytest.raises(Refused) as caught:
        await line.send(call(INVALID))
    assert caught.value.problem.code is ErrorCode.INVALID_RECIPIENT
    assert [one for one in simulator.world.ledger.lines() if one["what"] == "accepted"] == []


@pytest.mark.parametrize("throttle_as", ["403", "429"])
@pytest.mark.parametrize(("mode", "code"), [("per_minute", ErrorCode.THROTTLED), ("quota", ErrorCode.QUOTA_EXCEEDED)])
async def test_every_request_may_be_one_too_many(
    simulator: Any, connect: Any, call: Any, mode: str, code: ErrorCode, throttle_as: str
) -> None:
    """Reads too; nothing is lost, and the line waits."""
    line = await connect()
    ref = (await line.send(call(DELIVERED))).ref
    simulator.set_modes("att-sms", {mode: 1, "throttle_as": throttle_as})
    makes: list[Callable[[], Awaitable[Any]]] = [
        lambda: line.send(call(DELIVERED)),
        lambda: line.fetch_status(ref),
        line.fetch_inbox,
    ]
    for make in makes:
        with pytest.raises(Throttled) as caught:
            await make()
        # A bare 429 says no more than that there were too many.
        assert caught.value.problem.code is (ErrorCode.THROTTLED if throttle_as == "429" else code)


async def test_a_short_code_that_is_called_back_cannot_be_polled(simulator: Any, connect: Any) -> None:
    """AT&T supports only one way; a person has to put the settings right, and nothing was deleted."""
    simulator.act("att-sms", "register", {"short_code": "12345", "message_url": "https://relay.example/hooks"})
    with pytest.raises(NotAuthorized):
        await (await connect()).fetch_inbox()


async def test_a_sender_that_is_not_the_app_s_parks_the_line(connect: Any, call: Any) -> None:
    """It is in every request of OneAPI: no text of this line can go out."""
    line = await connect(dialect="oneapi", short_code="54321")
    with pytest.raises(NotAuthorized) as caught:
        await line.send(call(DELIVERED))
    assert "short code" in caught.value.problem.detail

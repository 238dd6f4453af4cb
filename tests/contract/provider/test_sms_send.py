"""A short code that sends: what AT&T's answers become."""

import asyncio
from typing import Any

import pytest

from relay.domain.errors import (
    ErrorCode,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import Content, Media
from relay.domain.states import Fact

DELIVERED = "+12065550001"
INVALID = "+12065550115"


def accepted(simulator: Any) -> list[dict[str, Any]]:
    """What AT&T took, a line for each recipient."""
    return [line for line in simulator.world.ledger.lines() if line["what"] == "accepted"]


def tokens(simulator: Any) -> int:
    """How many tokens AT&T has issued."""
    return sum(line["what"] == "token" for line in simulator.world.ledger.lines())


async def test_a_send_reaches_every_recipient_once(simulator: Any, line: Any, call: Any) -> None:
    """One call, one message id, a handover for each copy, and nothing that AT&T objects to."""
    answer = await line.send(call(DELIVERED, "+12065550002", text="Grüße — 👋"))
    assert [handover.fact for handover in answer.handovers] == [Fact.SUBMITTED, Fact.SUBMITTED]
    taken = accepted(simulator)
    assert [(one["to"], one["text"]) for one in taken] == [(DELIVERED, "Grüße — 👋"), ("+12065550002", "Grüße — 👋")]
    assert {one["message_id"] for one in taken} == {answer.ref}
    assert simulator.world.violations.lines() == []


@pytest.mark.parametrize("off", ["call", "settings"])
async def test_without_receipts_nothing_is_followed(connect: Any, call: Any, off: str) -> None:
    """The copies are final as they are, and there is no id to ask for."""
    line = await connect(receipts="off" if off == "settings" else "poll")
    answer = await line.send(call(DELIVERED, receipts=off != "call"))
    assert (answer.ref, [handover.fact for handover in answer.handovers]) == (None, [Fact.SUBMITTED_UNTRACKED])


async def test_an_answer_without_an_id_is_taken_and_untracked(simulator: Any, line: Any, call: Any) -> None:
    """The documentation has such answers."""
    body = {"outboundSMSResponse": {"resourceReference": {"resourceURL": "http://other.example/outbox/SMS1"}}}
    simulator.world.faults.add({"match": {"operation": "send"}, "do": "status", "status": 201, "json": body})
    answer = await line.send(call(DELIVERED))
    assert (answer.ref, answer.handovers[0].fact) == (None, Fact.SUBMITTED_UNTRACKED)


async def test_a_recipient_at_fault_divides_several_and_refuses_one(simulator: Any, line: Any, call: Any) -> None:
    """AT&T refuses the whole call and names nobody."""
    with pytest.raises(RefusedAsGroup):
        await line.send(call(DELIVERED, INVALID))
    with pytest.raises(Refused) as caught:
        await line.send(call(INVALID))
    assert type(caught.value) is Refused
    assert caught.value.problem.code is ErrorCode.INVALID_RECIPIENT
    assert accepted(simulator) == []


async def test_a_recipient_twice_in_a_call_is_refused_as_a_group(line: Any, call: Any) -> None:
    """POL0013; relay removes duplicates before, and should one slip through, dividing ends it."""
    with pytest.raises(RefusedAsGroup):
        await line.send(call(DELIVERED, DELIVERED))


SEND = {"operation": "send"}
FAILURES = [
    ({"do": "html", "status": 503}, TryLater, 0),
    ({"do": "html", "status": 502}, OutcomeUnknown, 0),
    ({"do": "html", "status": 502, "processed": True}, OutcomeUnknown, 1),
    ({"do": "html", "status": 504, "processed": True}, OutcomeUnknown, 1),
    ({"do": "html", "status": 500, "processed": True}, OutcomeUnknown, 1),
    ({"do": "garbage", "status": 200, "processed": True}, OutcomeUnknown, 1),
    ({"do": "garbage", "status": 201}, OutcomeUnknown, 0),
    ({"do": "status", "status": 201, "body": "", "processed": True}, OutcomeUnknown, 1),
    ({"do": "truncate"}, OutcomeUnknown, 1),
    ({"do": "cut-before"}, OutcomeUnknown, 0),
    ({"do": "cut-after"}, OutcomeUnknown, 1),
    ({"do": "redirect"}, TryLater, 0),
]


@pytest.mark.parametrize(("fault", "expected", "taken"), FAILURES)
async def test_a_failure_is_unknown_wherever_the_text_may_be_out(
    simulator: Any, line: Any, call: Any, fault: dict[str, Any], expected: type[RelayError], taken: int
) -> None:
    """And never is a send made twice."""
    simulator.world.faults.add({"match": SEND, "times": 0, **fault})
    with pytest.raises(expected) as caught:
        await line.send(call(DELIVERED))
    assert type(caught.value) is expected
    assert len(accepted(simulator)) == taken
    faults = [one for one in simulator.world.ledger.lines() if one["what"] == "fault"]
    assert len(faults) == 1


async def test_an_answer_that_is_too_late_is_unknown(simulator: Any, connect: Any, call: Any) -> None:
    """AT&T took it, and relay had stopped waiting."""
    line = await connect(timeout=1.0)
    simulator.world.faults.add({"match": SEND, "do": "delay", "seconds": 30, "real": True, "processed": True})
    with pytest.raises(OutcomeUnknown):
        await line.send(call(DELIVERED))


async def test_nobody_there_is_try_later(simulator: Any, connect: Any, call: Any) -> None:
    """Nothing was written, with a token at hand or without."""
    line = await connect()
    await line.send(call(DELIVERED))
    await simulator.stop()
    with pytest.raises(TryLater) as caught:
        await line.send(call(DELIVERED))
    assert caught.value.problem.code is ErrorCode.UNREACHABLE
    with pytest.raises(TryLater):
        await (await connect()).send(call(DELIVERED))


@pytest.mark.parametrize("throttle_as", ["403", "429"])
async def test_too_many_calls_throttle_the_line(simulator: Any, line: Any, call: Any, throttle_as: str) -> None:
    """In both of AT&T's ways to say so."""
    await line.send(call(DELIVERED))
    simulator.set_modes("att-sms", {"rate_limit": 1, "throttle_as": throttle_as, "retry_after": 7})
    results = await asyncio.gather(*(line.send(call(DELIVERED)) for _ in range(5)), return_exceptions=True)
    throttled = [result for result in results if isinstance(result, RelayError)]
    assert throttled
    assert {type(result) for result in throttled} == {Throttled}
    assert {error.problem.code for error in throttled} == {ErrorCode.THROTTLED}
    if throttle_as == "429":
        assert {error.after for error in throttled if isinstance(error, Throttled)} == {7}


@pytest.mark.parametrize("errors", ["upper", "lower"])
async def test_an_expired_token_is_replaced_once_for_all_calls_and_nobody_notices(
    simulator: Any, line: Any, call: Any, errors: str
) -> None:
    """Fifty sends side by side get a 401 each, and one new token; each text goes out once."""
    simulator.set_modes("att-sms", {"errors": errors})
    await line.send(call(DELIVERED))
    simulator.act("att-sms", "expire-tokens", {})
    answers = await asyncio.gather(*(line.send(call(f"+1206555{place:04}")) for place in range(1, 13)))
    assert all(answer.ref for answer in answers)
    assert tokens(simulator) == 2
    assert len(accepted(simulator)) == 13


async def test_a_token_that_never_works_parks_the_line(simulator: Any, line: Any, call: Any) -> None:
    """One repeat, and no more."""
    simulator.world.faults.add({"match": SEND, "times": 0, "do": "status", "status": 401, "json": {}})
    with pytest.raises(NotAuthorized):
        await line.send(call(DELIVERED))
    assert sum(one["what"] == "fault" for one in simulator.world.ledger.lines()) == 2


@pytest.mark.parametrize(("key", "value"), [("app_key", "wrong"), ("app_secret", "wrong")])
async def test_wrong_credentials_park_the_line(connect: Any, call: Any, key: str, value: str) -> None:
    """Nothing was sent."""
    line = await connect(**{key: value})
    with pytest.raises(NotAuthorized) as caught:
        await line.send(call(DELIVERED))
    assert caught.value.problem.code is ErrorCode.UNAUTHORIZED
    with pytest.raises(NotAuthorized):
        await line.verify()


async def test_a_scope_that_is_not_enough_parks_the_line(connect: Any, call: Any) -> None:
    """The token is issued, and the API refuses it."""
    line = await connect(scope="MMS")
    with pytest.raises(NotAuthorized) as caught:
        await line.send(call(DELIVERED))
    assert caught.value.problem.provider is not None
    assert (caught.value.problem.provider.http, caught.value.problem.provider.code) == (403, "POL0001")


async def test_verify_says_how_long_the_token_is_good(simulator: Any, line: Any) -> None:
    """And has no effect but the token."""
    assert await line.verify() == "AT&T accepts the credentials for scope SMS; the token is good for 48.0 h"
    simulator.set_modes("att-sms", {"expires_in": 0})
    assert (await line.verify()).endswith("the token does not expire")
    assert accepted(simulator) == []


async def test_a_token_outlives_the_process(simulator: Any, connect: Any, memory: Any, call: Any) -> None:
    """It is kept in the line's memory."""
    await (await connect(memory)).send(call(DELIVERED))
    await (await connect(memory)).send(call(DELIVERED))
    assert tokens(simulator) == 1


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [("a" * 160, "gsm-7", 1), ("a" * 4096, "gsm-7", 27), ("ж" * 70, "ucs-2", 1), ("ж" * 2048, "ucs-2", 31)],
)
async def test_a_plan_says_how_a_text_is_cut(line: Any, text: str, encoding: str, segments: int) -> None:
    """Up to 4096 one-byte characters, and fifty recipients a call."""
    plan = line.plan(Content(text))
    assert (plan.encoding, plan.segments, plan.recipients_per_call, plan.sent_as) == (encoding, segments, 50, "sms")


@pytest.mark.parametrize(
    ("text", "media", "subject", "code", "said"),
    [
        ("a" * 4097, (), None, ErrorCode.TOO_LONG, "4097 one-byte characters long: AT&T takes at most 4096"),
        ("ж" * 2049, (), None, ErrorCode.TOO_LONG, "4098 one-byte characters long"),
        ("hi", (Media("image/png", None, b"x"),), None, ErrorCode.UNSUPPORTED_MEDIA, "media"),
        ("hi", (), "Hello", ErrorCode.UNSUPPORTED, "subject"),
        ("", (), None, ErrorCode.INVALID_REQUEST, "text"),
        (None, (), None, ErrorCode.INVALID_REQUEST, "text"),
    ],
)
async def test_what_a_short_code_cannot_send_is_refused_with_the_limit(
    line: Any, text: Any, media: Any, subject: Any, code: ErrorCode, said: str
) -> None:
    """Before anything is sent, and without altering the text."""
    with pytest.raises(Refused, match=said) as caught:
        line.plan(Content(text, media=media, subject=subject))
    assert caught.value.problem.code is code

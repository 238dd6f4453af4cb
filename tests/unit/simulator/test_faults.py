"""Scripted faults, as a client meets them over HTTP."""

import asyncio
from typing import Any

import aiohttp
import pytest

from relay.providerkit.simulated import Faults, Rule
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import LandlineUser, SmsUser


def test_the_first_rule_that_matches_acts() -> None:
    """Rules are used up in their order."""
    faults = Faults()
    faults.add({"do": "html", "match": {"operation": "send"}})
    faults.add({"do": "garbage"})
    first, second = faults.take("att-sms", "status", None), faults.take("att-sms", "send", None)
    assert [rule.do for rule in (first, second) if rule] == ["garbage", "html"]
    assert faults.take("att-sms", "send", None) is None


def test_a_rule_acts_as_often_as_it_says_after_what_it_skips() -> None:
    """Two let through, two spoiled, the rest left alone."""
    faults = Faults()
    faults.add({"do": "html", "skip": 2, "times": 2})
    acts = [faults.take("att-sms", "send", None) is not None for _ in range(6)]
    assert acts == [False, False, True, True, False, False]


def test_a_rule_for_ever_acts_until_it_is_cleared() -> None:
    """`times: 0` never ends."""
    faults = Faults()
    faults.add(Rule(do="html", times=0))
    assert all(faults.take("att-sms", "send", None) for _ in range(100))
    faults.clear()
    assert faults.take("att-sms", "send", None) is None


def test_a_rule_for_one_line_leaves_other_lines_alone() -> None:
    """And requests that name no line."""
    faults = Faults()
    faults.add({"do": "html", "match": {"service": "att-sms", "line": "12345"}})
    assert faults.take("att-sms", "send", "54321") is None
    assert faults.take("att-sms", "send", None) is None
    assert faults.take("att-landline", "send", "12345") is None
    assert faults.take("att-sms", "send", "12345") is not None


def test_adding_a_rule_does_not_use_up_the_caller_s() -> None:
    """A rule can be added twice."""
    faults, rule = Faults(), Rule(do="html", times=2)
    faults.add(rule)
    faults.take("att-sms", "send", None)
    assert rule.times == 2


@pytest.mark.parametrize("rule", [{}, {"do": "explode"}, {"do": "html", "time": 2}, {"do": "html", "times": -1}])
def test_what_is_no_rule_is_refused(rule: dict[str, Any]) -> None:
    """Also a misspelt field."""
    with pytest.raises(ValueError, match="validation error"):
        Faults().add(rule)


async def test_status_answers_with_what_the_rule_says(simulator: Simulator, sms: SmsUser) -> None:
    """JSON, headers and all, and the request has no effect."""
    rule = {"do": "status", "status": 503, "json": {"x": 1}, "headers": {"X-Y": "z"}, "match": {"operation": "send"}}
    simulator.world.faults.add(rule)
    answer = await sms.send("tel:+12065550101")
    assert (answer.status, answer.json, answer.headers["X-Y"]) == (503, {"x": 1}, "z")
    assert _accepted(simulator) == 0
    assert (await sms.send("tel:+12065550101")).status == 201


async def test_status_answers_with_text_where_there_is_no_json(simulator: Simulator, sms: SmsUser) -> None:
    """With the content type that the rule gives."""
    rule = {"do": "status", "status": 500, "body": "<x/>", "content_type": "application/xml"}
    simulator.world.faults.add(rule)
    answer = await sms.send("tel:+12065550101")
    assert (answer.status, answer.text, answer.headers["Content-Type"][:15]) == (500, "<x/>", "application/xml")


@pytest.mark.parametrize(("processed", "accepted"), [(False, 0), (True, 1)])
async def test_html_stands_in_for_the_answer(
    simulator: Simulator, sms: SmsUser, processed: bool, accepted: int
) -> None:
    """A proxy's page; the request takes effect only if the rule says so."""
    simulator.world.faults.add({"do": "html", "processed": processed, "match": {"operation": "send"}})
    answer = await sms.send("tel:+12065550101")
    assert (answer.status, answer.headers["Content-Type"][:9]) == (502, "text/html")
    assert _accepted(simulator) == accepted


async def test_garbage_claims_to_be_json_and_is_not(simulator: Simulator, sms: SmsUser) -> None:
    """With status 200."""
    simulator.world.faults.add({"do": "garbage", "match": {"operation": "send"}})
    async with sms.http.post("/sms/v3/messaging/outbox", headers=sms.headers) as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (200, "application/json")
    with pytest.raises(UnicodeDecodeError):
        body.decode()


async def test_a_truncated_answer_breaks_off_after_the_request_took_effect(simulator: Simulator, sms: SmsUser) -> None:
    """The status comes, and half of the body."""
    simulator.world.faults.add({"do": "truncate", "match": {"operation": "send"}})
    with pytest.raises(aiohttp.ClientPayloadError):
        await sms.send("tel:+12065550101")
    assert _accepted(simulator) == 1


@pytest.mark.parametrize(("do", "accepted"), [("cut-before", 0), ("cut-after", 1)])
async def test_a_cut_connection_gives_no_answer(simulator: Simulator, sms: SmsUser, do: str, accepted: int) -> None:
    """Before the request took effect, or after; the client cannot tell which."""
    simulator.world.faults.add({"do": do, "match": {"operation": "send"}})
    with pytest.raises(aiohttp.ClientConnectionError):
        await sms.send("tel:+12065550101")
    assert _accepted(simulator) == accepted


@pytest.mark.parametrize(("processed", "accepted"), [(False, 0), (True, 1)])
async def test_a_delay_is_of_the_clock(
    simulator: Simulator, sms: SmsUser, clock: ManualClock, processed: bool, accepted: int
) -> None:
    """The answer comes when the clock has moved on; the effect before or after."""
    simulator.world.faults.add({"do": "delay", "seconds": 60, "processed": processed, "match": {"operation": "send"}})
    waiting = asyncio.create_task(sms.send("tel:+12065550101"))
    await clock.advance(0)  # the request travels
    assert _accepted(simulator) == accepted
    await clock.advance(59)
    assert not waiting.done()
    await clock.advance(1)
    async with asyncio.timeout(5):
        assert (await waiting).status == 201
    assert _accepted(simulator) == 1


async def test_a_delay_of_real_time_needs_no_clock(simulator: Simulator, sms: SmsUser) -> None:
    """For socket time-outs, which no clock of ours rules."""
    simulator.world.faults.add({"do": "delay", "seconds": 0.01, "real": True})
    async with asyncio.timeout(5):
        assert (await sms.send("tel:+12065550101")).status == 201


@pytest.mark.parametrize(
    ("more", "status", "header"),
    [
        ({}, 429, "30"),
        ({"status": 503, "after": 2.5}, 503, "2.5"),
        ({"after": "Sat, 21 Nov 2026 09:30:00 GMT"}, 429, "Sat, 21 Nov 2026 09:30:00 GMT"),
    ],
)
async def test_retry_after_asks_to_wait(
    simulator: Simulator, sms: SmsUser, more: dict[str, Any], status: int, header: str
) -> None:
    """In seconds, or until a date."""
    simulator.world.faults.add({"do": "retry-after", **more})
    answer = await sms.send("tel:+12065550101")
    assert (answer.status, answer.headers["Retry-After"]) == (status, header)


async def test_following_a_redirect_is_a_violation(simulator: Simulator, sms: SmsUser) -> None:
    """A client that resends the body elsewhere is caught."""
    simulator.world.faults.add({"do": "redirect", "match": {"operation": "send"}})
    assert (await sms.send("tel:+12065550101")).status == 404
    assert [line["operation"] for line in simulator.world.violations.lines()] == ["redirect"]


async def test_a_fault_stands_in_the_ledger_beside_what_it_hit(simulator: Simulator, sms: SmsUser) -> None:
    """Both carry the number of the request."""
    simulator.world.faults.add({"do": "cut-after", "match": {"operation": "send"}})
    with pytest.raises(aiohttp.ClientConnectionError):
        await sms.send("tel:+12065550101")
    lines = {line["what"]: line for line in simulator.world.ledger.lines()}
    assert lines["fault"]["do"] == "cut-after"
    assert lines["fault"]["request"] == lines["accepted"]["request"]


@pytest.mark.parametrize(
    ("operation", "hits"), [("token", "token"), ("status", "status"), ("inbox", "inbox"), ("send", "send")]
)
async def test_faults_reach_every_operation_of_the_line_s_app(
    simulator: Simulator, sms: SmsUser, operation: str, hits: str
) -> None:
    """By the short code that its token, or its client id, belongs to."""
    simulator.world.faults.add({"do": "html", "match": {"operation": operation, "line": "12345"}})
    calls = {"token": sms.sign_in, "status": lambda: sms.status("SMS1"), "inbox": sms.poll, "send": sms.send}
    assert (await calls[hits]()).status == 502


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("send", "/message/send"),
        ("webhook-add", "/webhook/add"),
        ("webhook-list", "/webhook/list"),
        ("webhook-update", "/webhook/update"),
        ("webhook-delete", "/webhook/delete"),
    ],
)
async def test_faults_reach_every_operation_of_a_landline(
    simulator: Simulator, landline: LandlineUser, operation: str, path: str
) -> None:
    """By the number that its session belongs to."""
    rule = {"do": "html", "match": {"service": "att-landline", "operation": operation, "line": "+12065550100"}}
    simulator.world.faults.add(rule)
    assert (await landline.call(path, session="nobody's")).status == 403
    assert (await landline.call(path)).status == 502


async def test_a_fault_for_one_line_does_not_hit_who_has_no_token(simulator: Simulator, sms: SmsUser) -> None:
    """It cannot be told whose request it is."""
    simulator.world.faults.add({"do": "html", "match": {"line": "12345"}})
    assert (await SmsUser(sms.http, "nonsense").poll()).status == 401
    assert (await sms.poll()).status == 502


def _accepted(simulator: Simulator) -> int:
    return sum(line["what"] == "accepted" for line in simulator.world.ledger.lines())

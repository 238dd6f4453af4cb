"""A check says what acceptance would say at this moment, and leaves nothing behind."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.domain.addresses import Address, outbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import MessageClass, Plan, Reply, SendRequest
from relay.journal import Answer
from relay.rules.hours import SendingHours
from relay.rules.line import LineRules, Rules
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, START, Desk, text
from tests.contract.journal.places import DATABASES, ground

NO = Problem(ErrorCode.INVALID_RECIPIENT, "no")
LONDON, NEW_YORK, SEATTLE = outbound("+442079460123"), outbound("+12125550123"), outbound("+12065550104")
PLAN = Plan("ucs-2", 2, 2, size=140, api="SMS API v3: Send SMS")
OPEN_FROM_EIGHT = LineRules(LINE, hours=SendingHours.parse("08:00-21:00"), zones=(ZoneInfo("America/Los_Angeles"),))


async def check(
    desk: Desk, *to: Address, plan: Plan = PLAN, refusals: Sequence[Problem | None] = (), twice: int = 0, **wishes: Any
) -> Answer:
    """Have a request checked, for ALICE unless it names others."""
    to = to or (ALICE,)
    request = replace(SendRequest(LINE, None, None, "digest", to, "Hello"), **wishes)
    return await desk.journal.commands.checked(request, plan, refusals or [None] * len(to), twice)


async def test_a_check_counts_what_it_was_asked_about(desk: Desk) -> None:
    """Recipients, those that were named twice, calls, bytes, and the provider's call."""
    answer = await check(desk, ALICE, BOB, CAROL, refusals=[None, NO, None], twice=4, ref="r", metadata={"a": 1})
    assert (answer.outcome, answer.body["ref"], answer.body["metadata"]) == ("checked", "r", {"a": 1})
    assert answer.body["check"] == {
        "recipients": 3,
        "duplicates": 4,
        "opted_out": 0,
        "refused": 1,
        "copies": [
            {"to": ALICE.value, "status": "queued"},
            {"to": BOB.value, "status": "failed", "error": NO.as_body()},
            {"to": CAROL.value, "status": "queued"},
        ],
        "due_at": "2026-11-21T09:00:00.000Z",
        "last_due_at": "2026-11-21T09:00:00.000Z",
        "expires_at": None,
        "expiring": 0,
        "encoding": "ucs-2",
        "segments": 2,
        "sent_as": "sms",
        "calls": 1,
        "bytes": 140,
        "api": "SMS API v3: Send SMS",
        "waits_for": {},
    }
    assert {name: answer.body[name] for name in ("encoding", "segments", "sent_as", "calls", "copies")} == {
        "encoding": "ucs-2",
        "segments": 2,
        "sent_as": "sms",
        "calls": 1,
        "copies": [],
    }


async def test_an_opted_out_recipient_is_counted_apart(desk: Desk) -> None:
    """One confirmation may still go to it, and the check says so."""
    await desk.receive(text("STOP", sender=ALICE.value))
    shown = (await check(desk, ALICE, BOB)).body["check"]
    assert (shown["opted_out"], shown["refused"], shown["calls"]) == (1, 0, 1)
    assert [one.get("error", {}).get("code") for one in shown["copies"]] == ["opted_out", None]
    for _ in range(2):  # a check uses up nothing
        shown = (await check(desk, ALICE, message_class=MessageClass.COMPLIANCE)).body["check"]
        assert (shown["opted_out"], shown["calls"]) == (0, 1)


async def test_a_check_says_for_what_and_until_when_copies_wait(desk: Desk) -> None:
    """At nine in the morning of Greenwich it is night in America: each zone has its own opening, and its own call."""
    desk.journal.follow(Rules({LINE: OPEN_FROM_EIGHT}))
    shown = (await check(desk, LONDON, NEW_YORK, SEATTLE, ttl=6 * 3600.0)).body["check"]
    assert [(one["status"], one.get("due_at")) for one in shown["copies"]] == [
        ("queued", None),
        ("scheduled", "2026-11-21T13:00:00.000Z"),
        ("scheduled", "2026-11-21T16:00:00.000Z"),
    ]
    assert (shown["due_at"], shown["last_due_at"]) == ("2026-11-21T09:00:00.000Z", "2026-11-21T16:00:00.000Z")
    assert (shown["calls"], shown["waits_for"]) == (3, {"hours": 2})
    assert (shown["expires_at"], shown["expiring"]) == ("2026-11-21T15:00:00.000Z", 1)


async def test_a_check_of_a_later_request_waits_for_its_time(desk: Desk) -> None:
    """`send_at` where the line is open then; the hours where it is not."""
    desk.journal.follow(Rules({LINE: OPEN_FROM_EIGHT}))
    noon = START + timedelta(hours=3)
    shown = (await check(desk, LONDON, SEATTLE, send_at=noon)).body["check"]
    assert shown["waits_for"] == {"send_at": 1, "hours": 1}
    assert shown["due_at"] == "2026-11-21T12:00:00.000Z"


async def test_a_check_says_that_the_provider_waits(desk: Desk) -> None:
    """The copies are given to it at once, and cannot be canceled then."""
    plan = replace(PLAN, provider_waits=True)
    shown = (await check(desk, ALICE, BOB, plan=plan, send_at=START + timedelta(hours=3))).body["check"]
    assert (shown["waits_for"], shown["due_at"]) == ({"provider": 2}, "2026-11-21T09:00:00.000Z")


async def test_a_check_where_nobody_is_sent_to_has_no_times(desk: Desk) -> None:
    """And makes no call."""
    shown = (await check(desk, ALICE, refusals=[NO])).body["check"]
    assert (shown["due_at"], shown["last_due_at"], shown["calls"], shown["waits_for"]) == (None, None, 0, {})


async def test_a_check_of_a_full_queue_is_refused_as_a_send_is(open_journal: Open) -> None:
    """With the same words; the check itself takes no room."""
    desk = await open_journal(waiting_per_client=2)
    assert (await check(desk, ALICE, BOB)).outcome == "checked"
    await desk.send(ALICE)
    answer, sent = await check(desk, ALICE, BOB), await desk.send(ALICE, BOB)
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "queue_full")
    assert answer.body["error"] == sent.body["error"]


async def test_a_check_of_a_request_that_ends_before_it_begins_is_refused(desk: Desk) -> None:
    """As a send is."""
    answer = await check(desk, send_at=START + timedelta(hours=1), ttl=600)
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "invalid_request")


async def test_a_check_of_a_known_id_is_a_replay_or_a_conflict(desk: Desk) -> None:
    """A full queue does not change that; and the id of a check is bound to nothing."""
    sent = await desk.send(key="k")
    same, other = await check(desk, key="k"), await check(desk, key="k", digest="other")
    assert (same.outcome, same.replayed, same.message_id) == ("checked", True, sent.message_id)
    assert (other.outcome, other.body["error"]["code"]) == ("rejected", "conflict")
    assert (await check(desk, key="new")).replayed is False
    assert (await desk.send(key="new", digest="other")).outcome == "accepted"


async def test_a_check_leaves_nothing_behind(desk: Desk) -> None:
    """But its answer: no message, no copy, no call."""
    await check(desk, ALICE, BOB, key="k")
    assert [event.kind for event in await desk.events()] == ["result"]
    assert await desk.none_due()
    answer = await desk.journal.commands.lookup(LINE, None, "k", None, Reply())
    assert answer.body["error"]["code"] == "unknown_id"


requests = st.fixed_dictionaries(
    {
        "to": st.lists(
            st.sampled_from([ALICE, BOB, LONDON, NEW_YORK, SEATTLE]), min_size=1, max_size=5, unique=True
        ).map(tuple),
        "send_at": st.none() | st.integers(-3, 40).map(lambda hours: START + timedelta(hours=hours)),
        "ttl": st.none() | st.sampled_from([60.0, 3600.0, 100_000.0]),
        "message_class": st.sampled_from(MessageClass),
        "group": st.booleans(),
    }
)


@pytest.mark.parametrize("database", DATABASES)
@settings(deadline=None)
@given(
    asked=requests,
    refused=st.sets(st.integers(0, 4)),
    out=st.sets(st.sampled_from([ALICE, BOB, SEATTLE])),
    rules=st.sampled_from(
        [
            LineRules(LINE),
            OPEN_FROM_EIGHT,
            replace(OPEN_FROM_EIGHT, urgent_any_time=True),
            replace(OPEN_FROM_EIGHT, company=60.0),
        ]
    ),
    provider_waits=st.booleans(),
    room=st.integers(1, 6),
)
def test_a_check_and_a_send_never_differ(
    *,
    database: str,
    asked: dict[str, Any],
    refused: set[int],
    out: set[Address],
    rules: LineRules,
    provider_waits: bool,
    room: int,
) -> None:
    """Whatever is asked, by whatever rules: the same refusal, or the same copies, times and calls."""
    plan = replace(PLAN, provider_waits=provider_waits, recipients_per_call=10 if asked["group"] else 2)
    refusals = [NO if place in refused else None for place in range(len(asked["to"]))]

    async def both() -> tuple[Answer, Answer]:
        with ground(database) as place:
            desk = await Desk.at(place, waiting_copies=room)
            desk.journal.follow(Rules({LINE: rules}))
            for address in sorted(out, key=str):
                await desk.receive(text("STOP", sender=address.value))
            to = asked["to"]
            wishes = {name: value for name, value in asked.items() if name != "to"}
            found = await check(desk, *to, plan=plan, refusals=refusals, **wishes)
            sent = await desk.send(*to, plan=plan, refusals=refusals, **wishes)
            await desk.journal.aclose()
            return found, sent

    found, sent = asyncio.run(both())
    assert (found.outcome == "rejected") is (sent.outcome == "rejected")
    assert found.body["error"] == sent.body["error"]
    if found.outcome == "rejected":
        return
    shown = found.body["check"]
    copies = [{name: value for name, value in one.items() if name != "copy_id"} for one in sent.body["copies"]]
    assert shown["copies"] == copies
    assert shown["calls"] == sent.body["calls"]
    assert shown["opted_out"] + shown["refused"] == sum(one["status"] == "failed" for one in copies)
    assert sum(shown["waits_for"].values()) >= sum(one["status"] == "scheduled" for one in copies)

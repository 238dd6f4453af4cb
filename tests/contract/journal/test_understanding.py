"""What is read together is as if it had been read one after the other; each once."""

import json
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest

from relay.domain.addresses import inbound
from relay.domain.messages import DeliveryReport, InboundMessage, MailChange, Part, RawAnswer
from relay.domain.states import Fact
from relay.journal import Hook, Reading, Understood
from tests.contract.journal.desk import ALICE, BOB, LINE, Desk, delivered, seen, text

OTHER = "other"
SENDERS = ("+12065550101", "+12065550102")
TEXTS = ("STOP", "START", "HELP", "Hello", "please stop texting me", "Yes")
_ID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")
FACTS = (Fact.ON_NETWORK, Fact.DELIVERED, Fact.UNDELIVERED)


def _message(chance: random.Random) -> InboundMessage:
    key = chance.choice([None, f"key-{chance.randrange(6)}"])
    words, sender = chance.choice(TEXTS), chance.choice(SENDERS)
    if chance.random() < 0.1:  # something of it is still to be fetched
        return InboundMessage(inbound(sender), "12345", words, ref=f"mms-{chance.randrange(3)}", has_parts=True)
    ref = chance.choice([None, f"ref-{chance.randrange(4)}"])
    return InboundMessage(inbound(sender), "12345", words, key, ref=ref)


def _report(chance: random.Random) -> DeliveryReport:
    key = chance.choice([None, f"report-{chance.randrange(8)}"])
    ref, to = chance.choice(["SMS1", "SMS2", "SMS3"]), chance.choice([ALICE, BOB, None])
    return DeliveryReport(ref, chance.choice(FACTS), address=to, dedupe_key=key)


def _meaning(chance: random.Random) -> dict[str, Any]:
    """What one web hook may mean."""
    kind = chance.randrange(10)
    if kind < 5:
        return {"messages": [_message(chance) for _ in range(chance.randint(1, 3))]}
    if kind < 8:
        return {"reports": [_report(chance) for _ in range(chance.randint(1, 2))]}
    if kind == 8:
        return {"changes": [MailChange("read", f"ref-{chance.randrange(4)}", dedupe_key=f"c{chance.randrange(3)}")]}
    return {"reports": [_report(chance)], "sightings": [seen(ref=f"s-{chance.randrange(3)}")]}


async def _readings(desk: Desk, line: str, meanings: Sequence[dict[str, Any]]) -> list[Reading]:
    kept = [await desk.journal.raw.keep(line, "hook", "event", "", RawAnswer(b"bytes")) for _ in meanings]
    return [Reading(one, **meaning) for one, meaning in zip(kept, meanings, strict=True)]


async def _sent(desk: Desk, line: str) -> None:
    for ref in ("SMS1", "SMS2"):
        await desk.send(ALICE, BOB, line=line, key=ref)
        await desk.hand_over(await desk.claim(line), ref)


async def _told(desk: Desk, line: str) -> dict[str, list[str]]:
    """What was announced of a line, by kind, with each id by the place at which it was first met."""
    found: dict[str, list[str]] = {}
    names: dict[str, dict[str, str]] = {}
    for one in await desk.events():
        if one.line == line:
            known = names.setdefault(one.kind, {line: "the line"})
            shown = [_named(one.subject, known), one.sequence, _named(dict(one.body), known)]
            found.setdefault(one.kind, []).append(json.dumps(shown))
    return found


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    if isinstance(value, str):
        return _ID.sub(lambda found: names.setdefault(found[0], f"id {len(names)}"), names.get(value, value))
    return value


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_read_together_is_as_if_it_was_read_one_by_one(desk: Desk, seed: int) -> None:
    """The same announcements in the same order, whatever comes: repetitions, keywords, reports, changes."""
    chance = random.Random(seed)  # noqa: S311 - chance that repeats
    meanings = [_meaning(chance) for _ in range(40)]
    for line in (LINE, OTHER):
        await _sent(desk, line)
    singly = [
        await desk.journal.raw.understood(
            one.kept, messages=one.messages, reports=one.reports, sightings=one.sightings, changes=one.changes
        )
        for one in await _readings(desk, LINE, meanings)
    ]
    together = await desk.journal.raw.all_understood(await _readings(desk, OTHER, meanings))
    assert together == singly
    assert await _told(desk, OTHER) == await _told(desk, LINE)
    assert sum(one.messages for one in singly) > 5


async def test_what_was_read_before_is_left_out_and_the_others_are_read(desk: Desk) -> None:
    """Also where it is handed in twice at once."""
    first, second = await _readings(desk, LINE, [{"messages": [text("one")]}, {"messages": [text("two")]}])
    assert (await desk.journal.raw.all_understood([first]))[0].messages == 1
    done = await desk.journal.raw.all_understood([first, second, second])
    assert [one.messages for one in done] == [0, 1, 0]
    assert [body["text"] for body in await desk.bodies("message")] == ["one", "two"]


async def test_nothing_of_a_batch_is_there_after_a_kill_before_its_commit(desk: Desk) -> None:
    """All of it is unread still, and is read again, once."""
    readings = await _readings(desk, LINE, [{"messages": [text(str(number))]} for number in range(3)])
    left = await desk.after_kill()
    assert [kept.id for kept in await left.journal.raw.unread(LINE)] == [one.kept.id for one in readings]
    await left.journal.raw.all_understood(readings)
    assert await left.journal.raw.unread(LINE) == []
    assert len(await left.bodies("message")) == 3
    await left.journal.aclose()


@pytest.mark.parametrize("count", [1, 2, 8, 9, 64, 65, 150])
async def test_a_page_that_comes_again_is_recognised_however_long_it_is(desk: Desk, count: int) -> None:
    """Every message of it, and none besides."""
    page = [text(str(number), key=f"key-{number}") for number in range(count)]
    assert (await desk.receive(*page)).messages == count
    done = await desk.receive(*page, text("new", key="new"))
    assert (done.messages, done.duplicates) == (1, count)


async def test_a_text_without_an_id_is_suspect_in_the_same_batch_and_not_in_the_same_bytes(desk: Desk) -> None:
    """As it would be if each had been read by itself."""
    hello = text("Hello")
    meanings = [{"messages": [hello, hello]}, {"messages": [hello]}, {"messages": [text("Bye")]}]
    await desk.journal.raw.all_understood(await _readings(desk, LINE, meanings))
    assert [body["duplicate_suspect"] for body in await desk.bodies("message")] == [False, False, True, False]


async def test_reports_of_many_calls_are_told_together_each_of_its_own_copy(desk: Desk) -> None:
    """Those that nobody knows yet are parked, and counted where they came."""
    await _sent(desk, LINE)
    meanings = [
        {"reports": [delivered("SMS1", address=ALICE)]},
        {"reports": [delivered("SMS2", address=BOB), delivered("SMS9")]},
        {"reports": [delivered("SMS1", address=ALICE, fact=Fact.ON_NETWORK), delivered("SMS1", address=BOB)]},
    ]
    done = await desk.journal.raw.all_understood(await _readings(desk, LINE, meanings))
    assert done == [Understood(applied=1), Understood(applied=1, parked=1), Understood(applied=1)]
    assert await desk.standing("SMS1") == ["delivered", "delivered"]
    assert await desk.standing("SMS2") == ["submitted", "delivered"]


async def test_a_second_word_about_a_copy_is_judged_by_what_the_first_has_made_of_it(desk: Desk) -> None:
    """In one batch as in two."""
    await _sent(desk, LINE)
    words = [delivered("SMS1", address=ALICE, fact=fact) for fact in (Fact.ON_NETWORK, Fact.DELIVERED)]
    await desk.journal.raw.all_understood(await _readings(desk, LINE, [{"reports": [word]} for word in words]))
    assert await desk.standing("SMS1") == ["delivered", "submitted"]
    previous = [(body["previous"], body["status"]) for body in await desk.bodies("receipt")][-2:]
    assert previous[1][0] == previous[0][1]


async def test_many_hooks_are_kept_together_in_their_order(desk: Desk) -> None:
    """Each with its own id; a delivery that comes again is none."""
    hooks = [Hook(LINE if number % 2 else OTHER, "receive", RawAnswer(b"%d" % number)) for number in range(5)]
    kept = await desk.journal.raw.keep_hooks(hooks)
    assert [one.raw.body for one in kept] == [hook.raw.body for hook in hooks]
    assert [one.id for one in await desk.journal.raw.unread(LINE)] == [one.id for one in kept if one.line == LINE]
    assert [one.id for one in await desk.journal.raw.unread(OTHER)] == [one.id for one in kept if one.line == OTHER]


async def test_a_message_is_known_by_the_provider_s_id_whatever_is_in_it(desk: Desk) -> None:
    """Changes at the provider find it."""
    await desk.receive(
        InboundMessage(inbound("+12065550101"), "12345", "Hello", "k", ref="odd\0ref", parts=(Part("a"),))
    )
    await desk.hear(MailChange("read", "odd\0ref"))
    [message], [change] = await desk.bodies("message"), await desk.bodies("event.read")
    assert change["message_id"] == message["message_id"]

"""What the ledgers' judge does not look at: rules of AT&T's, retries in an outage, what is left waiting, and memory."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tests.simulation.faults import HOUR, Fault
from tests.simulation.network import Request
from tests.simulation.world import INAPP, PROVIDERS, World

_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
_ASKED_AGAIN = "asked again after the final status was told"
_LOSES = {"cut-after", "stall", "garbage", "half"}
_INBOX_PAUSE = 300.0
MOST_A_MINUTE = 90  # requests of a line: a few texts at once, with their receipts
MOST_IN_AN_OUTAGE = 90  # tries to connect to a provider that refuses them, in an hour


async def wrongs(world: World, faults: Sequence[Fault]) -> list[str]:
    """What is wrong, in words; nothing should be."""
    found = violations(world)
    found += too_early(world)
    found += herds(world)
    found += in_outages(world, faults)
    found += sequences(world)
    found += last_words(world)
    found += await left_over(world)
    return found + sorted(set(world.broker.misfits))


def violations(world: World) -> list[str]:
    """What AT&T's documents forbid, but for what nobody could know: that an answer was given, and was lost."""
    lost = {one.path for one in world.network.requests if one.trouble in _LOSES and "/outbox/" in one.path}
    spoiled = [line for line in world.att_lines("fault") if line["operation"] == "status"]
    excused = len(lost) + len(spoiled) + world.relay.life - 1 > 0
    told = world.att.world.violations.lines()
    return [f"violation: {line}" for line in told if not (excused and line["what"] == _ASKED_AGAIN)]


def too_early(world: World) -> list[str]:
    """Calls that came before AT&T wanted them."""
    found = []
    for told, answer in world.network.seen:
        wish = _RETRY_AFTER.search(answer)
        if wish is None or told.host not in PROVIDERS.values():
            continue
        # AT&T deletes texts that nobody fetches for 30 minutes: before that relay asks for them, whatever AT&T wishes.
        until = told.at + min(float(wish[1]), _INBOX_PAUSE if "/inbox/" in told.path else math.inf)
        again = [
            one
            for one in world.network.requests
            if (one.host, one.method, one.path) == (told.host, told.method, told.path) and told.at < one.at < until - 1
        ]
        # Calls that were under way already had not heard of it.
        unheard = 35.0
        found += [
            f"{one.method} {one.path} {one.at - told.at:.1f} s after a rest of {float(wish[1]):.0f} s was asked for"
            for one in again
            if one.at - told.at > unheard and not (_is_comparison(one) and _began(world, told.at, one.at))
        ]
    return found


def _is_comparison(one: Request) -> bool:
    """Whether it compares a mailbox, as a life does at its beginning, whatever a former one was told."""
    return one.host == INAPP and one.method == "GET"


def _began(world: World, after: float, until: float) -> bool:
    return any(after < start <= until for start in world.relay.started_at)


def herds(world: World) -> list[str]:
    """Minutes in which a provider was called more often than there was reason for."""
    minutes = Counter((one.host, int(one.at // 60)) for one in world.network.requests if one.host in PROVIDERS.values())
    return [
        f"{times} requests to {host} in minute {minute}"
        for (host, minute), times in minutes.items()
        if times > MOST_A_MINUTE
    ]


def in_outages(world: World, faults: Sequence[Fault]) -> list[str]:
    """How often a provider was tried while it could not be reached."""
    found = []
    for fault in faults:
        if fault.kind != "network" or fault.often < 1 or fault.about[0] not in PROVIDERS.values():
            continue
        hours: defaultdict[int, int] = defaultdict(int)
        for at, host, _ in world.network.attempts:
            if host == fault.about[0] and fault.begins <= at - 120 <= fault.ends:
                hours[int((at - fault.begins) // 3600)] += 1
        found += [
            f"{times} tries in hour {hour} of an outage of {fault.about}"
            for hour, times in hours.items()
            if times > MOST_IN_AN_OUTAGE
        ]
    return found


def sequences(world: World) -> list[str]:
    """Events of a message that were heard first out of their order."""
    last: dict[str, int] = {}
    seen: set[str] = set()
    found = []
    for line in world.broker.heard:
        event = line["event"]
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        if event["id"] in world.again:
            continue
        key = f"{event['source']} {event.get('subject')}"
        if event["type"] == "relay.receipt.v1" and event["sequence"] <= last.get(key, -1):
            found.append(f"sequence {event['sequence']} of {key} after {last[key]}")
        if event["type"] == "relay.receipt.v1":
            last[key] = event["sequence"]
    return found


def last_words(world: World) -> list[str]:
    """What was sent after the last fault, and was not delivered."""
    asked = {
        one["payload"]["id"] for one, _ in world.asked if str(one.get("payload", {}).get("id")).startswith("last-")
    }
    receipts = [line["event"]["data"] for line in world.broker.heard if line["event"]["type"] == "relay.receipt.v1"]
    good = {one["request_id"] for one in receipts if one["final"] and one["status"] in {"delivered", "submitted"}}
    return [f"{request_id} did not arrive" for request_id in sorted(asked - good)]


async def left_over(world: World) -> list[str]:
    """What still waits although nothing has happened for days."""
    status: dict[str, Any] = await world.relay.do(world.relay.journal.queries.status())
    found = [f"{status[what]} {what}" for what in ("unread", "unpublished") if status.get(what)]
    if events := (await world.relay.do(world.relay.journal.dead.counts()))["event"]:
        found.append(f"{events} events that were set aside again")
    if stuck := world.relay.pulse.stuck(3 * HOUR):
        found.append(f"stages whose step does not end: {stuck}")
    node = world.relay.node
    assert node is not None
    if world.network.connections > 10:
        found.append(f"{world.network.connections} connections")
    bad = {
        name: health.state.value for name, health in node.standing.board.all().items() if health.state.value != "ready"
    }
    if bad:
        found.append(f"lines that are not ready: {bad}")
    failed = [
        line for line in world.logged if line["event"] in {"stage.failed", "stage.undrained"} and not _is_expected(line)
    ]
    found += [
        f"{line['event']} {line.get('stage')} at {line['at']:.0f}: {line.get('error', '')[:200]}" for line in failed[:5]
    ]
    return found


def _is_expected(line: dict[str, Any]) -> bool:
    """A stage may fail for the journal's sake alone."""
    return any(
        name in line.get("error", "") for name in ("JournalUnusable", "JournalUnwritten", "JournalShut", "JournalFull")
    )

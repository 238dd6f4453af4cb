"""A journal with somebody at it: the clock that stands still, requests in few words, and the events as they come."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from relay.domain.addresses import Address, inbound, outbound
from relay.domain.announcements import Announcement
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import (
    CallAnswer,
    DeliveryReport,
    Handover,
    InboundMessage,
    MailChange,
    OutboundCall,
    Plan,
    RawAnswer,
    Reply,
    SendRequest,
    Sighting,
)
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Answer, Arrival, Journal, JournalLimits, KeptRaw, Understood, Wanted
from tests.contract.journal.places import Place, SqlitePlace  # noqa: F401 - tests of what lies in a file take it from here

T = TypeVar("T")
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LINE = "alerts"
ME = "relay-1"
PROBLEM = Problem(ErrorCode.PROVIDER_ERROR, "the provider had a bad day")
ALICE, BOB, CAROL = (outbound(f"+1206555010{digit}") for digit in "123")


class StillClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.time = START
        self.lives = 0  # of journals that were opened with it: each has a chance of its own, and the same every run

    def now(self) -> datetime:
        """The time."""
        return self.time

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.time += timedelta(**duration)

    async def sleep(self, seconds: float) -> None:
        """Nobody sleeps here."""
        raise AssertionError(seconds)

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """Nobody waits here."""
        raise AssertionError(awaited, seconds)


@dataclass
class Desk:
    """An open journal and who works at it."""

    place: Place
    journal: Journal
    clock: StillClock
    _keys: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def at(cls, place: Place, clock: StillClock | None = None, **limits: int) -> "Desk":
        """Open the journal that lies there."""
        clock = clock or StillClock()
        clock.lives += 1
        await asyncio.to_thread(place.lay)
        ids = Ids(clock, random.Random(clock.lives))  # noqa: S311 - chance that can be repeated
        journal = await Journal.open(
            place.url, clock=clock, ids=ids, node=ME, limits=JournalLimits(**limits), real=clock
        )
        return cls(place, journal, clock)

    def real_time_passes(self, seconds: int) -> None:
        """Let the time of leases pass, which no lab's clock changes: a database of many nodes has its own."""
        self.clock.pass_(seconds=seconds)
        if self.place.database == "postgresql":
            self.place.write("UPDATE lease SET until = until - :passed", passed=seconds * 1_000_000)

    async def reopen(self) -> None:
        """Close the journal and open it again."""
        await self.journal.aclose()
        self.journal = (await Desk.at(self.place, self.clock)).journal

    async def after_kill(self) -> "Desk":
        """The journal as a SIGKILL at this moment would leave it, opened."""
        return await Desk.at(self.place.after_kill(), self.clock)

    async def send(
        self, *to: Address, size: int = 50, refusals: Sequence[Problem | None] = (), **wishes: Any
    ) -> Answer:
        """Have a request accepted; it has a key of its own unless it brings one, and asks for ALICE."""
        self._keys["key"] += 1
        to = to or (ALICE,)
        raw_digest = wishes.pop("raw_digest", None)
        plan = wishes.pop("plan", Plan("gsm-7", 1, size))
        request = SendRequest(
            line=wishes.pop("line", LINE),
            client=wishes.pop("client", None),
            key=wishes.pop("key", f"key-{self._keys['key']}"),
            digest=wishes.pop("digest", "digest"),
            to=to,
            text=wishes.pop("text", "Your order is on its way."),
        )
        request = replace(request, **wishes)
        return await self.journal.commands.accept(request, plan, refusals or [None] * len(to), raw_digest)

    async def claim(self, line: str = LINE, owner: str = ME, *, unseen: bool = False) -> OutboundCall:
        """The next call; there is one."""
        call = await self.journal.calls.claim(line, owner, unseen=unseen)
        assert call is not None
        return call

    async def none_due(self, line: str = LINE) -> bool:
        """Whether no call is due."""
        return await self.journal.calls.claim(line, ME) is None

    async def hand_over(
        self, call: OutboundCall, ref: str | None = "SMS1", fact: Fact = Fact.SUBMITTED, first_look: float | None = 15
    ) -> bool:
        """Let the provider take every copy of a call."""
        handovers = tuple(Handover(fact) for _ in call.recipients)
        return await self.journal.calls.answered(call.call_id, ME, CallAnswer(ref, handovers), first_look=first_look)

    async def sent(self, *to: Address, ref: str = "SMS1", **wishes: Any) -> Answer:
        """Have a request accepted and handed over as one call."""
        answer = await self.send(*to, **wishes)
        await self.hand_over(await self.claim(), ref)
        return answer

    async def keep(self, source: str = "inbox", about: str = "", event: str = "") -> KeptRaw:
        """Keep some bytes."""
        return await self.journal.raw.keep(LINE, source, event, about, RawAnswer(b"bytes", "application/json"))

    async def receive(self, *messages: InboundMessage) -> Understood:
        """Let a page with these messages come in and be understood."""
        return await self.journal.raw.understood(await self.keep(), messages=messages)

    async def report(self, *reports: DeliveryReport) -> Understood:
        """Let a web hook with these reports come in and be understood."""
        return await self.journal.raw.understood(await self.keep("hook", event="progress"), reports=reports)

    async def see(self, *sightings: Sighting) -> Understood:
        """Let a web hook with these sightings come in and be understood."""
        return await self.journal.raw.understood(await self.keep("hook", event="send"), sightings=sightings)

    async def hear(self, *changes: MailChange) -> Understood:
        """Let a web hook with these changes come in and be understood."""
        return await self.journal.raw.understood(await self.keep("hook", event="read"), changes=changes)

    async def arriving(self, line: str = LINE) -> list[Arrival]:
        """What is to be fetched now."""
        return await self.journal.arrivals.due(line, 1_000)

    async def look(self, call_id: str, *reports: DeliveryReport, next_look: float | None = 60) -> Understood:
        """Let a status with these reports come in and be understood."""
        kept = await self.keep("status", about=call_id)
        return await self.journal.raw.understood(kept, reports=reports, next_look=next_look)

    async def events(self, kind: str | None = None) -> list[Announcement]:
        """Everything announced so far."""
        events = [event for _, event in await self.journal.events.follow(0, 100_000)]
        return [event for event in events if kind in (None, event.kind)]

    async def bodies(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of what was announced so far."""
        return [dict(event.body) for event in await self.events(kind)]

    async def statuses(self, copy_id: str | None = None) -> list[str]:
        """The statuses that receipts told so far."""
        return [body["status"] for body in await self.bodies("receipt") if copy_id in (None, body["copy_id"])]

    async def copies(self, key: str = "key-1") -> list[dict[str, Any]]:
        """A request's copies as a lookup shows them."""
        answer = await self.journal.commands.lookup(LINE, None, key, None, Reply())
        return list(answer.body["copies"])

    async def uncertain(self) -> list[dict[str, Any]]:
        """The copies of which nobody knows whether they were handed over, as people see them listed."""
        return await self.journal.queries.queue(Wanted(status="uncertain"))

    async def standing(self, key: str = "key-1") -> list[str]:
        """The statuses of a request's copies."""
        return [one["status"] for one in await self.copies(key)]


def text(body: str = "Hello", *, key: str | None = None, sender: str = "+12065550101") -> InboundMessage:
    """Somebody's text."""
    return InboundMessage(inbound(sender), "12345", body, key)


def delivered(ref: str = "SMS1", **more: Any) -> DeliveryReport:
    """A report that a copy has arrived."""
    return DeliveryReport(ref, more.pop("fact", Fact.DELIVERED), **more)


def seen(body: str | None = "Your order is on its way.", *to: Address, ref: str = "m-1", **more: Any) -> Sighting:
    """A message that went out, as the provider shows it; to ALICE."""
    return Sighting(ref, to or (ALICE,), body, **more)

"""How many copies may wait: in all, on a line, and for a client on a line; and what is said when it is enough."""

import re
from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import CallAnswer, Handover, OnUncertain, Reply
from relay.domain.states import Fact
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk
from tests.contract.journal.machine import Machine, on_each_database

T = TypeVar("T")
OTHER = "office"
CROWD = (ALICE, BOB, CAROL)
WAITING = re.compile(r"(\d+) copies wait (in all|on this line|for this client here), and (queue\.\w+) allows (\d+)")


def said(answer: Any) -> tuple[str, str, int, int]:
    """Which limit a refusal names, where, how many wait, and how many may."""
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "queue_full"), answer.body
    assert answer.body["error"]["retryable"]
    found = WAITING.match(answer.body["error"]["detail"])
    assert found is not None, answer.body["error"]["detail"]
    return found[3], found[2], int(found[1]), int(found[4])


@pytest.mark.parametrize(
    ("limit", "setting", "where"),
    [
        ("waiting_copies", "queue.max_copies", "in all"),
        ("waiting_per_line", "queue.max_copies_per_line", "on this line"),
        ("waiting_per_client", "queue.max_copies_per_client", "for this client here"),
    ],
)
async def test_a_refusal_names_the_limit_and_how_many_wait(
    open_journal: Open, limit: str, setting: str, where: str
) -> None:
    """Which setting to raise, and how far it is from enough; nothing of the request is kept."""
    desk = await open_journal(**{limit: 3})
    await desk.send(ALICE, BOB, client="shop")
    assert said(await desk.send(ALICE, BOB, client="shop", key="k")) == (setting, where, 2, 3)
    assert (await desk.send(CAROL, client="shop", key="k")).outcome == "accepted"
    assert said(await desk.send(CAROL, client="shop")) == (setting, where, 3, 3)


async def test_each_client_has_room_of_its_own(open_journal: Open) -> None:
    """One that floods a line does not shut out the others; who names no client is one, too."""
    desk = await open_journal(waiting_per_client=1)
    for client in ("shop", "desk", None):
        assert (await desk.send(ALICE, client=client)).outcome == "accepted"
        assert said(await desk.send(BOB, client=client))[0] == "queue.max_copies_per_client"
    assert (await desk.send(ALICE, client="shop", line=OTHER)).outcome == "accepted"


async def test_each_line_has_room_of_its_own(open_journal: Open) -> None:
    """A line whose provider is away does not stop the others."""
    desk = await open_journal(waiting_per_line=2)
    assert (await desk.send(ALICE, client="shop")).outcome == "accepted"
    assert (await desk.send(BOB, client="desk")).outcome == "accepted"
    assert said(await desk.send(CAROL, client="till"))[:2] == ("queue.max_copies_per_line", "on this line")
    assert (await desk.send(CAROL, line=OTHER)).outcome == "accepted"


async def test_a_request_that_alone_is_too_large_is_refused(open_journal: Open) -> None:
    """Also by an empty queue; the detail says that smaller requests fit."""
    desk = await open_journal(waiting_per_client=2)
    answer = await desk.send(*CROWD)
    assert said(answer) == ("queue.max_copies_per_client", "for this client here", 0, 2)
    assert "smaller requests" in answer.body["error"]["detail"]
    assert (await desk.send(ALICE, BOB)).outcome == "accepted"


async def test_a_known_id_is_answered_by_a_full_queue(open_journal: Open) -> None:
    """Who asks again gets the first answer; another text under the id is a conflict, now as later."""
    desk = await open_journal(waiting_copies=1)
    await desk.send(key="k")
    again = await desk.send(key="k")
    assert (again.outcome, again.replayed) == ("accepted", True)
    assert (await desk.send(key="k", digest="other")).body["error"]["code"] == "conflict"


async def test_copies_that_are_refused_at_once_take_no_room(open_journal: Open) -> None:
    """They wait for nothing."""
    desk = await open_journal(waiting_per_client=3)
    no = Problem(ErrorCode.OPTED_OUT, "no")
    await desk.send(*CROWD, refusals=[no, None, no])
    assert (await desk.send(ALICE, CAROL)).outcome == "accepted"
    assert said(await desk.send(BOB))[2] == 3


@pytest.mark.parametrize("end", ["handed over", "canceled", "expired", "refused"])
async def test_room_is_made_by_every_end_of_waiting(open_journal: Open, end: str) -> None:
    """What was handed over, canceled, refused or has expired waits no more; nor does it after a restart."""
    desk = await open_journal(waiting_per_client=1)
    await desk.send(client="shop", key="k", ttl=60)
    if end == "handed over":
        await desk.hand_over(await desk.claim())
    elif end == "canceled":
        await desk.journal.commands.cancel(LINE, "shop", "k", None, Reply())
    elif end == "expired":
        desk.clock.pass_(seconds=60)
        assert await desk.journal.upkeep.expire() == 1
    else:
        await desk.journal.calls.refused((await desk.claim()).call_id, ME, PROBLEM)
    assert (await desk.send(client="shop")).outcome == "accepted"
    assert said(await desk.send(client="shop"))[2] == 1


async def test_what_waits_counts_after_a_restart(open_journal: Open) -> None:
    """For its own line and client."""
    desk = await open_journal()
    await desk.send(ALICE, BOB, client="shop", send_at=START + timedelta(hours=1))
    await desk.send(CAROL, client="shop", line=OTHER)
    await desk.send(CAROL)
    await desk.journal.aclose()
    desk = await open_journal(desk.clock, waiting_per_client=2)
    assert said(await desk.send(CAROL, client="shop", key="k1"))[2] == 2
    assert (await desk.send(ALICE, client="shop", line=OTHER, key="k2")).outcome == "accepted"
    assert (await desk.send(BOB, key="k3")).outcome == "accepted"


@pytest.mark.parametrize(
    "clients",
    [
        ("shop", "shop"),
        (None, None),
        (None, "shop", None),
        ("desk", "shop", "shop"),
        ("desk", None, "shop", None, "till"),
    ],
)
async def test_what_waits_of_each_client_counts_after_a_restart(
    open_journal: Open, clients: tuple[str | None, ...]
) -> None:
    """However many clients a line has, with and without names, and whoever is alone on another line."""
    desk = await open_journal()
    for client in clients:
        await desk.send(client=client)
    await desk.send(client="shop", line=OTHER)
    await desk.journal.aclose()
    desk = await open_journal(desk.clock, waiting_per_client=0)
    for client, waiting in Counter(clients).items():
        assert said(await desk.send(client=client, key=f"again {client}"))[2] == waiting
    assert said(await desk.send(client="shop", line=OTHER, key="again"))[2] == 1
    await desk.journal.aclose()
    desk = await open_journal(desk.clock, waiting_copies=0)
    assert said(await desk.send(key="once more"))[2] == len(clients) + 1


async def test_a_copy_that_is_sent_again_takes_its_room_again(open_journal: Open) -> None:
    """Nobody handed it over."""
    desk = await open_journal(waiting_per_client=1)
    await desk.send()
    call = await desk.claim()
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 5)
    assert said(await desk.send(BOB))[2] == 1


class Counting(Machine):
    """Requests of two clients on two lines, and everything that can become of them: the counts stay those of a model.

    A copy waits as long as a lookup says that it is `scheduled`, `queued` or `sending`.
    """

    limits: ClassVar = {"waiting_copies": 12, "waiting_per_line": 8, "waiting_per_client": 5}

    @initialize()
    def open(self) -> None:
        """An empty journal that takes next to nothing at once."""
        self.begin(**self.limits)
        self.requests: list[tuple[str, str | None, str]] = []

    @rule(
        to=st.lists(st.sampled_from(CROWD), min_size=1, max_size=3, unique=True),
        line=st.sampled_from((LINE, OTHER)),
        client=st.sampled_from((None, "shop")),
        later=st.booleans(),
        wish=st.sampled_from(OnUncertain),
        refused=st.booleans(),
    )
    def send(self, to: list[Any], line: str, client: str | None, later: bool, wish: OnUncertain, refused: bool) -> None:
        """It is accepted exactly where it fits everywhere."""
        waiting = self.waiting()
        fits = all(
            waiting[place] + len(to) <= most
            for place, most in zip(((), (line,), (line, client)), self.limits.values(), strict=True)
        )
        key = f"k{len(self.requests)}"
        send_at = self.desk.clock.now() + timedelta(minutes=10) if later else None
        wishes: dict[str, Any] = {"key": key, "line": line, "client": client, "send_at": send_at, "on_uncertain": wish}
        refusals = [PROBLEM if refused and one is to[0] else None for one in to]
        answer = self.do(self.desk.send(*to, refusals=refusals, ttl=3600, **wishes))
        assert (answer.outcome == "accepted") is fits, answer.body
        if fits:
            self.requests.append((line, client, key))

    @rule(
        line=st.sampled_from((LINE, OTHER)),
        fact=st.sampled_from((Fact.SUBMITTED, Fact.REFUSED, Fact.UNANSWERED, Fact.RETRIED, None)),
    )
    def call(self, line: str, fact: Fact | None) -> None:
        """A call is made, and answered or cut."""
        call = self.do(self.desk.journal.calls.claim(line, ME))
        if call is None:
            return
        if fact is None:
            self.do(self.desk.journal.calls.divide(call.call_id, ME))
        else:
            handovers = tuple(Handover(fact, problem=PROBLEM) for _ in call.recipients)
            self.do(self.desk.journal.calls.answered(call.call_id, ME, CallAnswer(None, handovers), first_look=None))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A request is canceled."""
        if self.requests:
            line, client, key = data.draw(st.sampled_from(self.requests))
            self.do(self.desk.journal.commands.cancel(line, client, key, None, Reply()))

    @rule(minutes=st.integers(1, 40))
    def pass_(self, minutes: int) -> None:
        """Time passes, and what is over expires."""
        self.desk.clock.pass_(minutes=minutes)
        self.do(self.desk.journal.upkeep.expire(1_000))

    @rule()
    def restart(self) -> None:
        """The journal counts anew."""
        self.do(self.desk.journal.aclose())
        self.desk = self.do(Desk.at(self.desk.place, self.desk.clock, **self.limits))
        self.do(self.desk.journal.calls.recover())

    @invariant()
    def what_waits_is_counted(self) -> None:
        """A request that nothing has room for says how many wait."""
        waiting = self.waiting()
        assert said(self.do(self.desk.send(*CROWD * 5)))[2] == waiting[()]
        assert waiting[()] <= self.limits["waiting_copies"]

    def waiting(self) -> Counter[tuple[str | None, ...]]:
        """The copies that wait, by what they are counted for."""
        found: Counter[tuple[str | None, ...]] = Counter()
        for line, client, key in self.requests:
            answer = self.do(self.desk.journal.commands.lookup(line, client, key, None, Reply()))
            copies = sum(one["status"] in {"scheduled", "queued", "sending"} for one in answer.body["copies"])
            for place in ((), (line,), (line, client)):
                found[place] += copies
        return found


TestCounting, TestCountingOnPostgresql = on_each_database(Counting, steps=20, examples=settings().max_examples // 5)

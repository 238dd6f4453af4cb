"""Copies -> a journal, by relay's own journal code: queued, or finished long ago. relay itself does not run meanwhile.

python -m bench.filling JOURNAL --queued 1000000
python -m bench.filling JOURNAL --finished 5000000
"""

import argparse
import asyncio
from collections.abc import Iterator

import uvloop

from bench.marks import mark, phone
from bench.settings import ALIAS
from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, Plan, SendRequest
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal

QUEUED_EACH = 10_000  # recipients of a request that is queued: bus.max_recipients
FINISHED_EACH = 50  # of one that is finished: a call's
_AT_ONCE = 50  # requests that are finished together
_EVENTS = 5_000


async def fill(url: str, *, queued: int, finished: int, per_call: int) -> None:
    """Put so many copies into the journal at `url`; queued ones go `per_call` to a call."""
    clock = SystemClock()
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="filler") as journal:
        await _in_parts(journal, finished, FINISHED_EACH, "done", Plan("gsm-7", 1, FINISHED_EACH))
        await _in_parts(journal, queued, QUEUED_EACH, "wait", Plan("gsm-7", 1, per_call))
        await _publish(journal)


async def _in_parts(journal: Journal, copies: int, each: int, word: str, plan: Plan) -> None:
    requests = _requests(copies, each, word)
    is_done = word == "done"
    while some := [request for _, request in zip(range(_AT_ONCE if is_done else 1), requests, strict=False)]:
        await asyncio.gather(*(journal.commands.accept(one, plan, [None] * len(one.to), None) for one in some))
        if is_done:
            await asyncio.gather(*(_finish(journal) for _ in some))
        await _publish(journal)


def _requests(copies: int, each: int, word: str) -> Iterator[SendRequest]:
    for number, first in enumerate(range(0, copies, each)):
        to = tuple(outbound(phone(at)) for at in range(first, min(first + each, copies)))
        text = f"Your {mark(number)} has left our house, and will be with you tomorrow between nine and twelve."
        yield SendRequest(ALIAS, None, f"{word}-{number}", "digest", to, text)


async def _finish(journal: Journal) -> None:
    call = await journal.calls.claim(ALIAS, journal.owner)
    if call is not None:
        handovers = tuple(Handover(Fact.SUBMITTED_UNTRACKED) for _ in call.recipients)
        await journal.calls.answered(call.call_id, journal.owner, CallAnswer(None, handovers), first_look=None)


async def _publish(journal: Journal) -> None:
    """Nobody hears of what was long ago."""
    while events := await journal.events.pending(0, _EVENTS):
        await journal.events.published([one.id for _, one in events])


def main() -> None:
    """Fill."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("journal", help="its address; its tables are made if need be")
    asked.add_argument("--queued", type=int, default=0, help="copies that wait to be sent")
    asked.add_argument("--finished", type=int, default=0, help="copies that have ended")
    asked.add_argument("--per-call", type=int, default=1, help="recipients of a call, of those that wait")
    given = asked.parse_args()
    uvloop.run(fill(given.journal, queued=given.queued, finished=given.finished, per_call=given.per_call))


if __name__ == "__main__":
    main()

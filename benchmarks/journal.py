"""How many texts a second the journal takes through by itself, by one node and by several; as ratios in one run.

    python -m benchmarks.journal

One transaction at a time writes, over all nodes: this is the limit that they share.
"""

import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Barrier

from benchmarks.table import show
from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, Plan, SendRequest
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal
from tests import databases

COUNTS = (1, 2, 3)
CYCLES = 600  # in all, whoever makes them
AT_ONCE = 50  # cycles of one node


def cycles(url: str, node: str, count: int, ready: Barrier) -> None:
    """Accept, claim and end `count` texts, as one node; the first of its line are not timed."""
    asyncio.run(_cycles(url, node, count, ready))


async def _cycles(url: str, node: str, count: int, ready: Barrier) -> None:
    clock, line = SystemClock(), f"line-{node}"
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node=node) as journal:
        await asyncio.to_thread(ready.wait)

        async def work(own: int) -> None:
            for number in range(count // AT_ONCE):
                request = SendRequest(line, None, f"{node}-{own}-{number}", "digest", (outbound("+12065550101"),), "Hi")
                await journal.commands.accept(request, Plan("gsm-7", 1, 50), [None], None)
                call = await journal.calls.claim(line, journal.owner)
                if call is not None:
                    answer = CallAnswer(None, tuple(Handover(Fact.SUBMITTED) for _ in call.recipients))
                    await journal.calls.answered(call.call_id, journal.owner, answer, first_look=None)

        await asyncio.gather(*(work(own) for own in range(AT_ONCE)))


def journaling(url: str, count: int) -> float:
    """Texts a second that the journal at `url` takes through, from so many nodes at once."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(count + 1)
    each = CYCLES // count
    nodes = [context.Process(target=cycles, args=(url, f"n{number}", each, ready)) for number in range(count)]
    for node in nodes:
        node.start()
    ready.wait()
    began = time.monotonic()
    for node in nodes:
        node.join()
    return count * (each // AT_ONCE) * AT_ONCE / (time.monotonic() - began)


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        rates = [("SQLite, 1 process", journaling(f"sqlite:///{folder}/relay.db", 1))]
    for count in COUNTS:
        with databases.borrowed() as database:
            rates.append((f"PostgreSQL, {count} node(s)", journaling(database.url, count)))
    show("The journal alone", rates)
    databases.end_shared()


if __name__ == "__main__":
    main()

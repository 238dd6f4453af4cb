"""Kill relay at each of its named boundaries: what comes of what was under way is known beforehand, row by row."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from relay.boundaries import Boundary
from tests.battery.checker import Findings
from tests.battery.crashing import FallingRelay
from tests.battery.table import Row
from tests.brokers import free_port
from tests.system.inhouse import DESK, FRIEND, agree, followed, line_state
from tests.system.ledgers import compare
from tests.system.world import LINES, World, world

TO = "+13125550001"
FALLS_WITHIN = 30.0
SPEED = 120.0  # AT&T keeps a text for thirty minutes: fifteen real seconds, which a start must not take
# As soon as it is on disk, a text that is due may be claimed as well, at the same moment.
NOT_YET_SENT = {Boundary.COMMAND_KEPT, Boundary.COMMAND_ACKNOWLEDGED}
LATER = timedelta(minutes=4)  # two real seconds, which the fall does not take
# Elsewhere tested, because it lies before READY: `test_process_upgrade.py`.
AT_THE_START = {Boundary.TABLES_CHANGED, Boundary.MOVE_COPIED, Boundary.MOVE_MARKED, Boundary.MOVE_COMMITTED}


@dataclass(frozen=True)
class Expected:
    """What becomes of one text, or one text in, that was under way where relay fell.

    Attributes:
        provoke: what leads to the boundary: `send`, `text-in`, `hook`, `mailbox`, or `token`.
        results: how the command was answered: each answer with `new`, `again` where it is told as a replay, and
            `perhaps` where such a replay may come or not.
        sent: how often AT&T took it.
        end: the copy's last status.
        heard: how often a text in was told.
        redelivered: events that were heard once more under their own id.
        told_losses: how often relay said that texts may be lost.
        why: one sentence.
    """

    provoke: str
    why: str
    results: Sequence[str] = ()
    sent: int = 0
    end: str | None = None
    heard: int = 0
    redelivered: int = 0
    told_losses: int = 0


def out(why: str, *results: str, sent: int = 1, end: str = "delivered", **more: Any) -> Expected:
    """A text to a phone."""
    return Expected("send", why, results or ("new",), sent, end, **more)


EXPECTED: dict[Boundary, Expected] = {
    Boundary.COMMAND_TAKEN: out("nothing was written: the broker delivers it again"),
    Boundary.COMMAND_KEPT: out("the broker delivers it again, and relay knows it", "new", "again"),
    Boundary.COMMAND_ACKNOWLEDGED: out("the acknowledgement may or may not have left", "new", "perhaps"),
    Boundary.CALL_CLAIMED: out("nobody can tell that no byte of it had left", sent=0, end="uncertain"),
    Boundary.CALL_ANSWERED: out("the answer is lost: nothing is sent again", end="uncertain"),
    Boundary.CALL_ENDED: out("how it ended is on disk"),
    Boundary.EVENT_READ: Expected("hook", "it was not published yet, and is now", heard=1),
    Boundary.EVENT_CONFIRMED: Expected("hook", "the same event once more, under the same id", heard=1, redelivered=1),
    Boundary.STATUS_FETCHED: out("AT&T tells a final status once, and that answer is lost", end="unknown"),
    Boundary.STATUS_KEPT: out("its bytes are on disk"),
    Boundary.INBOX_BEGUN: Expected(
        "text-in", "nobody can tell that nothing was asked for", heard=1, told_losses=1
    ),
    Boundary.INBOX_FETCHED: Expected("text-in", "AT&T has deleted the page: a loss is told", told_losses=1),
    Boundary.INBOX_KEPT: Expected("text-in", "its bytes are on disk", heard=1),
    Boundary.HOOK_TAKEN: Expected("hook", "AT&T has no answer, and calls again", heard=1),
    Boundary.HOOK_KEPT: Expected("hook", "AT&T calls again, and relay knows it", heard=1),
    Boundary.HOOK_READ: Expected("hook", "its bytes are on disk", heard=1),
    Boundary.CHANGES_FETCHED: Expected("mailbox", "reading deletes nothing: it is read again", heard=1),
    Boundary.CHANGES_KEPT: Expected("mailbox", "they are on disk with the cursor", heard=1),
    Boundary.TOKEN_FETCHED: Expected(
        "token", "a new token is asked for; the fetch that wanted it had begun", heard=1, told_losses=1
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def falling(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world for all rows, so that only relay is started again."""
    folder = tmp_path_factory.mktemp("falling")
    async with world(folder, free_port, speed=SPEED, lines=LINES + DESK, relay=FallingRelay, modes=MODES) as made:
        await made.relay.start()
        await made.listening()
        await agree(made)
        await followed(made)
        yield made


MODES = {"handset": {"fates": False}}
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_no_boundary_is_missing() -> None:
    """What relay names is a row here, or tested where it lies."""
    assert set(EXPECTED) | AT_THE_START == set(Boundary)


@pytest.mark.parametrize("boundary", EXPECTED, ids=str)
async def test_what_was_under_way_where_relay_fell_ends_as_expected(
    falling: World, boundary: Boundary, found: Callable[[Row], None]
) -> None:
    """A row of the table; what flows besides is whole as well."""
    wanted = EXPECTED[boundary]
    await _stands(falling)
    before, name = compare(falling), f"at-{boundary}"
    relay = _relay(falling)
    relay.arm(boundary)
    # AT&T is simulated in this loop: nothing is answered between the two.
    await (_send_later if boundary in NOT_YET_SENT else PROVOKE[wanted.provoke])(falling, name)
    async with asyncio.timeout(FALLS_WITHIN):
        await relay.fallen()
    recovered = await _restarted(falling)
    await _ended(falling, name, wanted)
    await _flows(falling, name)
    after = compare(falling)
    assert _outcome(falling, name, wanted, before, after) == wanted
    found(_row(f"SIGKILL at {boundary}", wanted, recovered, before, after))


async def test_a_call_that_was_written_and_not_answered_is_uncertain_and_not_made_again(
    falling: World, found: Callable[[Row], None]
) -> None:
    """The moment that only the outside can make: AT&T has the text, and relay falls before any answer."""
    await _stands(falling)
    before, name = compare(falling), "at-unanswered"
    falling.fault("delay", "send", processed=True, seconds=FALLS_WITHIN, real=True)
    await _send(falling, name)
    await falling.until_att(lambda: falling.accepted(name), within=FALLS_WITHIN)
    await falling.relay.kill()
    recovered = await _restarted(falling)
    wanted = out("nobody can tell that AT&T has it: a person is asked", end="uncertain")
    await _ended(falling, name, wanted)
    await _flows(falling, name)
    after = compare(falling)
    assert _outcome(falling, name, wanted, before, after) == wanted
    found(_row("request written, not answered", wanted, recovered, before, after))


async def test_a_refresh_token_whose_successor_was_lost_asks_the_subscriber_again(
    falling: World, found: Callable[[Row], None]
) -> None:
    """AT&T replaces a refresh token as it gives out the next: what relay did not keep, nobody can ask for again."""
    await _stands(falling)
    before, name = compare(falling), "at-refreshed"
    relay = _relay(falling)
    relay.arm(Boundary.TOKEN_FETCHED)
    falling.act("expire-tokens")
    falling.act("receive", from_=FRIEND, text=name)
    async with asyncio.timeout(FALLS_WITHIN):
        await relay.fallen()
    recovered = await _restarted(falling)
    await falling.ears.until(lambda: line_state(falling, "desk") == "consent_required", what="consent is asked for")
    await agree(falling)
    wanted = Expected("mailbox", "the line says that it needs consent; then all that came is told", heard=1)
    await _ended(falling, name, wanted)
    after = compare(falling)
    assert _outcome(falling, name, wanted, before, after) == wanted
    found(_row("SIGKILL at token.fetched, In-App", wanted, recovered, before, after))


async def _send(made: World, name: str) -> None:
    await made.publish("relay/line/alerts/send", {"id": name, "to": TO, "text": name})


async def _send_later(made: World, name: str) -> None:
    send_at = (made.att.world.clock.now() + LATER).isoformat()
    await made.publish("relay/line/alerts/send", {"id": name, "to": TO, "text": name, "send_at": send_at})


async def _renewed(made: World, name: str) -> None:
    made.att.world.oauth.expire("att-sms")
    await _text_in(made, name)


async def _text_in(made: World, name: str) -> None:
    made.text_in(FRIEND, "12345", name)


async def _hook(made: World, name: str) -> None:
    made.text_in(FRIEND, "+12065550100", name)


async def _mail(made: World, name: str) -> None:
    made.act("receive", from_=FRIEND, text=name)


PROVOKE: dict[str, Callable[[World, str], Coroutine[Any, Any, None]]] = {
    "send": _send,
    "text-in": _text_in,
    "hook": _hook,
    "mailbox": _mail,
    "token": _renewed,
}


def _relay(made: World) -> FallingRelay:
    assert isinstance(made.relay, FallingRelay)
    return made.relay


async def _stands(made: World) -> None:
    """Relay runs, also after a row that failed."""
    _relay(made).disarm()
    made.att.world.faults.clear()
    if made.relay.process.returncode is not None:
        await made.relay.start()


async def _restarted(made: World) -> float:
    """Start relay again; real seconds until it was ready."""
    began = time.monotonic()
    await made.relay.start()
    return time.monotonic() - began


async def _ended(made: World, name: str, wanted: Expected) -> None:
    """Wait until all has come that is expected; what is too much comes before the next text has its end."""

    def ended() -> bool:
        return (
            len(_results(made, name)) >= sum(answer != "perhaps" for answer in wanted.results)
            and _end(made, name) == wanted.end
            and _heard(made, name) >= wanted.heard
        )

    await made.ears.until(ended, within=FALLS_WITHIN, what=f"{name}: {wanted}")


async def _flows(made: World, name: str) -> None:
    """Another text goes out and is told: whatever was published before it has been heard."""
    after = f"after {name}"
    await made.publish("relay/line/alerts/send", {"id": after, "to": TO, "text": after})
    await made.ears.until(lambda: _end(made, after) == "delivered", within=FALLS_WITHIN, what=f"{after} is delivered")


def _results(made: World, name: str) -> tuple[str, ...]:
    found = [event["data"] for event in made.ears.events("result") if event["data"]["request_id"] == name]
    return tuple("again" if data["replayed"] else "new" for data in found)


def _end(made: World, name: str) -> str | None:
    receipts = [event["data"] for event in made.ears.events("receipt") if event["data"]["request_id"] == name]
    return receipts[-1]["status"] if receipts and (receipts[-1]["final"] or _waits(receipts[-1])) else None


def _waits(receipt: dict[str, Any]) -> bool:
    return bool(receipt["status"] == "uncertain")


def _heard(made: World, name: str) -> int:
    return sum(event["data"]["text"] == name for event in made.ears.events("message"))


def _outcome(made: World, name: str, wanted: Expected, before: Findings, after: Findings) -> Expected:
    """What became of it; what may happen at any fall besides counts only where it is expected."""
    results = _results(made, name)
    if wanted.results[-1:] == ("perhaps",) and results in {wanted.results[:-1], (*wanted.results[:-1], "again")}:
        results = tuple(wanted.results)
    redelivered, told = after.redelivered - before.redelivered, after.told_losses - before.told_losses
    return replace(
        wanted,
        results=results,
        sent=len(made.accepted(name)),
        end=_end(made, name),
        heard=_heard(made, name),
        redelivered=min(redelivered, wanted.redelivered),
        told_losses=told if wanted.provoke in {"text-in", "token"} else 0,
    )


def _row(fault: str, wanted: Expected, recovered: float, before: Findings, after: Findings) -> Row:
    return Row("P2", fault, 1, after.lost - before.lost, after.twice - before.twice, recovered, wanted.why)

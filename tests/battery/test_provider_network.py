"""The network between relay and AT&T breaks in every way there is, on a line of each provider."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.battery.providing import ALL, LOST, SENT, TAKEN, TIMEOUT, Expected, Providers, providers
from tests.battery.table import Row
from tests.chaosproxy import Fault
from tests.system.inhouse import texts

pytestmark = pytest.mark.timeout(600)

INBOX, SHORT_CODE, SOMEBODY = "GET /sms/v3/messaging/inbox", "12345", "+12065550177"
TEXTS = 20  # as many as AT&T puts on a page
NEVER = "cut-before", "half-open", "garbage"
REACHED = {"cut-after": {}, "cut-middle": {"size": 40}, "swallow": {}, "drip": {}, "throttle": {"size": 30}}
HARMLESS: dict[str, dict[str, Any]] = {"latency": {"seconds": 0.3}, "throttle": {"size": 20_000}}


async def test_whatever_breaks_is_in_doubt_if_it_was_written_and_else_goes_out_later(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """No text is lost or doubled; what AT&T shows later settles what it can."""
    async with providers(tmp_path, free_port) as here:
        for _ in range(5 if long else 1):
            await before_it_was_written(here, found)
            await after_it_was_written(here, found)
            await answers_that_are_too_much(here, found)


async def before_it_was_written(here: Providers, found: Callable[[Row], None]) -> None:
    """The port is closed: nothing was sent, and every text goes out once it is open again."""
    await here.proxy.refuse()
    names = {await here.send(line): SENT[line] for line in ALL for _ in range(4)}
    for line in ALL:
        await here.made.ears.until(lambda line=line: here.line(line)["circuit"] is not None, what="the circuit is open")
        assert "brought no usable answer" in here.line(line)["circuit"]["reason"]
    await here.proxy.accept()
    began = time.monotonic()
    await here.ends(names, "what waited for the provider")
    for line in ALL:
        await here.made.ears.until(lambda line=line: here.line(line)["circuit"] is None, what="the circuit is closed")
    recovered = time.monotonic() - began
    found(
        await here.row("V5", "AT&T's port is closed, then open", len(ALL), recovered, "the circuits opened, and closed")
    )


async def after_it_was_written(here: Providers, found: Callable[[Row], None]) -> None:
    """In doubt, whether or not AT&T has it: never sent again."""
    kinds: list[tuple[str, dict[str, Any], Expected]] = [
        *((kind, {}, LOST) for kind in NEVER),
        *((kind, how, TAKEN) for kind, how in REACHED.items()),
        *((kind, how, SENT) for kind, how in HARMLESS.items()),
    ]
    recovered = 0.0
    for kind, how, expected in kinds:
        for line in ALL:
            here.disturb(line, kind, **how)
        began = time.monotonic()
        await here.on_each(expected, f"{kind} {how}")
        took = time.monotonic() - began
        recovered = max(recovered, await here.well())
        if kind == "drip":
            assert took >= TIMEOUT
            found(await here.row("V8", "an answer byte by byte: the time for all of it wins", len(ALL), recovered))
    found(await here.row("V5", f"cut, stalled, garbled or slow: {len(kinds)} ways", len(kinds) * len(ALL), recovered))


async def answers_that_are_too_much(here: Providers, found: Callable[[Row], None]) -> None:
    """A bomb, a flood, and headers without end: nothing of it stays in memory."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    bomb = gzip.compress(bytes(200 << 20), 9)
    packed = head + b"Content-Encoding: gzip\r\nContent-Length: " + str(len(bomb)).encode() + b"\r\n\r\n" + bomb
    flood = head + b"Content-Length: 209715200\r\n\r\n"
    many = head + b"".join(b"X-%d: y\r\n" % place for place in range(40_000)) + b"\r\n{}"
    long = head + b"X-Long: " + b"y" * (9 << 10) + b"\r\n\r\n{}"
    await here.well()
    before = forget_peak()
    for answer, size in ((packed, 0), (flood, 200 << 20), (many, 0), (long, 0)):
        for line in ALL:
            here.disturb(line, "garbage", answer=answer, size=size)
            await here.on_each(LOST, "an answer that is too much", [line])
    # The bomb itself, and what tests and simulator have of it, are in this process as well.
    growth = peak() - before
    assert growth < 20 << 20, f"{growth >> 20} MiB"
    recovered = await here.well()
    about = "gzip bomb, 200 MB, 40,000 headers, a header of 9 kB"
    found(await here.row("V9", about, 4 * len(ALL), recovered, f"memory grew by {growth >> 20} MiB at most"))


def peak() -> int:
    """The most memory that this process had since it was forgotten, in bytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def forget_peak() -> int:
    """Measure from now on; what it has now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


async def test_an_inbox_page_that_breaks_off_is_saved_message_by_message(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """AT&T has deleted it: what came is kept, its whole messages are told, and a person hears of the rest."""
    saved = lost = times = 0
    async with providers(tmp_path, free_port, speed=300, sync="60s") as here:
        made = here.made
        for size in (900, 1600, 2400):
            times += 1
            for number in range(TEXTS):
                made.text_in(SOMEBODY, SHORT_CODE, f"page {times} text {number}")
            before = len(made.ears.events("event.loss-suspected"))
            here.proxy.do(Fault("cut-middle", path=INBOX, size=size))
            await made.ears.until(
                lambda before=before: len(made.ears.events("event.loss-suspected")) > before, what="the loss is told"
            )
            await made.ears.until(
                lambda times=times: len(made.ears.events("dead")) == times, what="the rest is set aside"
            )
            told = [text for text in texts(made) if text.startswith(f"page {times} ")]
            assert told == [f"page {times} text {number}" for number in range(len(told))]
            saved, lost = saved + len(told), lost + TEXTS - len(told)
        assert saved > TEXTS
        row = await here.row("V11", "an inbox page breaks off", times, None, f"{saved} of {saved + lost} texts saved")
    found(row)

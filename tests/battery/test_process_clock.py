"""The machine's clock is put forward by hours and back by a month: nothing is sent early, twice, or a month late."""

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.battery.table import Row
from tests.system.ledgers import compare
from tests.system.world import LINES, RelayProcess, World, world

FORWARD, BACK = timedelta(hours=2), timedelta(days=-30)
MODES = {"handset": {"fates": False}, "att-sms": {"delivery_seconds": 1}}
TO = "+13125550001"
WITHIN = 120.0  # seconds: the machine may be slow, but nothing takes a month
RETRY = 4  # seconds that AT&T asks to wait


class ElsewhenRelay(RelayProcess):
    """A relay whose clock, and nobody else's, is put forward and back."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ahead = timedelta()
        self._file = directory / "clock"
        self.put(timedelta())
        self.environment = _faked(self._file)

    def put(self, ahead: timedelta) -> None:
        """Let its clock be so far ahead of the machine's, from now on."""
        self.ahead = ahead
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{ahead.total_seconds():+.0f}\n")
        whole.rename(self._file)

    def now(self) -> datetime:
        """What its clock says."""
        return datetime.now(UTC) + self.ahead


def _faked(file: Path) -> Mapping[str, str]:
    assert shutil.which("faketime"), "faketime is missing: run scripts/tools"
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.timeout(300)
async def test_a_clock_that_jumps_sends_nothing_early_twice_or_a_month_late(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Two hours forward, a month back, and so over a restart; what waits for AT&T's sake waits as long as before."""
    async with world(tmp_path, free_port, speed=1, lines=LINES, relay=ElsewhenRelay, lab=False, modes=MODES) as made:
        relay = made.relay
        assert isinstance(relay, ElsewhenRelay)
        await relay.start()
        await made.listening()
        tomorrow = (relay.now() + timedelta(days=1)).isoformat()
        await made.publish("relay/line/alerts/send", {**_request("tomorrow"), "send_at": tomorrow})
        late = [await _waits_over(made, relay, name, ahead) for name, ahead in (("forth", FORWARD), ("back", BACK))]
        late.append(await _waits_over(made, relay, "restarted", 2 * BACK, restart=True))
        jumps = [line["seconds"] for line in relay.logged("clock.jumped")]
        assert not made.accepted("tomorrow")
        await made.publish("relay/line/alerts/cancel", {"id": "tomorrow"})
        await made.ears.until(lambda: compare(made).lost == 0, within=WITHIN, what="all has ended")
        findings = compare(made)
        assert made.violations() == []

    assert findings.is_clean, findings
    assert [timedelta(hours=round(seconds / 3600)) for seconds in jumps] == [FORWARD, BACK - FORWARD, BACK]
    note = f"+2 h, -30 d, and -30 d over a restart; at most {max(late):.0f} s after AT&T's {RETRY} s; {findings}"
    found(Row("P9", "the clock jumps", len(late), findings.lost, findings.twice, max(late), note))


async def _waits_over(
    made: World, relay: ElsewhenRelay, name: str, ahead: timedelta, *, restart: bool = False
) -> float:
    """A text has to wait for AT&T's sake while the clock jumps; real seconds until it went out after all."""
    made.fault("retry-after", "send", status=429, after=RETRY)
    refused = len(made.ledger("fault"))
    await made.publish("relay/line/alerts/send", _request(name))
    await made.until_att(lambda: len(made.ledger("fault")) > refused, within=WITHIN)
    began = time.monotonic()
    await made.ears.result(name)
    if restart:
        assert await relay.stop() == 0
    relay.put(ahead)
    if restart:
        await relay.start()
        began = time.monotonic()
    await made.until_att(lambda: made.accepted(name), within=WITHIN)
    return time.monotonic() - began


def _request(name: str) -> dict[str, Any]:
    return {"id": name, "to": TO, "text": name, "receipts": False}

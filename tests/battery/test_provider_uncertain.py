"""What follows from an ambiguous answer: for each provider, each wish and each truth, as was promised.

In-App Messaging shows in its mailbox what it took, Landline Texting in its `send` web hook: a resend waits for that
evidence first. The SMS API shows nothing: an answer that never came took the only id with it, by which a status could
be asked for, and there is no list of what was sent. There a resend may double, and only who asks for it gets one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.battery.providing import ALERTS, ALL, OFFICE, SUBSCRIBERS, providers
from tests.battery.table import Row

pytestmark = pytest.mark.timeout(600)

# (line, wish, whether AT&T took it) -> how the copy ends, and how many texts AT&T has.
GOOD = {ALERTS: {"delivered"}, OFFICE: {"delivered"}, SUBSCRIBERS: {"submitted"}}
PROMISED: dict[tuple[str, str, bool], tuple[set[str], int]] = {
    **{(line, "hold", False): ({"uncertain"}, 0) for line in ALL},
    **{(line, "fail", False): ({"failed"}, 0) for line in ALL},
    **{(line, "resend", False): (GOOD[line], 1) for line in ALL},
    (ALERTS, "hold", True): ({"uncertain"}, 1),
    (ALERTS, "fail", True): ({"failed"}, 1),
    (ALERTS, "resend", True): (GOOD[ALERTS], 2),
    **{(line, "hold", True): (GOOD[line], 1) for line in (OFFICE, SUBSCRIBERS)},
    # It is given up, unless the evidence was faster than the failure.
    **{(line, "fail", True): ({"failed"} | GOOD[line], 1) for line in (OFFICE, SUBSCRIBERS)},
    **{(line, "resend", True): (GOOD[line], 1) for line in (OFFICE, SUBSCRIBERS)},
}
WAYS: Sequence[tuple[str, bool]] = [
    ("cut-before", False),
    ("cut-after", True),
    ("cut-middle", True),
    ("half-open", False),
    ("swallow", True),
]


async def test_every_ambiguous_answer_ends_as_its_request_wishes(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """Held, sent again or given up; where there is evidence, it comes first."""
    ways = WAYS if long else WAYS[:2]
    async with providers(tmp_path, free_port) as here:
        for do, is_taken in ways:
            for wish in ("hold", "resend", "fail"):
                names: dict[str, str] = {}
                for line in ALL:
                    here.disturb(line, do, size=40)
                    names[await here.send(line, on_uncertain=wish)] = line
                expected = {name: PROMISED[line, wish, is_taken][0] for name, line in names.items()}
                await here.ends(expected, f"{do}, {wish}")
                for name, line in names.items():
                    assert len(here.made.accepted(name)) == PROMISED[line, wish, is_taken][1], (line, do, wish)
            await here.well()
        cases = len(ways) * 3 * len(ALL)
        row = await here.row(
            "V15", "an ambiguous answer, for each line and wish", cases, None, "evidence before a resend"
        )
    found(row)

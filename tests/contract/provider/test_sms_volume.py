"""Thousands of texts that wait in an inbox: every dialect brings each of them once."""

from typing import Any

import pytest

from tests.conftest import LONG

TEXTS = 10_000 if LONG else 2_000
BATCH = 400

DIALECTS = [
    ({}, {}),
    ({}, {"shape": "served", "empty_counts": True}),
    ({"dialect": "rest2"}, {}),
    ({"dialect": "oneapi"}, {}),
    ({"dialect": "oneapi", "oneapi_version": 3}, {"format": "json"}),
]


@pytest.mark.parametrize(("settings", "modes"), DIALECTS)
async def test_thousands_of_texts_come_in_batches_and_each_comes_once(
    simulator: Any, connect: Any, settings: dict[str, Any], modes: dict[str, Any]
) -> None:
    """In their order, nothing lost and nothing doubled; the last page is the one that says so."""
    simulator.set_modes("att-sms", {**modes, "batch": BATCH})
    senders = [f"+1206555{place % 97:04}" for place in range(TEXTS)]
    for place, sender in enumerate(senders):
        simulator.world.handset.text(sender=sender, to="12345", text=f"{place} — <&> 👋")
    line = await connect(**settings)
    came: list[tuple[str, str]] = []
    pending = TEXTS
    while pending:
        page = line.read_inbox(await line.fetch_inbox())
        came += [(message.sender.value, message.text) for message in page.messages]
        assert page.pending == pending - len(page.messages)
        pending = page.pending
    assert came == [(sender, f"{place} — <&> 👋") for place, sender in enumerate(senders)]
    assert simulator.world.violations.lines() == []

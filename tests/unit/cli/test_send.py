"""How `relay send --watch` follows copies to their ends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer import Exit

from relay.cli.send import _follow


def receipt(copy_id: str, status: str, *, final: bool, message_id: str = "m1") -> dict[str, Any]:
    """A receipt, as the daemon tells of it."""
    about = {"message_id": message_id, "copy_id": copy_id, "to": "+12065550142", "confirmed": True, "error": None}
    return {"type": "relay.receipt.v1", "data": {**about, "status": status, "final": final}}


def queued(*copies: str) -> list[dict[str, Any]]:
    """Copies of a result."""
    return [{"copy_id": copy, "status": "queued", "to": "+12065550142"} for copy in copies]


async def heard(*events: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Events, and then nothing more."""
    for event in events:
        yield event


async def test_it_ends_with_the_last_copy():
    """Only this message's receipts count, and only final ones end a copy."""
    events = heard(
        {"type": "relay.message.v1", "data": {"text": "something else"}},
        receipt("c1", "submitted", final=False),
        receipt("c1", "delivered", final=True),
        receipt("c2", "delivered", final=True, message_id="m2"),
        receipt("c2", "unknown", final=True),
    )
    assert await _follow(events, "m1", queued("c1", "c2"), as_json=False)


@pytest.mark.parametrize("status", ["failed", "undelivered", "expired", "canceled"])
async def test_a_copy_that_ends_badly_is_a_failure(status: str):
    """The exit code tells it."""
    events = heard(receipt("c1", "delivered", final=True), receipt("c2", status, final=True))
    assert not await _follow(events, "m1", queued("c1", "c2"), as_json=False)


async def test_what_has_ended_before_is_not_waited_for(capsys: pytest.CaptureFixture[str]):
    """A request that comes again is told as it stands."""
    stands = [receipt("c1", "delivered", final=True)["data"]]
    assert await _follow(heard(), "m1", stands, as_json=False)
    assert capsys.readouterr().out == "  +12065550142  delivered  (final)\n"


async def test_a_copy_that_was_refused_at_once_is_a_failure():
    """No receipt follows for it, so that none is waited for."""
    refused = {"copy_id": "c1", "status": "failed", "to": "+12065550142"}
    assert not await _follow(heard(), "m1", [refused], as_json=False)


async def test_a_daemon_that_stops_meanwhile_is_told(capsys: pytest.CaptureFixture[str]):
    """It is a failure, and says where the rest can be learned."""
    with pytest.raises(Exit) as ended:
        await _follow(heard(receipt("c1", "sent", final=False)), "m1", queued("c1"), as_json=True)
    assert ended.value.exit_code == 1
    assert "relay trace" in capsys.readouterr().err

"""Kept attachments: found by their token until they expire."""

from datetime import timedelta

import pytest

from relay.domain.messages import Part
from relay.journal import KeptMedia
from tests.contract.journal.desk import LINE, START, Desk

SOON, LATER = START + timedelta(hours=1), START + timedelta(hours=2)


async def test_an_attachment_is_found_by_its_token(desk: Desk) -> None:
    """With everything that its answer needs; also after a kill."""
    await desk.journal.media.keep(LINE, Part("image/png", "a.png", size=7, token="t"), SOON)
    await desk.journal.media.keep(LINE, Part("image/png", data=b"12345", token="u"), SOON)
    left = await desk.after_kill()
    assert await left.journal.media.find("t") == KeptMedia("t", LINE, "image/png", "a.png", 7, SOON)
    assert await left.journal.media.find("u") == KeptMedia("u", LINE, "image/png", None, 5, SOON)
    assert await left.journal.media.find("T") is None
    await left.journal.aclose()


async def test_an_expired_attachment_is_not_found(desk: Desk) -> None:
    """It is listed until it was dropped."""
    await desk.journal.media.keep(LINE, Part("image/png", size=7, token="t"), LATER)
    await desk.journal.media.keep(LINE, Part("image/png", size=7, token="u"), SOON)
    assert await desk.journal.media.expired(10) == []
    desk.clock.pass_(hours=2)
    assert await desk.journal.media.find("t") is None
    assert await desk.journal.media.expired(10) == ["u", "t"]
    assert await desk.journal.media.expired(1) == ["u"]
    await desk.journal.media.drop(["u", "unheard of"])
    assert await desk.journal.media.expired(10) == ["t"]


async def test_an_attachment_that_is_kept_again_lives_longer(desk: Desk) -> None:
    """As one."""
    for expires_at in (SOON, LATER):
        await desk.journal.media.keep(LINE, Part("image/png", size=7, token="t"), expires_at)
    desk.clock.pass_(hours=1)
    found = await desk.journal.media.find("t")
    assert found is not None
    assert found.expires_at == LATER


async def test_an_attachment_without_a_token_cannot_be_kept(desk: Desk) -> None:
    """Nobody would find it."""
    with pytest.raises(ValueError, match="token"):
        await desk.journal.media.keep(LINE, Part("image/png", size=7), SOON)

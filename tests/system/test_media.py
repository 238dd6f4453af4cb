"""Large attachments are handed out under addresses that nobody can guess and that end."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.inhouse import DESK, FRIEND, OFFICE, at_home, followed, part

LARGE = bytes(range(256)) * 8
PATIENCE = 20.0
LIMITS = 'inline_max = "1 kB"\nlifetime = "3m"'


async def fetched(address: str) -> tuple[int, bytes, str]:
    """What is had there."""
    async with aiohttp.ClientSession() as reader, reader.get(address) as answer:
        return answer.status, await answer.read(), answer.content_type


@pytest.mark.parametrize("public", [True, False])
async def test_a_large_attachment_is_handed_out_byte_for_byte_until_it_expires(
    tmp_path: Path, free_port: Callable[[], int], public: bool
):
    """By the public listener where there is one, else by the admin listener; unknown addresses are a 404."""
    async with at_home(tmp_path, free_port, lines=DESK + OFFICE, media=LIMITS) as made:
        await followed(made)
        if not public:
            # The consent is kept: the line needs no public address any more.
            await made.relay.stop()
            path = tmp_path / "relay.toml"
            kept = [line for line in path.read_text().splitlines() if not line.startswith("public_url")]
            await asyncio.to_thread(path.write_text, "\n".join(kept))
            await made.relay.start()
        large = part(LARGE, "image/jpeg", "large.jpg")
        made.act("receive", from_=FRIEND, text="two", parts=[part(), large])

        def media() -> list[dict[str, Any]]:
            return [each for event in made.ears.events("message") for each in event["data"]["media"]]

        await made.ears.until(media, what="the MMS")
        by_type = {each["content_type"]: each for each in media()}
        assert by_type["image/gif"]["data"] == part()["data"]
        assert "data" not in by_type["image/jpeg"] or by_type["image/jpeg"]["data"] is None
        address, size = by_type["image/jpeg"]["href"], by_type["image/jpeg"]["bytes"]
        assert (size, address.startswith(f"{made.hooks}/media/")) == (len(LARGE), public)
        assert await fetched(address) == (200, LARGE, "image/jpeg")
        status, _, _ = await fetched(address[:-4] + "AAAA")
        assert status == 404
        async with asyncio.timeout(PATIENCE):
            while (await fetched(address))[0] == 200:
                pass
        assert await fetched(address) == await fetched(f"{address[:-4]}AAAA")

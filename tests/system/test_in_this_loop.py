"""The whole of relay in the test's own event loop, where the guard of `conftest.py` sees every blocking call."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from relay.providers import discover
from relay.settings import load_settings
from relay.telemetry.notify import Notifier
from relay.wiring import serve
from tests.system.world import world


async def test_nothing_blocks_the_event_loop(tmp_path: Path, free_port: Callable[[], int]):
    """Start, traffic in every direction and stop, with files, SQL, sockets and sleeps watched."""
    async with world(tmp_path, free_port) as made:
        providers = await asyncio.to_thread(discover)
        models = {name: provider.settings for name, provider in providers.items()}
        settings = await asyncio.to_thread(
            lambda: load_settings(path=tmp_path / "relay.toml", environment={}, line_models=models)
        )
        stop = asyncio.Event()
        relay = asyncio.create_task(
            serve(settings, providers, notifier=Notifier.from_environment({}), stop=stop, use_peer_key=lambda _: None)
        )
        await made.listening()
        for line in ("alerts", "office"):
            request = {"id": f"b-{line}", "to": ["+12065550001", "+12065550116"], "text": "guarded"}
            await made.publish(f"relay/line/{line}/send", request)
            result = await made.ears.result(f"b-{line}")
            assert len(await made.ears.final(result["message_id"], 2)) == 2
        await made.ears.until(lambda: made.ears.events("message"), what="the handset's reply")
        stop.set()
        await asyncio.wait_for(relay, 20)

"""Virtual time passes: the loop jumps to the moment, so that nobody sleeps."""

import asyncio


async def passes(seconds: float) -> None:
    """Return when so many seconds of the loop's have passed; others run meanwhile."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    timer = loop.call_later(max(seconds, 0.0), over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()

"""An address that holds a secret -> the user's browser, without the secret standing in a process' arguments.

The browser is given an address of this program's on loopback, good for one visit, which sends it on.
"""

import asyncio
import os
import sys
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from relay.ids import unguessable

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@asynccontextmanager
async def showing(address: str) -> AsyncIterator[None]:
    """Show `address` in a browser, where there is one; the way to it is open until it was gone, or the block ends."""
    if not _has_screen():
        yield
        return
    async with door(address) as entrance:
        await asyncio.to_thread(webbrowser.open, entrance)
        yield


@asynccontextmanager
async def door(address: str) -> AsyncIterator[str]:
    """An address on loopback that leads to `address`, once."""
    path = f"/{unguessable()}"
    ways = [address]

    async def lead(request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path != path or not ways:
            return web.Response(status=404, text="not found\n")
        return web.Response(status=302, headers={**_HEADERS, "Location": ways.pop()})

    runner = web.ServerRunner(web.Server(lead, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    finally:
        await runner.cleanup()


def _has_screen() -> bool:
    """Whether there is a screen: browsers that are made of text would take the terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))

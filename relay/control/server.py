"""The control socket itself: made before anything else begins, shut to everybody but its user and root."""

import asyncio
import errno
import socket
from pathlib import Path
from typing import Self, cast

from aiohttp import web

from relay.control.asking import Controls, in_words
from relay.control.auth import AuthRoutes
from relay.control.commands import CommandRoutes
from relay.control.dead import DeadRoutes
from relay.control.following import FollowingRoutes
from relay.control.forget import ForgetRoutes
from relay.control.optout import OptOutRoutes
from relay.control.queue import QueueRoutes
from relay.control.reload import ReloadRoutes
from relay.control.replay import ReplayRoutes
from relay.control.streams import Streams
from relay.control.webhooks import WebhookRoutes

MAX_BODY = 16 * 1024 * 1024


class ControlServer:
    """Serves the control socket.

    Args:
        path: where the socket is made; a socket that a dead daemon left there is replaced.
        controls: what it may ask.
    """

    def __init__(self, path: Path, controls: Controls) -> None:
        self._path = path
        self._streams = streams = Streams()
        app = web.Application(client_max_size=MAX_BODY, middlewares=[in_words])
        app.add_routes(CommandRoutes(controls).routes())
        app.add_routes(FollowingRoutes(controls.journal, streams).routes())
        app.add_routes(WebhookRoutes(controls.webhooks, controls.reach).routes())
        app.add_routes(AuthRoutes(controls.consents, streams).routes())
        app.add_routes(DeadRoutes(controls).routes())
        app.add_routes(QueueRoutes(controls).routes())
        app.add_routes(OptOutRoutes(controls).routes())
        app.add_routes(ForgetRoutes(controls, streams).routes())
        app.add_routes(ReplayRoutes(controls).routes())
        app.add_routes(ReloadRoutes(controls).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._socket: socket.socket | None = None

    async def claim(self) -> None:
        """Make the socket, before anything else begins; raises OSError where it cannot be made."""
        self._socket = await asyncio.to_thread(_claimed, self._path)

    async def __aenter__(self) -> Self:
        """Listen; raises OSError where the socket cannot be made."""
        if self._socket is None:
            await self.claim()
        await self._runner.setup()
        await web.SockSite(self._runner, cast("socket.socket", self._socket)).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; those who follow events, or wait for a consent, are let go."""
        self._streams.stop()
        await self._runner.cleanup()
        await asyncio.to_thread(self._path.unlink, missing_ok=True)


def _claimed(path: Path) -> socket.socket:
    """A socket at `path` that only this user and root may open; a dead daemon's is replaced, a living one's is not."""
    if path.is_socket() and _answers(path):
        raise OSError(errno.EADDRINUSE, "another relay is running behind it (admin.socket)", str(path))
    if path.exists() and not path.is_socket():
        raise OSError(errno.EEXIST, "it is there and no socket: name another place (admin.socket)", str(path))
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        claimed.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        claimed.close()
        cure = "its directory must be there, and relay's user able to write it"
        raise OSError(error.errno, f"{error.strerror}: {cure} (admin.socket)", str(path)) from None
    return claimed


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0

"""A listening socket -> connections: each is taken off the backlog once, and none is lost as the taking ends.

asyncio's own server drops what it has accepted in the moment it is closed, and takes more than there is room for.
"""

import asyncio
import errno
import socket
from collections.abc import Callable

import structlog

from relay.telemetry.sparingly import Sparingly

log = structlog.get_logger()

_AT_A_TIME = 16  # connections: those that were accepted speak before the next are
_NO_ROOM = 0.05  # seconds until it is looked again whether there is room
_NO_MEANS = 1.0  # seconds until it is tried again, where the machine has no means for a connection
_OF_THE_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Accepting:
    """Accepts connections on one socket, and makes each a protocol.

    Args:
        listening: the socket; it is closed in the end.
        protocols: makes a protocol for a connection.
        has_room: whether one more is wanted beside so many that have no protocol yet; until then it waits in the
            backlog, where its caller sees no refusal.
    """

    def __init__(
        self, listening: socket.socket, protocols: Callable[[], asyncio.BaseProtocol], has_room: Callable[[int], bool]
    ) -> None:
        self._listening = listening
        self._protocols = protocols
        self._has_room = has_room
        self._under_way: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._sparingly = Sparingly()

    def start(self) -> None:
        """Accept from now on. Needs the running loop."""
        self._listening.setblocking(False)  # noqa: FBT003 - the standard library's word
        self._resume()

    async def stop(self) -> None:
        """Accept no more; on return each connection that was accepted has its protocol."""
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._listening.fileno())
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._listening.close()

    def _resume(self) -> None:
        self._pause = None
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._take)

    def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening.fileno())
        self._pause = loop.call_later(seconds, self._resume)

    def _take(self) -> None:
        for _ in range(_AT_A_TIME):
            if not self._has_room(len(self._under_way)):
                self._rest(_NO_ROOM)
                return
            try:
                connection, _ = self._listening.accept()
            except OSError as error:
                self._not_accepted(error)
                return
            self._connect(connection)

    def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's word
        connecting = asyncio.get_running_loop().connect_accepted_socket(self._protocols, connection)
        task: asyncio.Task[object] = asyncio.create_task(connecting)
        self._under_way.add(task)
        task.add_done_callback(self._connected)

    def _connected(self, task: "asyncio.Task[object]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that has left meanwhile is nobody's trouble

    def _not_accepted(self, error: OSError) -> None:
        """There is none, or its caller has left; or the machine has no means for it: others must end first."""
        if error.errno in _OF_THE_MACHINE:
            self._rest(_NO_MEANS)
            unlogged = self._sparingly.may("listener.exhausted")
            if unlogged is not None:
                log.warning("listener.exhausted", error=errno.errorcode[error.errno], unlogged=unlogged)

"""An event loop in which nothing takes time but waiting, and waiting takes none: its time jumps to the next timer.

Nothing of it is outside the process: work for other threads is done on the loop's own, each piece in its turn, and
connections are made in memory. So a run is decided by its seeds alone.
"""

import asyncio
import contextvars
import selectors
import socket
from asyncio import events
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from relay.web.accepting import Accepting
from tests.simulation.network import Network, Server

T = TypeVar("T")
P = ParamSpec("P")


class Standstill(RuntimeError):  # noqa: N818 - it says what happened
    """Everybody waits for something that nobody will do."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting it moves the time on."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing, at once."""
        if timeout is None:
            raise Standstill
        self.passed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs until what it was given is done, however many days that takes.

    Args:
        network: what connections and listening sockets are made in.
    """

    def __init__(self, network: Network) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.network = network
        self._accepting: dict[int, Server] = {}

    def time(self) -> float:
        """Seconds since it was made."""
        return self._jumping.passed

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override] # what others run on a thread is run here in its turn
        self, _: object, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """What `func` gives; it may block."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(self.work, future, func, args)
        return future

    def work(self, future: "asyncio.Future[T]", func: Callable[..., T], args: tuple[Any, ...]) -> None:
        """Run `func` as a thread would, on which no loop runs."""
        if future.cancelled():
            return
        try:
            result = self.aside(func, *args)
        except Exception as error:  # noqa: BLE001 - it is for whoever waits
            future.set_exception(error)
        else:
            future.set_result(result)

    def aside(self, func: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """What `func` gives, called as if this thread ran no loop."""
        running = events._get_running_loop()  # type: ignore[attr-defined]
        events._set_running_loop(None)
        try:
            return func(*args, **more)
        finally:
            events._set_running_loop(running)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect in memory; the socket only stands for the connection."""
        await self.network.dial(sock, address)

    async def create_connection(self, protocol_factory: Any, *_: Any, sock: Any = None, **__: Any) -> Any:
        """A connection in memory, for a socket that `sock_connect` was given."""
        return self.network.connect(protocol_factory, sock)

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """What accepts connections accepts those that are made in memory; the socket only holds the port."""
        accepting = getattr(callback, "__self__", None)
        if not isinstance(accepting, Accepting):
            super().add_reader(fd, callback, *args)
            return
        listening = accepting._listening
        self._accepting[fd] = self.network.serve(accepting._protocols, listening.getsockname()[1], listening)

    def remove_reader(self, fd: Any) -> bool:
        """It accepts no more."""
        server = self._accepting.pop(fd, None)
        if server is None:
            return super().remove_reader(fd)
        server.close()
        return True

    async def create_server(
        self, protocol_factory: Any, _host: Any = None, port: Any = None, *, sock: Any = None, **_: Any
    ) -> Any:
        """A server in memory."""
        return self.network.serve(protocol_factory, sock.getsockname()[1] if sock else port, sock)

"""a broker's name -> a socket that is connected to it."""

import asyncio
import os
import socket
from contextlib import ExitStack

from relay.bus.config import Broker


async def reach(broker: Broker) -> socket.socket:
    """A socket to the first of its addresses that answers.

    Raises:
        OSError: none does; the last one's reason, in the system's words.
    """
    found = await asyncio.get_running_loop().getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found[:-1]:
        try:
            return await _connected(family, kind, protocol, address)
        except OSError:
            continue
    family, kind, protocol, _, address = found[-1]
    return await _connected(family, kind, protocol, address)


async def _connected(
    family: socket.AddressFamily, kind: socket.SocketKind, protocol: int, address: tuple[object, ...]
) -> socket.socket:
    with ExitStack() as stack:
        made = stack.enter_context(socket.socket(family, kind, protocol))
        made.setblocking(False)  # noqa: FBT003 - the signature is the library's
        try:
            await asyncio.get_running_loop().sock_connect(made, address)
        except OSError as error:
            # asyncio puts the address into the words.
            raise type(error)(error.errno, os.strerror(error.errno or 0)) from None
        stack.pop_all()
    return made

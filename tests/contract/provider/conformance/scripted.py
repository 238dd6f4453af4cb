"""A real server that answers every request as a test says, byte for byte, and counts them."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.contract.provider.conformance.known import Reply

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Scripted:
    """`reply` is the answer to everything but what begins with a path of `opening`.

    Attributes:
        requests: each request but those to `opening`: its method, its path with the query, its body.
    """

    opening: Mapping[str, Reply] = field(default_factory=dict)
    reply: Reply = field(default_factory=Reply)
    base_url: str = ""
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request, one answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            method, path = head.decode("latin-1").split(" ", 2)[:2]
            reply = next((reply for start, reply in self.opening.items() if path.startswith(start)), None)
            if reply is None:
                self.requests.append((method, path, body))
            writer.write(_bytes(reply or self.reply))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()


def _bytes(reply: Reply) -> bytes:
    fields = (
        f"HTTP/1.1 {reply.status} Scripted\r\nContent-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\nConnection: close\r\n\r\n"
    )
    return fields.encode() + (reply.body[: len(reply.body) // 2] if reply.cut else reply.body)


@asynccontextmanager
async def scripted(opening: Mapping[str, Reply]) -> AsyncIterator[Scripted]:
    """The server, listening."""
    made = Scripted(opening)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made

"""The command line's way to the running daemon: its Unix socket."""

import asyncio
import os
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import typer
from pydantic_core import from_json

from relay.settings import config_path, default_socket

T = TypeVar("T")

SocketOption = typer.Option(None, "--socket", help="The daemon's control socket.", show_default=False)
JsonOption = typer.Option(False, "--json", help="One JSON object a line.")


class Daemon:
    """A connection to the daemon. Every verb raises `typer.Exit` with a sentence on standard error when it fails."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Any:
        """What the daemon says at `path`."""
        async with self._session.get(path) as answer:
            return from_json(await answer.read())

    async def command(self, line: str, verb: str, payload: Any) -> dict[str, Any]:
        """The daemon's answer to a command."""
        asked = {"line": line, "verb": verb, "client": None, "payload": payload}
        async with self._session.post("/command", json=asked) as answer:
            body: dict[str, Any] = from_json(await answer.read())
        if answer.status != 200:  # noqa: PLR2004 - HTTP's word for done
            fail(str(body.get("error", "the daemon refused the command")))
        return body

    @asynccontextmanager
    async def events(self, query: str = "") -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Every event from now on; what is sent inside the block will be seen."""
        async with self._session.get(f"/events{query}", timeout=aiohttp.ClientTimeout(total=None)) as answer:
            await answer.content.readline()
            yield _lines(answer)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    while line := await answer.content.readline():
        yield from_json(line)


def talk(socket: Path | None, conversation: Callable[[Daemon], Awaitable[T]]) -> T:
    """Hold a conversation with the daemon; ends the program with a sentence and exit code 1 if there is none."""
    path = socket or find_socket()

    async def hold() -> T:
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://relay", connector=connector, read_bufsize=4 * 1024 * 1024) as session:
            return await conversation(Daemon(session))

    try:
        return asyncio.run(hold())
    except PermissionError:
        fail(f"{path} may only be opened by relay's user and root: run this with sudo, or as that user")
    except (aiohttp.ClientConnectorError, FileNotFoundError):
        fail(f"no relay is running behind {path}: start it (systemctl start relay), or name its --socket")
    except (aiohttp.ClientError, ConnectionError):
        fail("relay stopped while it was being talked to")
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def find_socket() -> Path:
    """The socket of the settings, where they can be read; otherwise the default one."""
    named = os.environ.get("RELAY_ADMIN__SOCKET")
    if named:
        return Path(named)
    try:
        settings = tomllib.loads(config_path(None, os.environ).read_text())
        return Path(settings["admin"]["socket"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError):
        return default_socket(os.environ)


def fail(sentence: str) -> Any:
    """End the program with exit code 1 and a sentence on standard error."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)

"""The command line's way to the running daemon: its Unix socket."""

import asyncio
import os
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import aiohttp
import typer
from pydantic_core import from_json
from yarl import URL

T = TypeVar("T")

SocketOption = typer.Option(None, "--socket", help="The daemon's control socket.", show_default=False)
JsonOption = typer.Option(False, "--json", help="One JSON object a line.")


class Daemon:
    """A connection to the daemon. Every verb raises `typer.Exit` with a sentence on standard error when it fails."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Any:
        """What the daemon says at `path`."""
        async with self._session.get(URL(path, encoded=True)) as answer:
            return _json_of(answer, await answer.read())

    async def post(self, path: str, body: Any = None, *, patient: bool = False) -> Any:
        """What the daemon says when it was asked to do something; `patient`: however long that takes."""
        limits = aiohttp.ClientTimeout(total=None) if patient else None
        async with self._session.post(URL(path, encoded=True), json=body or {}, timeout=limits) as answer:
            return _json_of(answer, await answer.read())

    @asynccontextmanager
    async def following(self, path: str, body: Any) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What the daemon says, one after the other, when it was asked for something that takes a while."""
        forever = aiohttp.ClientTimeout(total=None)
        async with self._session.post(URL(path, encoded=True), json=body, timeout=forever) as answer:
            if not answer.ok:
                _json_of(answer, await answer.read())
            yield _lines(answer)

    async def command(self, line: str, verb: str, payload: Any) -> dict[str, Any]:
        """The daemon's answer to a command."""
        asked = {"line": line, "verb": verb, "client": None, "payload": payload}
        async with self._session.post("/command", json=asked) as answer:
            body: dict[str, Any] = _json_of(answer, await answer.read())
        return body

    @asynccontextmanager
    async def events(self, query: str = "") -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Every event from now on; what is sent inside the block will be seen."""
        async with self._session.get(f"/events{query}", timeout=aiohttp.ClientTimeout(total=None)) as answer:
            await answer.content.readline()
            yield _lines(answer)


def _json_of(answer: aiohttp.ClientResponse, raw: bytes) -> Any:
    body = from_json(raw) if answer.content_type == "application/json" else {}
    if not answer.ok:
        fail(str(body.get("error") or f"relay could not answer (HTTP {answer.status}): its log says why"))
    return body


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    while line := await answer.content.readline():
        if line.strip():
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
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, PermissionError):
            fail(f"{path} may only be opened by relay's user and root: run this with sudo, or as that user")
        fail(f"no relay is running behind {path}: start it (systemctl start relay), or name its --socket")
    except BrokenPipeError:
        _stop_talking()
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        fail("relay stopped, or did not answer, while it was being talked to")
    except KeyboardInterrupt:
        raise typer.Exit from None


def _stop_talking() -> NoReturn:
    """Nobody reads what this program says any more (`relay tail | head -1`): it ends, and says nothing of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still in a buffer is written at the end
    raise typer.Exit from None


def find_socket() -> Path:
    """The socket that the settings name, as far as they can be read; otherwise the one they would have by default."""
    from relay.settings import config_path, default_socket  # noqa: PLC0415 - slow to load, and --socket needs none

    named = os.environ.get("RELAY_ADMIN__SOCKET")
    if named:
        return Path(named)
    try:
        settings = tomllib.loads(config_path(None, os.environ).read_text())
        return Path(settings["admin"]["socket"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return default_socket(os.environ)


def fail(sentence: str) -> NoReturn:
    """End the program with exit code 1 and a sentence on standard error."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)

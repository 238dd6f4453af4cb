"""host, port -> what stands there: is the name known, does somebody answer, is the certificate good, what time is it?

Nothing is asked for: the connection is made and closed, and a web server is asked for the head of its first page.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from relay.cli.findings.certificates import Words, distrusted, untold

_MOST_HEAD = 64 * 1024  # bytes
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Door:
    """Where to knock.

    Attributes:
        setting: the name of the setting that says so, for whoever has to mend it.
        tls: how to speak TLS; None where it is not spoken.
        is_web: whether HTTP is spoken there.
        ca_cure: what to do where the certificate's authority is not known.
        start: what to do where nobody listens.
    """

    setting: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    is_web: bool = True
    ca_cure: str = "have it signed by a public authority, such as Let's Encrypt: nobody else is trusted here"
    start: str = "start the server there"

    @property
    def address(self) -> str:
        """Host and port, as they are written."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a door.

    Attributes:
        trouble: why it cannot be used, and the cure.
        expires: when its certificate does.
        ahead: how far this machine's clock is ahead of its own, as far as it said.
    """

    trouble: Words | None = None
    expires: datetime | None = None
    ahead: timedelta | None = None


def web_door(setting: str, url: str, ca_cure: str | None = None) -> Door:
    """The door that a URL leads to."""
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    door = Door(setting, parts.hostname or "", port, tls)
    return Door(setting, door.host, port, tls, ca_cure=ca_cure) if ca_cure else door


async def knock(door: Door, patience: float, now: datetime) -> Behind:
    """Look at what is behind `door`, for `patience` seconds at most; `now`: this machine's time."""
    visit = _Visit(door)
    try:
        async with asyncio.timeout(patience):
            return await visit.made(now)
    except TimeoutError:
        return Behind(_SILENT[visit.step](door, patience))
    except OSError as error:
        return Behind(_meaning(door, visit.step, error))
    finally:
        visit.close()


class _Visit:
    """One knock, and how far it has come."""

    def __init__(self, door: Door) -> None:
        self.step = "dns"
        self._door = door
        self._writer: asyncio.StreamWriter | None = None

    async def made(self, now: datetime) -> Behind:
        door = self._door
        await asyncio.get_running_loop().getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM)
        self.step = "tcp"
        reader, self._writer = await asyncio.open_connection(door.host, door.port, limit=_MOST_HEAD)
        expires = None
        if door.tls:
            self.step = "tls"
            await self._writer.start_tls(door.tls, server_hostname=door.host)
            expires = _end_of(self._writer.get_extra_info("ssl_object").getpeercert())
        if not door.is_web:
            return Behind(expires=expires)
        self.step = "http"
        # Its answer may take a while: the time in it is compared with that in which it was asked for.
        began = asyncio.get_running_loop().time()
        said = await self._head(reader, self._writer)
        took = timedelta(seconds=asyncio.get_running_loop().time() - began)
        return Behind(expires=expires, ahead=now + took - said if said else None)

    async def _head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> datetime | None:
        asked = f"HEAD / HTTP/1.1\r\nHost: {self._door.address}\r\nUser-Agent: relay-check\r\nConnection: close\r\n\r\n"
        writer.write(asked.encode("ascii", "replace"))
        await writer.drain()
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = b""
        if not head.startswith(b"HTTP/"):
            raise ConnectionError
        return _date_in(head)

    def close(self) -> None:
        if self._writer:
            with suppress(OSError, RuntimeError):
                self._writer.transport.abort()


def _end_of(certificate: Mapping[str, Any] | None) -> datetime | None:
    end = (certificate or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) if end else None


def _date_in(head: bytes) -> datetime | None:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().casefold() == "date":
            with suppress(ValueError):
                found = parsedate_to_datetime(value.strip())
                return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _meaning(door: Door, step: str, error: OSError) -> Words:
    match error:
        case socket.gaierror():
            cure = f"mend the host in {door.setting}, or the name server: getent hosts {door.host}"
            return Words(f"the host name {door.host} is not known", cure)
        case ssl.SSLCertVerificationError():
            return distrusted(door.host, door.port, door.setting, door.ca_cure, error)
        case _ if step == "tls":
            return untold(door.address, door.setting, is_web=door.is_web)
        case _ if step == "http":
            cure = f"name a web server in {door.setting}: this is another kind of server, or one that speaks TLS only"
            return Words(f"{door.address} does not answer in HTTP", cure)
        case _ if isinstance(error, ConnectionRefusedError) or "111" in str(error):
            cure = f"{door.start}, or mend host and port in {door.setting}"
            return Words(f"{door.address} cannot be reached: nobody listens there", cure)
        case _:
            cure = f"check {door.setting}, the network and any firewall: nc -vz {door.host} {door.port}"
            return Words(f"{door.address} cannot be reached: {error.strerror or 'no way leads there'}", cure)


def _no_name(door: Door, patience: float) -> Words:
    cure = f"mend the name server in /etc/resolv.conf: getent hosts {door.host}"
    return Words(f"no name server answers within {patience:g} s for {door.host}", cure)


def _no_connection(door: Door, patience: float) -> Words:
    cure = f"check {door.setting}, and let a firewall on the way pass it: nc -vz {door.host} {door.port}"
    return Words(f"{door.address} cannot be reached within {patience:g} s", cure)


def _no_word(door: Door, patience: float) -> Words:
    cure = f"check {door.setting}: the server there hangs, or it is another kind of server"
    return Words(f"{door.address} takes the connection and does not answer within {patience:g} s", cure)


_SILENT = {"dns": _no_name, "tcp": _no_connection, "tls": _no_word, "http": _no_word}

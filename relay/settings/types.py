"""Kinds of values that settings have: sizes, addresses to listen on, host names and topics, each with its bounds.

What is refused is told without the value, in words that fit after the setting's name.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from relay.providerkit.http import checked_base_url
from relay.providerkit.linesettings import ALIAS
from relay.settings.journalurl import journal_url

_SIZE = re.compile(r"(\d+)\s*(b|kb|kib|mb|mib|)", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2}
_LEVEL = re.compile(r"(?!\d{10,}$)[a-z0-9][a-z0-9_-]*")
_MAX_PORT = 65535
_MAX_SOCKET_PATH = 107  # bytes, of a Unix socket's name on Linux


class Endpoint(NamedTuple):
    """Where a server listens. Port 0 takes any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def bytes_of(value: Any) -> int:
    """Bytes from a number, or from text such as "64 kB" (thousands) or "2 MiB" (1024 times 1024)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError('must be a size such as "64 kB" or "2 MiB", or a number of bytes')
    return int(found[1]) * _BYTES[found[2].lower()]


def endpoint_of(value: Any) -> Endpoint:
    """An address to listen on, from "127.0.0.1:8080" or "[::1]:8080"."""
    host, separator, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bare = host.removeprefix("[").removesuffix("]")
    if not separator or not bare or (":" in bare) != host.startswith("[") or not _is_port(port):
        raise ValueError('must be an address and a port such as "127.0.0.1:8080" or "[::1]:8080"')
    return Endpoint(bare, int(port))


def broker_url(value: str) -> str:
    """`mqtt://host[:port]` or `mqtts://host[:port]`, and nothing more."""
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or parts.scheme not in {"mqtt", "mqtts"}:
        raise ValueError('must be an address such as "mqtts://broker.example:8883" or "mqtt://127.0.0.1:1883"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password: they are settings of their own, username and password_file")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end after the host and port")
    return value


def web_url(value: str) -> str:
    """`https`, or `http` to loopback, without user, query and fragment; a trailing slash is dropped."""
    try:
        return checked_base_url(value)
    except ValueError as error:
        said = str(error)
        raise ValueError(said if said.startswith("must") else "must be an absolute URL") from None


def separated(value: Any) -> Any:
    """The parts of a text that stand between commas; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def topic_base(value: str) -> str:
    """Topic levels of lower-case letters, digits, `-` and `_`: what every broker keeps as it is."""
    if not all(map(_LEVEL.fullmatch, value.split("/"))):
        raise ValueError('must be topic levels of a-z, 0-9, - and _ such as "relay" or "site-1/relay"')
    return value


def topic_filter(value: str) -> str:
    """A topic filter whose first level is a name, or nothing at all."""
    first, *rest = value.split("/")
    hashes = [place for place, level in enumerate(rest) if "#" in level]
    wild = [level for level in rest if {"#", "+"} & set(level)]
    if value and (
        not _LEVEL.fullmatch(first)
        or any(level not in {"#", "+"} for level in wild)
        or hashes not in ([], [len(rest) - 1])
    ):
        raise ValueError('must be a topic filter that begins with a name, such as "reply/#", or "" for none')
    return value


def socket_path(value: Path) -> Path:
    """An absolute path that a Unix socket can have."""
    if not value.is_absolute() or len(bytes(value)) > _MAX_SOCKET_PATH:
        raise ValueError(f"must be an absolute path of at most {_MAX_SOCKET_PATH} bytes")
    return value


def node_name(value: str) -> str:
    """A name that can stand in a topic."""
    if not ALIAS.fullmatch(value):
        raise ValueError("must be 1 to 32 of a-z, 0-9 and -, begin with a letter or digit, and not look like a number")
    return value


def node_name_of(host: str) -> str:
    """A valid node name that is like a host's first name."""
    plain = re.sub(r"[^a-z0-9]+", "-", host.partition(".")[0].lower()).strip("-")[:32].strip("-")
    return plain if ALIAS.fullmatch(plain) else "relay"


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, and can be nothing else."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def loopback(endpoint: Endpoint) -> Endpoint:
    """An address that only this machine can reach."""
    if not is_loopback(f"http://{endpoint}"):
        raise ValueError(
            'must be on loopback, such as "127.0.0.1:9464": this version asks for no token, and anybody could call it'
        )
    return endpoint


def network(value: Any) -> IPv4Network | IPv6Network:
    """A network such as 203.0.113.0/24, or one address."""
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError('must be addresses or networks such as "203.0.113.7" or "203.0.113.0/24"') from None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= _MAX_PORT


Size = Annotated[int, BeforeValidator(bytes_of)]
Listen = Annotated[Endpoint, BeforeValidator(endpoint_of)]
LoopbackListen = Annotated[Listen, AfterValidator(loopback)]
BrokerUrl = Annotated[str, AfterValidator(broker_url)]
JournalUrl = Annotated[str, AfterValidator(journal_url)]
WebUrl = Annotated[str, AfterValidator(web_url)]
WebUrls = Annotated[tuple[WebUrl, ...], BeforeValidator(separated)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(separated)]
TopicBase = Annotated[str, AfterValidator(topic_base)]
TopicFilter = Annotated[str, AfterValidator(topic_filter)]
SocketPath = Annotated[Path, AfterValidator(socket_path)]
NodeName = Annotated[str, AfterValidator(node_name)]

"""The bus's settings as the bus needs them, and where its broker is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

ProtocolChoice = Literal["auto", "5", "3.1.1"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is: host, port, and whether TLS is spoken."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    """How to reach the broker, and what is allowed there. Times are in seconds of the real clock.

    Args:
        url: `mqtt://host[:port]` or `mqtts://host[:port]`.
        node: this process's name.
        username: whom to connect as; None for a broker that asks nobody.
        password: the user's password.
        ca_file: whom to trust on TLS; the system's authorities without it.
        cert_file: the certificate to show, where the broker asks for one.
        key_file: its key.
        base: the first levels of every topic.
        commands_id: the client id of the command connection, the same on every node of one relay; two relays that
            share a broker and a base need two. `<base>-commands` without it.
        response_topics: the filters below which a client may have its answers.
        protocol: which MQTT to speak; `auto` tries 5 first.
        keepalive: seconds without a word after which the broker is asked for one.
        timeout: seconds that the broker has for one answer.
        window: publishes that may wait for their confirmation at once.
        max_held: commands that may be held and not acknowledged; beyond it nothing is read.
        max_held_bytes: the same in bytes.
        max_command_bytes: the longest payload that is kept.
        session_expiry: seconds that the broker keeps commands for an absent relay (MQTT 5).
    """

    url: str
    node: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    base: str = "relay"
    commands_id: str | None = None
    response_topics: tuple[str, ...] = ("reply/#",)
    protocol: ProtocolChoice = "auto"
    keepalive: int = 30
    timeout: float = 10.0
    window: int = 20
    max_held: int = 100
    max_held_bytes: int = 32 * 1024 * 1024
    max_command_bytes: int = 2 * 1024 * 1024
    session_expiry: int = 7 * 86_400

    @property
    def broker(self) -> Broker:
        """The broker that `url` names.

        Raises:
            ValueError: `url` is malformed, or holds a user or a password.
        """
        return parse_url(self.url)

    @property
    def commands_client_id(self) -> str:
        """The client id of the command connection."""
        return self.commands_id or f"{self.base.replace('/', '-')}-commands"

    @property
    def node_client_id(self) -> str:
        """The client id of this node's own connection."""
        return f"{self.base.replace('/', '-')}-node-{self.node}"


def parse_url(url: str) -> Broker:
    """The broker that a URL names.

    Raises:
        ValueError: it is malformed, or holds a user or a password.
    """
    expected = "bus.url: expected mqtt://host[:port] or mqtts://host[:port]"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.username is not None:
        raise ValueError("bus.url: user and password do not belong here: use bus.username and bus.password_file")
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(expected)
    return Broker(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts")

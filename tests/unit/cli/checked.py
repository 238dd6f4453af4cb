"""A place where all is right for relay, and the ways to make something of it wrong: what `relay check` is tried on."""

import asyncio
import fcntl
import os
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt

from relay.cli.checking import Surroundings, look_at_everything, refusal
from relay.cli.findings import Finding
from relay.cli.findings.patience import Patience
from relay.clock import SystemClock
from relay.providers import discover
from relay.settings import BadSettings, config_path, load_settings
from relay.simulator.app import Simulator
from tests.brokers import Certificates, Mosquitto, free_port

PROVIDERS = discover()
MODELS = {name: provider.settings for name, provider in PROVIDERS.items()}
QUICK = Patience(part=6.0, door=1.5, broker=1.5, loopback=1.0, web=1.5)
SECRETS = {"mqtt": "marked-mqtt-secret", "alerts": "demo-secret", "office": "00000000-0000-0000-0000-000000000000:1"}
HIDDEN = (*SECRETS.values(), "marked", "2065550100")

RIGHT = """
[node]
name = "relay-1"

[bus]
url = "{broker}"
username = "relay"
password_file = "mqtt"

[journal]
url = "sqlite:///{folder}/relay.db"
ballast = "1 MiB"

[webhooks]
listen = "127.0.0.1:{hooks}"
public_url = "http://127.0.0.1:{hooks}"

[admin]
listen = "127.0.0.1:{admin}"
socket = "{folder}/relay.sock"

[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "alerts"

[lines.office]
provider = "att-landline"
base_url = "{att}"
number = "+12065550100"
session_file = "office"
"""

Make = Callable[["Place"], Awaitable[None]]


class Ahead(SystemClock):
    """A machine whose clock is wrong."""

    def now(self) -> datetime:
        """A minute too much."""
        return datetime.now(UTC) + timedelta(minutes=1)


@dataclass
class Servers:
    """What stands still while mistakes come and go: a broker, AT&T, and certificates of several kinds."""

    broker: Mosquitto
    att: Simulator
    certificates: Path

    def certified(self, kind: str) -> Certificates:
        """`good`, `expired`, `soon` (ends in ten days) or `other` (for another host)."""
        return Certificates(self.certificates / kind)


@dataclass
class Place:
    """A folder with settings, of which something may be made wrong before it is looked at.

    Attributes:
        text: the settings file; `{words}` in it are filled in as it is written.
        words: what is filled in.
        environment: the process's variables.
        around: what is there beside the settings.
    """

    folder: Path
    servers: Servers
    stack: AsyncExitStack
    text: str = RIGHT
    words: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    around: Surroundings = field(default_factory=lambda: Surroundings(PROVIDERS, patience=QUICK))
    config_is_written: bool = True

    def __post_init__(self) -> None:
        """Lay everything down as it should be."""
        self.folder.mkdir()
        self.words = {"broker": self.servers.broker.url, "folder": self.folder, "att": self.servers.att.base_url}
        self.words |= {"hooks": free_port(), "admin": free_port()}
        for name, secret in SECRETS.items():
            self.put(name, f"{secret}\n", 0o600)

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "relay.toml"

    def put(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """A file."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    async def look(self) -> Sequence[Finding]:
        """What is found of it."""
        if self.config_is_written:
            text = self.text
            for word, value in self.words.items():
                text = text.replace(f"{{{word}}}", str(value))
            if not self.config.exists():
                self.put("relay.toml", "")
            self.config.write_text(text)
        try:
            settings = await asyncio.to_thread(
                load_settings, path=self.config, environment=self.environment, line_models=MODELS
            )
            around = replace(self.around, config=config_path(self.config, self.environment))
            return await look_at_everything(settings, around)
        except BadSettings as bad:
            return [refusal(problem) for problem in bad.problems]


def make_certificates(folder: Path) -> None:
    """Certificates of every kind, all by one authority."""
    for kind, days, names in (
        ("good", 90, "IP:127.0.0.1,DNS:localhost"),
        ("expired", -1, "IP:127.0.0.1,DNS:localhost"),
        ("soon", 10, "IP:127.0.0.1,DNS:localhost"),
        ("other", 90, "DNS:other.example"),
    ):
        made = Certificates(folder / kind)
        made.folder.mkdir(parents=True)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
        own, ca_key, request = made.key("server"), made.folder / "ca.key", made.folder / "request"
        run: list[tuple[str | Path, ...]] = [
            ("req", "-x509", *key, ca_key, "-out", made.ca, "-subj", "/CN=relay test", "-days", "90")
        ]
        run += [("req", *key, own, "-out", request, "-subj", "/CN=server")]
        (made.folder / "names").write_text(f"subjectAltName={names}\n")
        sign = ("x509", "-req", "-in", request, "-CA", made.ca, "-CAkey", ca_key, "-CAcreateserial", "-extfile")
        run += [(*sign, made.folder / "names", "-days", str(days), "-out", made.certificate("server"))]
        for words in run:
            subprocess.run(("openssl", *words), check=True, capture_output=True)


def together(*makes: Make) -> Make:
    """Several things at once."""

    async def make(place: Place) -> None:
        for each in makes:
            await each(place)

    return make


def swap(old: str, new: str) -> Make:
    """Other words in the settings file."""

    async def make(place: Place) -> None:
        assert old in place.text, f"{old!r} is not in the settings"
        place.text = place.text.replace(old, new)

    return make


def below(table: str, words: str) -> Make:
    """More words below a table."""
    return swap(f"[{table}]\n", f"[{table}]\n{words}\n")


def without(words: str) -> Make:
    """Without a line of the settings file."""
    return swap(f"{words}\n", "")


def more(words: str) -> Make:
    """More words at the end."""

    async def make(place: Place) -> None:
        place.text += f"\n{words}\n"

    return make


def variable(name: str, value: str) -> Make:
    """A variable of the environment."""

    async def make(place: Place) -> None:
        place.environment[name] = value

    return make


def credential(name: str) -> Make:
    """A file among systemd's credentials."""

    async def make(place: Place) -> None:
        (place.folder / "credentials").mkdir()
        place.put(f"credentials/{name}", "marked-secret\n", 0o600)
        place.environment["CREDENTIALS_DIRECTORY"] = str(place.folder / "credentials")

    return make


def file(name: str, content: str | bytes, mode: int = 0o600) -> Make:
    """A file beside the settings."""

    async def make(place: Place) -> None:
        place.put(name, content, mode)

    return make


def no_file(name: str) -> Make:
    """A file is gone."""

    async def make(place: Place) -> None:
        (place.folder / name).unlink(missing_ok=True)
        place.config_is_written = name != "relay.toml"

    return make


def broker(*, kind: str = "", acl: Sequence[str] = (), extra: Sequence[str] = (), **options: Any) -> Make:
    """A broker of its own, with TLS and a certificate of this kind where one is named."""

    async def make(place: Place) -> None:
        folder = place.folder / "broker"
        folder.mkdir()
        made = {"users": {"relay": SECRETS["mqtt"]}, "persistent": True, **options}
        certificates = place.servers.certified(kind) if kind else None
        own = Mosquitto(folder, acl=acl, extra=extra, certificates=certificates, **made)
        await place.stack.enter_async_context(own)
        place.words["broker"] = own.url
        if kind:
            place.words["ca"] = place.servers.certified(kind).ca
            await below("bus", 'ca_file = "{ca}"')(place)

    return make


def server(word: str, answer: bytes | None, *, scheme: str = "http", kind: str = "") -> Make:
    """A server that answers so to whatever it is asked; None: it takes connections, and says nothing.

    `word` of the settings is then its address.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:
            await reader.read(65_536)
            writer.write(answer)
            writer.close()

    async def make(place: Place) -> None:
        context = None
        if kind:
            certified = place.servers.certified(kind)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            await asyncio.to_thread(context.load_cert_chain, certified.certificate("server"), certified.key("server"))
        if answer is None:
            held = place.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            place.words[word] = f"{scheme}://127.0.0.1:{held.getsockname()[1]}"
            return
        serving = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        place.stack.callback(serving.close)
        place.words[word] = f"{scheme}://127.0.0.1:{serving.sockets[0].getsockname()[1]}"

    return make


def answering(status: str, more: str = "") -> bytes:
    """An answer of a web server, whose clock is right."""
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return f"HTTP/1.1 {status}\r\nDate: {now}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()


def address(word: str, value: str) -> Make:
    """Another address in the settings; `{port}` in it is one that nobody listens on."""

    async def make(place: Place) -> None:
        place.words[word] = value.replace("{port}", str(free_port()))

    return make


def public(url: str = "{public}") -> Make:
    """Another public address."""
    return swap('public_url = "http://127.0.0.1:{hooks}"', f'public_url = "{url}"')


def taken(word: str) -> Make:
    """Somebody else listens on a port."""

    async def make(place: Place) -> None:
        place.stack.enter_context(socket.create_server(("127.0.0.1", place.words[word])))

    return make


def running() -> Make:
    """A relay has the journal open."""

    async def make(place: Place) -> None:
        lock = place.put("relay.db.lock", b"")
        descriptor = os.open(lock, os.O_RDWR)
        place.stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    return make


def clock_ahead() -> Make:
    """This machine's clock is a minute ahead."""

    async def make(place: Place) -> None:
        place.around = replace(place.around, clock=Ahead())

    return make


def online(name: str) -> Make:
    """A node of this name is online, elsewhere."""

    async def make(place: Place) -> None:
        await broker()(place)
        port = int(place.words["broker"].rpartition(":")[2])
        async with aiomqtt.Client("127.0.0.1", port, username="relay", password=SECRETS["mqtt"]) as client:
            await client.publish(f"relay/node/{name}/status", b'{"state": "online"}', qos=1, retain=True)

    return make

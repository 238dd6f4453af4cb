"""The settings tree: every setting of relay itself, its default and its bounds. Lines' own are their providers'."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from relay.domain.schedule import calls_share, grace_for
from relay.providerkit.duration import Duration, spoken
from relay.providerkit.linesettings import LineSettings
from relay.rules.line import Scope
from relay.settings.homeassistant import HomeAssistant
from relay.settings.journalurl import is_postgresql
from relay.settings.retention import Retention
from relay.settings.section import Section, unfit
from relay.settings.telemetry import Telemetry
from relay.settings.types import (
    BrokerUrl,
    JournalUrl,
    Listen,
    LoopbackListen,
    Networks,
    NodeName,
    Size,
    SocketPath,
    TopicBase,
    TopicFilter,
    WebUrls,
    endpoint_of,
    is_loopback,
)

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MOST_COPIES = 100_000_000


class Node(Section):
    """This process among others."""

    name: NodeName = Field(description="the name of this process in topics; it must be its own among all relays")
    grace: Annotated[Duration, Field(ge=2, le=600)] = Field(
        20.0, description="2s to 10m: how long calls in flight may take to end when relay is stopped"
    )
    lease: Annotated[Duration, Field(ge=2, le=60)] = Field(
        8.0, description="2s to 60s without a word to the journal after which other nodes take this one's work over"
    )


class BusSection(Section):
    """The MQTT broker, and what may come in through it."""

    url: BrokerUrl = Field(description="the broker, mqtt:// or mqtts:// (TLS)")
    username: str | None = Field(None, min_length=1, description="the broker's name for relay")
    password: SecretStr | None = None
    ca_file: Path | None = Field(None, description="certificates to trust instead of the system's")
    cert_file: Path | None = Field(None, description="relay's own certificate, where the broker asks for one")
    key_file: Path | None = Field(None, description="the key of cert_file")
    base: TopicBase = Field("relay", max_length=64, description="the topic levels before all of relay's own")
    response_topics: TopicFilter = Field(
        "reply/#", max_length=128, description='where a request\'s Response Topic may point; "" for nowhere'
    )
    commands_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 of A-Z, a-z, 0-9, - and _"
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field("auto", description='"auto" is 5, and 3.1.1 where that is refused')
    max_command_bytes: Annotated[Size, Field(ge=1024, le=16 * 1024**2)] = Field(
        2 * 1024**2, description="1 KiB to 16 MiB: longer commands are answered too_large"
    )
    max_recipients: int = Field(10_000, ge=1, le=100_000, description="1 to 100000 recipients a request")

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port; 1883, or 8883 with TLS, where the URL gives none."""
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.password and not self.username:
            raise unfit("password", "is given without a username", "set bus.username as well")
        if self.cert_file and not self.key_file:
            raise unfit("cert_file", "is given without its key", "set bus.key_file as well")
        if self.key_file and not self.cert_file:
            raise unfit("key_file", "is given without its certificate", "set bus.cert_file as well")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise unfit("url", "is not encrypted, and certificates are given", "write mqtts:// in bus.url")
        if self.response_topics.partition("/")[0] == self.base.partition("/")[0]:
            raise unfit("response_topics", "may not begin as bus.base does", 'choose another level, such as "reply/#"')
        return self


class JournalSection(Section):
    """Where the durable truth is kept."""

    url: JournalUrl = Field(description="the file on a local disk, or the database, that keeps what relay has accepted")
    password: SecretStr | None = None
    ballast: Annotated[Size, Field(ge=1024**2, le=1024**3)] = Field(
        16 * 1024**2, description="1 MiB to 1 GiB of the disk that are held back for what is known of work under way"
    )
    spool: Path = Field(
        Path("/var/lib/relay/spool.db"),
        description="the file on a local disk that keeps web hooks while PostgreSQL is away; each node has its own",
    )
    spool_max: Annotated[Size, Field(ge=1024**2, le=64 * 1024**3)] = Field(
        256 * 1024**2, description="1 MiB to 64 GiB: how much the spool takes; what is more is answered 503"
    )

    @property
    def is_postgresql(self) -> bool:
        """Whether PostgreSQL keeps it, and nodes may share it."""
        return is_postgresql(self.url)

    @property
    def path(self) -> Path | None:
        """The journal's file; None where PostgreSQL keeps it."""
        return None if self.is_postgresql else Path(self.url.removeprefix("sqlite:///"))


class Webhooks(Section):
    """Where providers call."""

    listen: Listen = Field(endpoint_of("127.0.0.1:8080"), description="where the web-hook server listens")
    public_url: WebUrls = Field(
        (), max_length=8, description="how AT&T reaches that address: https, or http to loopback only"
    )
    max_body: Annotated[Size, Field(ge=1000, le=10_000_000)] = Field(
        64_000, description="1 kB to 10 MB: longer bodies are answered 413"
    )
    allow: Networks = Field((), max_length=256, description="the networks that may call; none: anybody may")
    proxies: Networks = Field(
        (), max_length=64, description="the proxies whose X-Forwarded-For says who calls; none: whoever connects does"
    )


class Media(Section):
    """Attachments: those that come in, and the files that requests may name."""

    inline_max: Annotated[Size, Field(ge=0, le=1024**2)] = Field(
        256 * 1024, description="0 to 1 MiB: larger attachments are kept in files, and their messages say where"
    )
    max_part: Annotated[Size, Field(ge=1024, le=64 * 1024**2)] = Field(
        10 * 1024**2, description="1 KiB to 64 MiB: a larger attachment is not taken"
    )
    directory: Path | None = Field(None, description='the folder for kept attachments; "media" beside the journal')
    lifetime: Annotated[Duration, Field(ge=60, le=30 * 86_400)] = Field(
        72 * 3600.0, description="1m to 30d: how long an attachment can be fetched"
    )
    patience: Annotated[Duration, Field(ge=0, le=86_400)] = Field(
        600.0, description="0s to 24h: how long a message waits for an attachment that the provider does not have yet"
    )
    folder: Path | None = Field(None, description="the folder below which requests may name files to send")

    def kept_beside(self, journal: Path) -> Path:
        """The folder for kept attachments, where the journal is this file, or the spool for one in PostgreSQL."""
        return self.directory or journal.with_name("media")


class Queue(Section):
    """How much may wait to be sent, and how often the same may be sent to the same number."""

    max_copies: int = Field(
        2_000_000, ge=1, le=_MOST_COPIES, description="1 to 100000000 copies that wait on all lines"
    )
    max_copies_per_line: int = Field(
        2_000_000, ge=1, le=_MOST_COPIES, description="1 to 100000000 copies that wait on one line"
    )
    max_copies_per_client: int = Field(
        2_000_000, ge=1, le=_MOST_COPIES, description="1 to 100000000 copies that wait for one client on one line"
    )
    repeat_limit: int = Field(
        10, ge=0, le=1000, description="0 to 1000 times the same text to the same number; 0: as often as asked for"
    )
    repeat_within: Annotated[Duration, Field(ge=1, le=7 * 86_400)] = Field(
        3600.0, description="1s to 7d: the time in which repeat_limit counts"
    )


class OptOut(Section):
    """For which lines an opt-out holds."""

    scope: Scope = Field(
        Scope.ALL, description='"all" lines, the "group" of the line that was texted, or that "line" alone'
    )


class Admin(Section):
    """How relay's own commands, and whoever runs it, reach the running process."""

    socket: SocketPath = Field(description="the Unix socket that only relay's user and root may open")
    listen: LoopbackListen = Field(
        endpoint_of("127.0.0.1:9464"), description="where the admin server listens, on this machine only"
    )


class Log(Section):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    format: Literal["auto", "json", "text"] = Field("auto", description='"auto" is text on a terminal, else JSON')


class Lab(Section):
    """Faster time, for demos, tests and integrators' own tests."""

    speed: float = Field(1.0, ge=1, le=100_000, description="1 to 100000 seconds of relay's in one real second")
    epoch: AwareDatetime | None = Field(
        None, description='when the lab\'s time begins, with its zone, such as "2026-11-21T09:00:00Z"'
    )


class Settings(BaseSettings):
    """All settings, checked. Made by `load_settings` only."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    node: Node
    bus: BusSection
    journal: JournalSection
    webhooks: Webhooks = Webhooks()
    admin: Admin
    media: Media = Media()
    queue: Queue = Queue()
    optout: OptOut = OptOut()
    retention: Retention = Retention()
    homeassistant: HomeAssistant = HomeAssistant()
    log: Log = Log()
    telemetry: Telemetry = Telemetry()
    lab: Lab | None = None
    lines: Mapping[str, LineSettings] = Field(min_length=1)

    @property
    def media_directory(self) -> Path:
        """Where attachments are kept."""
        return self.media.kept_beside(self.journal.path or self.journal.spool)

    @classmethod
    def settings_customise_sources(cls, *_: Any, **usual: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read by itself: `load_settings` says what is read, and which goes first."""
        return (usual["init_settings"],)

    @model_validator(mode="after")
    def _lab_stays_in_the_lab(self) -> Self:
        abroad = sorted(alias for alias, line in self.lines.items() if not is_loopback(line.base_url))
        if self.lab and abroad:
            raise unfit(
                "lab.speed" if "speed" in self.lab.model_fields_set else "lab",
                f"is for lines on this machine only, and {', '.join(abroad)} would call AT&T in fast time",
                "leave [lab] out, or point base_url of every line at a simulator on loopback",
            )
        return self

    @model_validator(mode="after")
    def _groups_have_lines(self) -> Self:
        if self.optout.scope is Scope.GROUP and not any(line.group for line in self.lines.values()):
            raise unfit(
                "optout.scope",
                'is "group", and no line has a group: an opt-out would hold for one line alone',
                'set group = "shop" or the like for the lines that share opt-outs, or set scope to "all" or "line"',
            )
        return self

    @model_validator(mode="after")
    def _calls_can_end_within_the_grace(self) -> Self:
        longest = math.floor(calls_share(self.node.grace))
        for alias, line in self.lines.items():
            if line.timeout > longest:
                took, least = spoken(line.timeout), spoken(math.ceil(grace_for(line.timeout)))
                raise unfit(
                    f"lines.{alias}.timeout" if "timeout" in line.model_fields_set else "node.grace",
                    f"does not fit: a call on the line {alias} may take {took}, and when relay is stopped it has"
                    f" {spoken(longest)} to end; the texts of a call that is cut may be lost or uncertain",
                    f"set node.grace to {least} or more, or the line's timeout to {spoken(longest)} or less",
                )
        return self

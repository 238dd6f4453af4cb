"""The parts of `relay check` that no seeded mistake reaches: other brokers, file systems, versions and certificates."""

import asyncio
import sqlite3
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mqtt5 import ConnAckPacket

from relay.bus.config import BusSettings
from relay.bus.dial import refusal
from relay.cli.findings import Finding
from relay.cli.findings.brokerfeatures import look_at_features
from relay.cli.findings.brokerwords import in_words
from relay.cli.findings.certificates import distrusted, ends_soon
from relay.cli.findings.clock import judged
from relay.cli.findings.door import Door, knock
from relay.cli.findings.mosquitto import look_at_mosquitto
from relay.cli.findings.place import look_at_places
from relay.cli.findings.sense import look_at_sense
from relay.cli.findings.tables import look_at_sqlite, look_at_tables
from relay.journal.rows import newest
from relay.providers import discover
from relay.settings import Settings, load_settings

MODELS = {name: provider.settings for name, provider in discover().items()}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEEK = 7 * 86_400


def settings(folder: Path, base_url: str = "https://api.att.com", **tables: object) -> Settings:
    """Good settings, with more of them."""
    (folder / "relay.toml").write_text("")
    line = {"provider": "att-sms", "short_code": "12345", "app_key": "key", "app_secret": "secret"}
    tree = {
        "bus": {"url": "mqtt://127.0.0.1"},
        "journal": {"url": f"sqlite:///{folder}/relay.db"},
        "lines": {"alerts": {**line, "base_url": base_url}},
        **tables,
    }
    return load_settings(path=folder / "relay.toml", environment={}, line_models=MODELS, overrides=tree)


def granted(**said: Any) -> ConnAckPacket:
    """A CONNACK with these properties."""
    return ConnAckPacket(**said)


def levels(found: list[Finding]) -> list[str]:
    """How bad each is."""
    return [finding.level for finding in found]


def test_a_broker_that_says_nothing_of_itself_has_everything(tmp_path: Path) -> None:
    """Each property that is left out has MQTT's own default; MQTT 3.1.1 has none of them."""
    made = settings(tmp_path)
    assert look_at_features(granted(), made, WEEK) == []
    assert look_at_features(None, made, WEEK) == []


@pytest.mark.parametrize(
    ("kept", "level"), [(WEEK, []), (86_400, ["hint"]), (3600, ["wrong"]), (0, ["wrong"])], ids=str
)
def test_a_broker_that_keeps_sessions_for_less_is_named(tmp_path: Path, kept: int, level: list[str]) -> None:
    """A day is bearable; with less a weekend loses requests."""
    assert levels(look_at_features(granted(session_expiry_interval=kept), settings(tmp_path), WEEK)) == level


def test_a_broker_without_wildcards_is_named(tmp_path: Path) -> None:
    """Each client's commands come through one."""
    [found] = look_at_features(granted(wildcard_subscription_available=False), settings(tmp_path), WEEK)
    assert (found.level, found.what) == ("wrong", "the broker has no wildcards in subscriptions")


@pytest.mark.parametrize("code", [0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x97, 0x9F, 0x80])
def test_each_refusal_of_a_broker_has_a_cure(code: int) -> None:
    """Those that no mosquitto gives, too."""
    words = in_words(refusal(code), BusSettings(url="mqtt://127.0.0.1", node="one", username="relay"))
    assert words.what
    assert words.cure
    assert "{" not in words.cure


class Processes:
    """A process list in which there is one mosquitto."""

    def __init__(self, folder: Path, configuration: str, option: str = "-c") -> None:
        self.folder = folder / "proc"
        (self.folder / "123").mkdir(parents=True)
        (self.folder / "124").mkdir()
        path = folder / "mosquitto.conf"
        path.write_text(configuration)
        (self.folder / "123" / "cmdline").write_bytes(f"/usr/sbin/mosquitto\0{option}\0{path}\0".encode())

    def found(self, port: int) -> list[str]:
        """What is found of the broker on this port."""
        return [finding.level for finding in look_at_mosquitto(port, self.folder)]


def test_the_configuration_of_a_mosquitto_is_read_with_what_it_includes(tmp_path: Path) -> None:
    """Without a listener its port is 1883; what another mosquitto has is none of relay's business."""
    more = tmp_path / "conf.d"
    more.mkdir()
    (more / "relay.conf").write_text("persistence true\nautosave_on_changes true\nautosave_interval 1\n")
    processes = Processes(tmp_path, f"# ours\n\nmax_queued_messages 0\ninclude_dir {more}\n", "--config-file")
    assert processes.found(1883) == []
    assert processes.found(1884) == []
    (more / "relay.conf").write_text("persistence false\n")
    assert processes.found(1883) == ["wrong"]


def test_a_configuration_that_cannot_be_seen_is_not_guessed_at(tmp_path: Path) -> None:
    """A file that is gone, a path from who knows where, a process that has just ended."""
    processes = Processes(tmp_path, "listener 1884\n")
    (tmp_path / "mosquitto.conf").unlink()
    (processes.folder / "124" / "cmdline").write_bytes(b"mosquitto\0-c\0mosquitto.conf\0")
    assert processes.found(1884) == []


@pytest.mark.parametrize(("kind", "level"), [("nfs4", ["wrong"]), ("tmpfs", ["wrong"]), ("ext4", [])])
def test_a_journal_belongs_on_a_local_disk(tmp_path: Path, kind: str, level: list[str]) -> None:
    """The nearest mount point counts, and the last that was mounted there."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/a / ext4 rw 0 0\nold {tmp_path} xfs rw 0 0\nnew {tmp_path} {kind} rw 0 0\nx /y nfs rw 0 0\n"
    )
    assert [finding.level for finding in look_at_places(settings(tmp_path), mounts)] == level


def test_a_journal_in_memory_is_fine_in_a_lab(tmp_path: Path) -> None:
    """Where only a simulator is called; and what cannot be read tells nothing."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"new {tmp_path} tmpfs rw 0 0\n")
    assert look_at_places(settings(tmp_path, "http://127.0.0.1:1"), mounts) == []
    assert look_at_places(settings(tmp_path), tmp_path / "none") == []


def test_attachments_elsewhere_are_looked_at_as_well(tmp_path: Path) -> None:
    """Under the name of the setting that says where."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nshare {tmp_path}/share cifs rw 0 0\n")
    (tmp_path / "share").mkdir()
    made = settings(tmp_path, media={"directory": f"{tmp_path}/share/media"})
    [found] = look_at_places(made, mounts)
    assert found.part == "media"
    assert "media.directory" in str(found.cure)


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://sms.example.com", False),
        ("https://10.0.0.7", True),
        ("https://relay.lan", True),
        ("https://host", True),
    ],
)
def test_a_public_address_has_to_be_on_the_internet(tmp_path: Path, url: str, is_told: bool) -> None:
    """AT&T reaches no private network."""
    found = list(look_at_sense(settings(tmp_path, webhooks={"public_url": url})))
    assert [finding.part for finding in found] == (["webhooks"] if is_told else [])


def test_the_journal_of_an_older_relay_is_said_to_be_one(tmp_path: Path) -> None:
    """It is brought up to date at the next start; looking makes no file beside it."""
    path = tmp_path / "relay.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript("PRAGMA journal_mode=WAL; CREATE TABLE alembic_version (version_num TEXT);")
        made.execute("INSERT INTO alembic_version VALUES ('0001')")
        made.commit()
    [found] = look_at_tables(path)
    assert (found.ok, "older relay" in found.what) == (True, True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("UPDATE alembic_version SET version_num = ?", (newest(),))
        made.commit()
    assert look_at_tables(path) == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["relay.db"]


def test_a_journal_without_tables_is_not_judged(tmp_path: Path) -> None:
    """Neither an empty one nor what is no database."""
    for content in (b"", b"something else altogether"):
        (tmp_path / "relay.db").write_bytes(content)
        assert look_at_tables(tmp_path / "relay.db") == []


def test_versions_of_sqlite_are_told_apart() -> None:
    """Too old to run, with a flaw that relay's one writer does not meet, and mended."""
    assert not look_at_sqlite((3, 34, 1)).ok
    assert "nothing but relay" in look_at_sqlite((3, 51, 2)).what
    assert look_at_sqlite((3, 51, 3)).what == "SQLite 3.51.3"


def test_the_nearest_clock_counts() -> None:
    """One provider's own may be wrong; where none could be asked nothing is said."""
    assert judged([]) == []
    assert judged([timedelta(hours=1), timedelta(seconds=2)])[0].ok
    [found] = judged([timedelta(seconds=-90)])
    assert found.what == "this machine's clock is 90 s behind the provider's"


@pytest.mark.parametrize(("days", "level"), [(60, []), (10, ["hint"]), (2, ["wrong"]), (-1, ["wrong"])])
def test_a_certificate_that_ends_is_told_in_time(days: int, level: list[str]) -> None:
    """Two weeks before it is a hint, and in the last days a fault."""
    found = ends_soon("broker", "mqtts://broker.example", NOW + timedelta(days=days), NOW, "nothing works then")
    assert levels(found) == level
    assert ends_soon("broker", "mqtt://broker.example", None, NOW, "") == []


@pytest.mark.parametrize(
    ("code", "words"), [(9, "is not valid yet"), (10, "has expired"), (62, "another host"), (1, "x")]
)
def test_what_openssl_says_of_a_certificate_has_a_cure(code: int, words: str) -> None:
    """By its number; an unknown one in OpenSSL's words."""
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "x"
    said = distrusted("host.example", 443, "bus.url", "trust it", error)
    assert words in said.what
    assert said.cure


async def test_a_web_server_that_does_not_tell_the_time_tells_nothing_of_the_clock() -> None:
    """Nor does one that tells nonsense; what is no web server is named."""
    answers = [
        b"HTTP/1.1 200 OK\r\nDate: once upon a time\r\n\r\n",
        b"HTTP/1.1 404 No\r\n\r\n",
        b"220 mail.example\r\n",
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answers.pop(0))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as serving:
        door = Door("lines.alerts.base_url", "127.0.0.1", serving.sockets[0].getsockname()[1])
        behind = [await knock(door, 5.0, NOW) for _ in range(3)]
    assert [each.ahead for each in behind] == [None] * 3
    assert [bool(each.trouble) for each in behind] == [False, False, True]

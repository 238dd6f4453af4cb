"""The files in config/ are true: relay and mosquitto take them, and they name every setting there is."""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.settings.keys import names

CONFIG = Path(__file__).parents[2] / "config"
# What has no default, or one that a line may not have: the file gives examples.
EXAMPLES = {"registration_id", "group", "hours", "zone", "replies", "calls_per_second", "calls_per_day"}
MODELS = {name: provider.settings for name, provider in discover().items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of config/ with the secrets that its files name."""
    copy = shutil.copytree(CONFIG, tmp_path / "config")
    for file in copy.glob("*.toml"):
        for name in re.findall(r'"(secrets/[a-z-]+)"', file.read_text()):
            (copy / name).parent.mkdir(exist_ok=True)
            (copy / name).write_text("https://relay.example\n" if "notify" in name else "a-secret-that-fits\n")
            (copy / name).chmod(0o600)
    for name in ("ca.pem", "relay.pem", "relay.key"):
        (copy / name).write_text("as if")
        (copy / name).chmod(0o600)
    return copy


def everything_set(text: str) -> str:
    """The settings file with its commented settings switched on, but for those of the lab."""
    text = text.replace("mqtt://127", "mqtts://127")
    # A session, or a user name and a password: not both.
    text = re.sub(r"^# (?=username = \"\+1|password_file = \"secrets/office)", "## ", text, flags=re.MULTILINE)
    return re.sub(r"^# ((?!speed|epoch)\w+ = )", r"\1", text, flags=re.MULTILINE)


def test_the_shortest_settings_load(folder: Path) -> None:
    """A broker, and one line."""
    secret = {"RELAY_LINES__ALERTS__APP_SECRET": "s"}
    settings = load_settings(path=folder / "relay-minimal.toml", environment=secret, line_models=MODELS)
    assert list(settings.lines) == ["alerts"]


def test_the_explained_settings_load_as_they_are_and_with_everything_switched_on(folder: Path) -> None:
    """What is commented out is right as well, and is the default where it is said to be."""
    file = folder / "relay.toml"
    secrets = {f"RELAY_LINES__{name}": "s" for name in ("ALERTS__APP_SECRET", "OFFICE__SESSION", "DESK__APP_SECRET")}
    plain = load_settings(path=file, environment=secrets, line_models=MODELS)
    file.write_text(everything_set(file.read_text()))
    full = load_settings(path=file, environment={}, line_models=MODELS)
    assert list(plain.lines) == list(full.lines) == ["alerts", "office", "desk"]
    assert _defaults(plain) == _defaults(full)
    assert [plain.lines[alias].calls_per_month for alias in plain.lines] == [1_000_000, None, 1_000_000]
    assert all(set(line.replies.given) == {"stop", "start", "help"} for line in full.lines.values())


def _defaults(settings: Settings) -> dict[str, object]:
    """What the file says is the default, read back."""
    plain = settings.model_dump(exclude={"node": {"name"}, "lab": True, "webhooks": {"public_url", "allow", "proxies"}})
    for key in ("url", "username", "password", "ca_file", "cert_file", "key_file", "commands_id"):
        del plain["bus"][key]
    del plain["journal"]["password"]
    plain["media"]["directory"] = settings.media_directory
    del plain["media"]["folder"]
    del plain["telemetry"]["traces"]
    lines = {alias: line.model_dump(exclude=EXAMPLES) for alias, line in settings.lines.items()}
    del lines["office"]["calls_per_month"]
    plain["lines"] = {
        alias: {key: value for key, value in line.items() if not isinstance(value, SecretStr) and value is not None}
        for alias, line in lines.items()
    }
    return plain


def test_every_setting_is_explained() -> None:
    """A setting that is not in relay.toml is known to nobody; a secret stands there with its file."""
    text = (CONFIG / "relay.toml").read_text()
    parts = dict(re.findall(r"^(?:# )?\[([a-z.]+)\][^\n]*\n(.*?)(?=^(?:# )?\[|\Z)", text, re.MULTILINE | re.DOTALL))
    lines = {"alerts": MODELS["att-sms"], "office": MODELS["att-landline"], "desk": MODELS["att-inapp"]}
    wanted = set(names(lines))
    secrets = {keys for keys in wanted if (*keys[:-1], f"{keys[-1]}_file") in wanted}
    missing = [
        ".".join(keys)
        for keys in sorted(wanted - secrets)
        if not re.search(rf"^(?:# )?{keys[-1]} = ", parts[".".join(keys[:-1])], re.MULTILINE)
    ]
    assert missing == []


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[int]:
    """A mosquitto with config/mosquitto.conf, its files in `folder`; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (folder / "mosquitto.conf").read_text()
    text = text.replace("/etc/mosquitto/relay.acl", str(folder / "mosquitto.acl"))
    text = text.replace("/etc/mosquitto/relay.passwd", str(folder / "passwd")).replace(
        "/var/lib/mosquitto", str(folder)
    )
    text = text.replace("listener 1883", f"listener {port}")
    (folder / "mosquitto.conf").write_text(f"{text}user root\nlog_dest stderr\n")
    folder.parent.chmod(0o755)
    for first, user in (("-c", "relay"), (None, "shop"), (None, "inbox")):
        await run("mosquitto_passwd", *([first] if first else []), "-b", str(folder / "passwd"), user, "secret")
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "mosquitto"
    process = await asyncio.create_subprocess_exec(
        program, "-c", folder / "mosquitto.conf", stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr
        async with asyncio.timeout(10):
            while b" running" not in (line := await process.stderr.readline()):
                assert line, "mosquitto ended"
        yield port
    finally:
        process.terminate()
        await process.communicate()


async def run(*command: str) -> None:
    """Run a program that is to succeed."""
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def test_mosquitto_takes_its_configuration_and_keeps_clients_apart(folder: Path) -> None:
    """A client sends under its own name, reads its own answers, and nobody without a name comes in."""
    async with broker(folder) as port:
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5):
                pass
        assert await publish_codes(port, "shop", ["relay/line/alerts/send/shop", "relay/line/alerts/send/other"]) == [
            0x10,
            0x87,
        ]
        assert await publish_codes(port, "relay", ["relay/line/alerts/message", "reply/shop/1", "other"]) == [
            0x10,
            0x10,
            0x87,
        ]
        assert await publish_codes(port, "inbox", ["relay/line/alerts/send", "relay/line/alerts/message"]) == [
            0x87,
            0x87,
        ]


async def publish_codes(port: int, user: str, topics: list[str]) -> list[int]:
    """What the broker answers to a message of `user` to each topic: 0x10 where it takes it and nobody listens."""
    codes: asyncio.Queue[int] = asyncio.Queue()
    client = aiomqtt.Client("127.0.0.1", port, username=user, password="secret", protocol=aiomqtt.ProtocolVersion.V5)
    found = []
    async with client, asyncio.timeout(10):

        def confirmed(_c: object, _u: object, _mid: int, reason: object, _p: Properties) -> None:
            codes.put_nowait(reason.value)  # type: ignore[attr-defined]

        client._client.on_publish = confirmed
        for topic in topics:
            client._client.publish(topic, b"{}", qos=1)
            found.append(await codes.get())
    return found

"""What `relay check` finds: a journal's place, a broker, and lines against the simulator."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from relay.bus.dial import Dial
from relay.bus.link import Link
from relay.cli.findings import Finding
from relay.cli.findings.broker import look_at_broker
from relay.cli.findings.consent import look_at_consent
from relay.cli.findings.journal import in_use, look_at_journal
from relay.cli.findings.lines import Prober
from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.simulator.app import Simulator
from relay.wiring import bus_settings
from tests.brokers import Mosquitto
from tests.unit.consenting import DESK
from tests.unit.counter import opened

PROVIDERS = discover()
MODELS = {name: provider.settings for name, provider in PROVIDERS.items()}
SESSION = "00000000-0000-0000-0000-000000000000:1"

Tree = dict[str, Any]
Make = Callable[..., Settings]


@pytest.fixture
async def att() -> AsyncIterator[Simulator]:
    """AT&T, simulated."""
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def settings(tmp_path: Path, att: Simulator) -> Make:
    """Makes good settings, with tables in place of some of them."""
    (tmp_path / "relay.toml").write_text("")

    def make(alerts: Mapping[str, Any] = {}, office: Mapping[str, Any] = {}, **tables: Tree) -> Settings:
        sms = {"provider": "att-sms", "short_code": "12345", "app_key": "demo-key", "app_secret": "demo-secret"}
        landline = {"provider": "att-landline", "number": "+12065550100", "session": SESSION}
        lines = {
            "alerts": {**sms, "base_url": att.base_url, **alerts},
            "office": {**landline, "base_url": att.base_url, **office},
        }
        tree: Tree = {
            "bus": {"url": "mqtt://127.0.0.1:1"},
            "journal": {"url": f"sqlite:///{tmp_path}/relay.db"},
            "webhooks": {"public_url": "https://sms.example.com"},
            "lines": lines,
            **tables,
        }
        return load_settings(path=tmp_path / "relay.toml", environment={}, line_models=MODELS, overrides=tree)

    return make


async def journal_at(url: Path, settings: Make) -> Finding:
    """What is found of a journal."""
    made = await asyncio.to_thread(settings, journal={"url": f"sqlite:///{url}"})
    return (await look_at_journal(made))[0]


async def line(alias: str, made: Settings) -> list[Finding]:
    """What is found of a line."""
    return list(await Prober(made, PROVIDERS).look_at_line(alias))


async def test_a_journal_that_is_not_there_yet_is_fine_and_is_not_made(settings: Make, tmp_path: Path):
    """Made by a check that root runs, it would be root's, and shut to relay."""
    found = await journal_at(tmp_path / "new.db", settings)

    assert found.ok
    assert "will be made" in found.what
    assert not (tmp_path / "new.db").exists()


async def test_a_directory_that_is_not_there_is_told(settings: Make, tmp_path: Path):
    """With why it matters, and the cure."""
    found = await journal_at(tmp_path / "no" / "relay.db", settings)

    assert not found.ok
    assert f"the directory {tmp_path}/no does not exist" in found.what
    assert "owned by relay's user" in str(found.cure)


async def test_the_directory_that_systemd_makes_may_be_missing(settings: Make):
    """Before the first start it is not there."""
    found = await journal_at(Path("/var/lib/relay/relay.db"), settings)
    assert found.ok


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0and more"])
async def test_a_journal_that_nobody_has_open_is_in_order(settings: Make, tmp_path: Path, content: bytes):
    """An empty one counts: a relay that was killed at its very start left it."""
    (tmp_path / "old.db").write_bytes(content)
    found = await journal_at(tmp_path / "old.db", settings)
    assert found.ok
    assert "not in use" in found.what


async def test_a_file_of_another_kind_is_told(settings: Make, tmp_path: Path):
    """Before relay starts, and not by its failing."""
    (tmp_path / "text.db").write_text("something else altogether")
    found = await journal_at(tmp_path / "text.db", settings)
    assert not found.ok
    assert "no SQLite database" in found.what


async def test_a_disk_without_room_for_the_ballast_is_found(settings: Make, tmp_path: Path):
    """Relay would start and take nothing; where a running relay holds it already, nothing more is wanted."""
    made = await asyncio.to_thread(settings, journal={"url": f"sqlite:///{tmp_path}/new.db"})
    huge = made.model_copy(update={"journal": made.journal.model_copy(update={"ballast": 1 << 60})})
    first, room = await look_at_journal(huge)
    assert first.ok
    assert not room.ok
    assert "KiB left" in room.what
    assert room.cure == "free some space there"
    await asyncio.to_thread(_hold, tmp_path / "new.db.ballast", 1 << 40)
    small = made.model_copy(update={"journal": made.journal.model_copy(update={"ballast": 1 << 40})})
    assert len(await look_at_journal(small)) == 1


def _hold(path: Path, size: int) -> None:
    """A file that is as long as a ballast."""
    with path.open("wb") as file:
        file.truncate(size)


def test_a_journal_that_is_locked_is_in_use(tmp_path: Path):
    """The lock stands beside the file, and looking at it leaves it alone."""
    path = tmp_path / "relay.db"
    assert not in_use(path)
    with (tmp_path / "relay.db.lock").open("w") as lock:
        assert not in_use(path)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert in_use(path)
        assert in_use(path)


async def test_a_broker_is_asked_for_its_version(settings: Make, tmp_path: Path):
    """The line says what relay will speak with it."""
    (tmp_path / "broker").mkdir()
    async with Mosquitto(tmp_path / "broker", persistent=True) as broker:
        found = await look_at_broker(await asyncio.to_thread(settings, bus={"url": broker.url}))
        older = await look_at_broker(await asyncio.to_thread(settings, bus={"url": broker.url, "protocol": "3.1.1"}))
        await broker.logged("Received DISCONNECT from relay-node-", 3)
    assert [each.what for each in (*found, *older)] == [
        f"{broker.url}: connected, MQTT 5",
        f"{broker.url}: connected, MQTT 3.1.1",
    ]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_topic_that_the_broker_denies_is_told(settings: Make, tmp_path: Path, protocol: str) -> None:
    """By its name, with the cure; on MQTT 3.1.1, where the broker says nothing, too."""
    (tmp_path / "broker").mkdir()
    granted = [f"topic readwrite relay/line/alerts/{what}" for what in ("result", "receipt", "event/#")]
    granted += ["topic readwrite relay/line/office/#", "topic readwrite relay/dead", "topic write reply/#"]
    async with Mosquitto(tmp_path / "broker", persistent=True, acl=granted) as broker:
        bus = {"url": broker.url, "protocol": protocol}
        _, *found = await look_at_broker(await asyncio.to_thread(settings, bus=bus))
    assert [each.what for each in found] == ["relay/line/alerts/message: publishing is denied"]
    assert "ACL" in str(found[0].cure)


async def test_a_broker_that_refuses_the_password_is_told(settings: Make, tmp_path: Path):
    """The cause is named, and the settings to look at."""
    (tmp_path / "broker").mkdir()
    async with Mosquitto(tmp_path / "broker", users={"relay": "right"}) as broker:
        bus = {"url": broker.url, "username": "relay", "password": "wrong"}
        found = (await look_at_broker(await asyncio.to_thread(settings, bus=bus)))[0]
    assert not found.ok
    assert "refuses this user" in found.what or "does not know this user" in found.what
    assert "bus.username" in str(found.cure)
    assert "wrong" not in f"{found}"


async def test_a_broker_that_is_not_there_is_told(settings: Make):
    """A port that nobody listens on."""
    found = (await look_at_broker(await asyncio.to_thread(settings)))[0]
    assert "cannot be reached" in found.what
    assert "systemctl start mosquitto" in str(found.cure)


async def test_good_credentials_are_told_and_kept_nowhere(settings: Make, tmp_path: Path):
    """A check leaves no trace in relay's journal."""
    found = await line("alerts", await asyncio.to_thread(settings))
    assert [each.ok for each in found] == [True]
    assert "accepts the credentials" in found[0].what
    assert not (tmp_path / "relay.db").exists()


@pytest.mark.parametrize(
    ("alias", "wrong"), [("alerts", {"app_secret": "marked-secret"}), ("office", {"session": "marked-secret"})]
)
async def test_bad_credentials_are_told_without_them(settings: Make, alias: str, wrong: dict[str, str]):
    """Nothing more is asked of a line that is not let in."""
    made = await asyncio.to_thread(settings, **{alias: wrong})
    found = await line(alias, made)

    assert [each.ok for each in found] == [False]
    assert "credentials" in str(found[0].cure)
    assert "marked-secret" not in f"{found}"


async def test_a_provider_that_is_not_there_is_told(settings: Make):
    """It is not taken for bad credentials."""
    made = await asyncio.to_thread(settings, {"base_url": "http://127.0.0.1:1"})
    found = await line("alerts", made)
    assert "base_url" in str(found[0].cure)


async def test_web_hooks_need_a_public_address(settings: Make):
    """Without it AT&T can tell relay nothing."""
    made = await asyncio.to_thread(settings, webhooks={})
    credentials, hooks = await line("office", made)
    assert credentials.ok
    assert not hooks.ok
    assert "webhooks.public_url is not set" in hooks.what


async def install(
    att: Simulator, made: Settings, *events: str, at: Sequence[str] = ("https://sms.example.com",)
) -> None:
    """Install hooks as relay does."""
    from relay.clock import SystemClock  # noqa: PLC0415 - here alone
    from relay.ids import Ids  # noqa: PLC0415 - as above
    from relay.providerkit.spec import LineContext  # noqa: PLC0415 - as above

    clock = SystemClock()
    context = LineContext("office", made.lines["office"], None, clock, Ids(clock))
    office: Any = PROVIDERS["att-landline"].connect(context)
    for event in events:
        for host in at:
            await office.install_hook(event, f"{host}/hooks/office/some-secret/{event}")
    await office.aclose()
    assert att.base_url


ALL = ("receive", "send", "progress", "read", "delete")


async def test_web_hooks_that_are_installed_are_in_order(settings: Make, att: Simulator):
    """All five, whatever their secret is."""
    made = await asyncio.to_thread(settings)
    await install(att, made, *ALL)
    _, hooks = await line("office", made)
    assert hooks.ok
    assert "receive, send, progress, read, delete" in hooks.what


async def test_missing_web_hooks_are_no_fault_before_relay_runs(settings: Make):
    """It installs them itself."""
    _, hooks = await line("office", await asyncio.to_thread(settings))
    assert hooks.ok
    assert "relay does it when it starts" in hooks.what


@pytest.mark.parametrize(("installed", "said"), [(ALL[1:], "missing: receive"), ((*ALL, "send"), "twice: send")])
async def test_wrong_web_hooks_are_told_while_relay_runs(
    settings: Make, att: Simulator, tmp_path: Path, installed: tuple[str, ...], said: str
):
    """Then something is wrong that relay could not mend."""
    made = await asyncio.to_thread(settings)
    await install(att, made, *installed)
    with (tmp_path / "relay.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, hooks = await line("office", made)
    assert not hooks.ok
    assert said in hooks.what


async def test_each_of_several_hosts_needs_its_hooks(settings: Make, att: Simulator, tmp_path: Path):
    """The host that has none is named."""
    hosts = ["https://sms.example.com", "https://b.example"]
    made = await asyncio.to_thread(settings, webhooks={"public_url": hosts})
    await install(att, made, *ALL)
    with (tmp_path / "relay.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, hooks = await line("office", made)
        assert not hooks.ok
        assert hooks.what.startswith("web hooks are missing: receive at b.example, send at b.example")
        await install(att, made, *ALL, at=hosts[1:])
        _, hooks = await line("office", made)
    assert hooks.ok


async def test_what_a_person_has_to_register_is_listed_without_its_secret(settings: Make):
    """`relay webhooks list` alone shows secrets."""
    alerts = {"receive": "callback", "receipts": "callback", "webhook_secret": "marked-secret-0123"}
    _, hooks = await line("alerts", await asyncio.to_thread(settings, alerts))
    assert hooks.ok
    assert "message: https://sms.example.com/hooks/alerts/SECRET/message" in hooks.what
    assert "marked-secret" not in f"{hooks}"


async def test_a_line_that_needs_consent_is_not_called_without(settings: Make, att: Simulator):
    """Its consent is relay's, and is not looked at by trying."""
    desk = {"provider": "att-inapp", "number": "+12065550111", "app_key": "key", "app_secret": "secret"}
    lines = {"desk": {**desk, "base_url": att.base_url}}
    [consent] = await line("desk", await asyncio.to_thread(settings, lines=lines))
    assert consent.ok
    assert consent.what.endswith("run: relay auth login desk")
    assert att.world.ledger.lines() == []


async def consent(settings: Make, **tables: Tree) -> Finding:
    """What is found of a subscriber's consent."""
    return await look_at_consent(DESK, await asyncio.to_thread(settings, **tables))


async def test_without_a_running_relay_nobody_knows_whether_the_subscriber_agreed(settings: Make, tmp_path: Path):
    """That is no fault; what to do is said."""
    found = await consent(settings, admin={"socket": str(tmp_path / "nosuch.sock")})
    assert found.ok
    assert "if not, run: relay auth login desk" in found.what


async def test_a_missing_consent_is_told_by_the_running_relay(settings: Make, tmp_path: Path):
    """Until the subscriber has agreed."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        found = await consent(settings, admin={"socket": str(desk.path)})
        assert (found.ok, found.cure) == (False, "run: relay auth login desk")
        assert "(never_given)" in found.what
        found = await consent(settings, admin={"socket": str(desk.path)}, webhooks={})
        assert str(found.cure).startswith("set webhooks.public_url")
        async with desk.consents.login(DESK):
            await desk.consents.returned(DESK, {"code": "a"})
        assert (await consent(settings, admin={"socket": str(desk.path)})).ok


async def test_a_relay_that_does_not_know_the_line_yet_is_no_consent(settings: Make, tmp_path: Path):
    """The line was added to the settings after relay started."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        made = await asyncio.to_thread(settings, admin={"socket": str(desk.path)})
        assert not (await look_at_consent("another", made)).ok


async def test_a_check_leaves_no_session_with_the_broker(settings: Make, tmp_path: Path):
    """It asks for one, to know for how long it would be kept, and has it forgotten again."""
    (tmp_path / "broker").mkdir()
    async with Mosquitto(tmp_path / "broker", persistent=True) as broker:
        made = await asyncio.to_thread(settings, bus={"url": broker.url}, node={"name": "one"})
        await look_at_broker(made)
        bus = bus_settings(made)
        dial = Dial(settings=bus, client_id=f"{bus.node_client_id}-check", protocol="5", persistent=True)
        async with Link(dial, lambda link, received: link.ack(received.mid, received.qos)) as link:
            assert not link.session_present
        async with Link(dial, lambda link, received: link.ack(received.mid, received.qos)) as link:
            assert link.session_present

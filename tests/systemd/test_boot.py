"""The unit under a real systemd: started, loaded again, killed, hung, given bad settings, stopped.

The machine is booted in namespaces (`machine.py`); its network is this one's, so relay in it reaches a broker and an
AT&T of the tests.
"""

import asyncio
import json
import platform
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.brokers import free_port
from tests.conftest import LONG
from tests.databases import Database, borrowed
from tests.system.world import SECRETS, World, world
from tests.systemd.machine import PATIENCE, Machine, booted

# The long form makes a new Debian first, which takes a minute or two.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

# What the tests' machine needs, and less waiting. Everything else is the unit as it is shipped.
DROP_IN = """
[Service]
Environment=LD_LIBRARY_PATH=/opt/python/lib
WatchdogSec=4s
RestartSec=500ms
"""
SETTINGS = """
[node]
name = "relay-1"
[bus]
url = "mqtt://127.0.0.1:{broker_port}"
[journal]
ballast = "1 MiB"
[webhooks]
listen = "127.0.0.1:{hook_port}"
public_url = "http://127.0.0.1:{hook_port}"
[admin]
listen = "127.0.0.1:{admin_port}"
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
[lines.office]
provider = "att-landline"
base_url = "{att}"
number = "+12065550100"
"""
CREDENTIALS = {
    "bus.password": "unused",
    "lines.alerts.app_secret": SECRETS["app_secret"],
    "lines.office.session": SECRETS["session"],
}


@dataclass
class Deployed:
    """relay, installed on a machine as docs/deployment.md says."""

    machine: Machine
    world: World
    settings: str
    port: int

    def write(self, settings: str) -> None:
        """Replace /etc/relay/relay.toml."""
        (self.machine.root / "etc/relay/relay.toml").write_text(settings)

    async def run(self, command: str, expected: int | None = 0) -> str:
        """Run a command on it."""
        return await self.machine.run(command, expected)

    async def main_pid(self) -> int:
        """Relay's process, as systemd on the machine numbers it; 0 where it does not run."""
        return int(await self.machine.shows("relay", "MainPID"))

    async def events(self, name: str) -> list[dict[str, object]]:
        """What relay has logged under a name, all lives together."""
        said = [str(line.get("MESSAGE", "")) for line in await self.machine.journal()]
        logged = [json.loads(line) for line in said if line.startswith("{")]
        return [line for line in logged if line.get("event") == name]

    async def running(self) -> int:
        """See that it runs; its process."""
        await self.run("systemctl start relay || { journalctl --no-pager -n 40 -u relay; exit 1; }")
        return await self.main_pid()

    async def until_started(self, times: int) -> None:
        """Wait until relay has said so many times that it has started."""
        await self.machine.until_said("relay", '"relay.started"', times)

    async def knock(self) -> bytes:
        """Ask the web-hook listener for what is not there; how its answer begins. A refusal raises."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: tests\r\nConnection: close\r\n\r\n")
        try:
            async with asyncio.timeout(PATIENCE):
                return (await reader.read())[:12]
        finally:
            writer.close()


def _debian(folder: Path) -> Path:
    """A new Debian, of this machine's release, with no more in it than systemd and what Python needs."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    words = ("--variant=minbase", "--include=systemd,dbus,python3", release, str(folder))
    subprocess.run(["debootstrap", *words], check=True, capture_output=True)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["this-machine", *(["new-debian"] if LONG else [])])
async def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployed]:
    """A machine with relay on it."""
    folder = tmp_path_factory.mktemp("boot")
    (folder / "world").mkdir()
    files = await asyncio.to_thread(_debian, folder / "debian") if request.param == "new-debian" else Path("/")
    async with world(folder / "world", free_port, lab=False) as outside, booted(folder, files) as machine:
        hook_port = outside.hooks.rpartition(":")[2]
        settings = SETTINGS.format(
            broker_port=outside.broker.port, hook_port=hook_port, admin_port=free_port(), att=outside.att.base_url
        )
        settings = settings.replace("[journal]", 'username = "relay"\n[journal]')
        made = Deployed(machine, outside, settings, int(hook_port))
        made.write(settings)
        await machine.run("systemd-tmpfiles --create /opt/relay/src/systemd/tmpfiles.d/relay.conf")
        etc = machine.root / "etc"
        for name, secret in CREDENTIALS.items():
            (etc / "relay/secrets" / name).write_text(secret + "\n")
        wanted = "".join(f"LoadCredential={name}:/etc/relay/secrets/{name}\n" for name in CREDENTIALS)
        for unit in ("relay", "relay@"):
            drop_ins = etc / f"systemd/system/{unit}.service.d"
            drop_ins.mkdir()
            (drop_ins / "tests.conf").write_text(DROP_IN)
            (drop_ins / "secrets.conf").write_text(f"[Service]\n{wanted}")
        await machine.run("systemctl daemon-reload")
        yield made


async def test_it_starts_as_its_own_user_with_its_secrets(deployed: Deployed) -> None:
    """Systemctl returns once relay is ready; its user is nobody else's, and its state is shut to all others."""
    process = await deployed.running()
    user = (await deployed.run(f"stat -c %u /proc/{process}")).strip()
    assert user != "0"
    assert (await deployed.run("stat -L -c %a-%u /var/lib/relay /run/relay")).split() == [f"700-{user}", f"750-{user}"]
    assert (await deployed.run("stat -c %a-%U /etc/relay/secrets /etc/relay/secrets/*")).split()[0] == "700-root"
    status = await deployed.run("/opt/relay/bin/relay status")
    assert "alerts" in status
    assert await deployed.machine.shows("relay", "NFileDescriptorStore") == "1"


async def test_it_takes_new_settings_and_refuses_bad_ones(deployed: Deployed) -> None:
    """`systemctl reload` tells how it went, and one process lives through it."""
    process = await deployed.running()
    deployed.write(deployed.settings.replace('short_code = "12345"', 'short_cod = "12345"'))
    assert "failed" in await deployed.run("systemctl reload relay", expected=1)
    assert "short_cod" in await deployed.run("journalctl -u relay -o cat --no-pager")
    deployed.write(deployed.settings.replace('"12345"', '"54321"'))
    await deployed.run("systemctl reload relay")
    assert await deployed.main_pid() == process
    assert await deployed.machine.shows("relay", "ActiveState") == "active"


async def test_it_comes_back_after_a_kill_and_callers_wait_meanwhile(deployed: Deployed) -> None:
    """Systemd has kept the web-hook socket: who calls while nobody is there is answered by the next process."""
    process = await deployed.running()
    lives = len(await deployed.events("relay.started"))
    await deployed.run("systemctl kill -s KILL --kill-who=main relay")
    assert await deployed.knock() == b"HTTP/1.1 404"
    await deployed.until_started(lives + 1)
    assert await deployed.main_pid() != process
    assert [line["name"] for line in await deployed.events("listener.handed_over")] == ["webhooks"]
    assert await deployed.machine.shows("relay", "NFileDescriptorStore") == "1"


async def test_it_is_replaced_when_it_hangs(deployed: Deployed) -> None:
    """A process that stands still says nothing to the watchdog."""
    await deployed.running()
    lives = len(await deployed.events("relay.started"))
    await deployed.run("systemctl kill -s STOP --kill-who=main relay")
    assert await deployed.knock() == b"HTTP/1.1 404"
    await deployed.until_started(lives + 1)
    told = await deployed.run("journalctl -u relay -o cat --no-pager")
    assert "Watchdog timeout" in told
    assert "Failed with result 'watchdog'" in told


async def test_a_restart_lets_callers_wait(deployed: Deployed) -> None:
    """The socket is not let go as one process ends because another is to follow."""
    await deployed.running()
    handed_over = len(await deployed.events("listener.handed_over"))
    stopped = len(await deployed.events("relay.stopped"))
    restarting = asyncio.create_task(deployed.run("systemctl restart relay"))
    await deployed.machine.until_said("relay", '"relay.stopped"', stopped + 1)
    assert await deployed.knock() == b"HTTP/1.1 404"
    await restarting
    assert len(await deployed.events("listener.handed_over")) == handed_over + 1


async def test_a_signal_from_elsewhere_does_not_end_it(deployed: Deployed) -> None:
    """It stops cleanly, and comes back: nobody has told systemd that it is to end."""
    process = await deployed.running()
    lives = len(await deployed.events("relay.started"))
    await deployed.run(f"kill -TERM {process}")
    await deployed.until_started(lives + 1)


async def test_a_stop_is_clean_and_frees_the_address(deployed: Deployed) -> None:
    """What systemd kept for the next process is gone with the service."""
    await deployed.running()
    await deployed.run("systemctl stop relay")
    assert await deployed.machine.shows("relay", "Result") == "success"
    assert await deployed.machine.shows("relay", "ExecMainStatus") == "0"
    assert (await deployed.events("relay.stopped"))[-1]["node"] == "relay-1"
    with pytest.raises(ConnectionRefusedError):
        await deployed.knock()


async def test_bad_settings_end_it_for_good(deployed: Deployed) -> None:
    """Starting again would not mend them: it fails with 78, once, and says what is wrong."""
    await deployed.run("systemctl stop relay")
    deployed.write(deployed.settings.replace("mqtt://", "mqt://"))
    await deployed.run("systemctl start relay", expected=1)
    assert await deployed.machine.shows("relay", "ExecMainStatus") == "78"
    assert await deployed.machine.shows("relay", "ActiveState") == "failed"
    assert await deployed.machine.shows("relay", "NRestarts") == "0"
    assert "bus.url" in await deployed.run("journalctl -u relay -o cat --no-pager")
    deployed.write(deployed.settings)


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as kept:
        yield kept


async def test_a_node_of_several_runs_in_the_same_sandbox_over_postgresql(
    deployed: Deployed, database: Database
) -> None:
    """Its name is the instance's; what is its own stands in its file."""
    own = {"JOURNAL__URL": database.url, "WEBHOOKS__LISTEN": "127.0.0.1:0", "ADMIN__LISTEN": "127.0.0.1:0"}
    lines = "".join(f"RELAY_{name}={value}\n" for name, value in own.items())
    (deployed.machine.root / "etc/relay/east.env").write_text(lines)
    await deployed.run("systemctl start relay@east || { journalctl --no-pager -n 40 -u relay@east; exit 1; }")
    assert "east" in await deployed.run("/opt/relay/bin/relay status --socket /run/relay-east/relay.sock")
    await deployed.run("systemctl stop relay@east")
    assert await deployed.machine.shows("relay@east", "Result") == "success"


SOCKET = "[Socket]\nListenStream=127.0.0.1:{port}\nBacklog=1024\nNoDelay=yes\n[Install]\nWantedBy=sockets.target\n"

if LONG:

    async def test_a_socket_unit_serves_in_the_place_of_relays_own(deployed: Deployed) -> None:
        """As docs/deployment.md has it; the one that relay made is not missed."""
        (deployed.machine.root / "etc/systemd/system/relay.socket").write_text(SOCKET.format(port=deployed.port))
        await deployed.run("systemctl daemon-reload; systemctl stop relay; systemctl enable --now relay.socket")
        assert await deployed.running()
        assert await deployed.knock() == b"HTTP/1.1 404"
        assert (await deployed.events("listener.handed_over"))[-1]["name"] == "relay.socket"
        assert await deployed.machine.shows("relay", "NFileDescriptorStore") == "0"
        await deployed.run("systemctl kill -s KILL --kill-who=main relay")
        assert await deployed.knock() == b"HTTP/1.1 404"
        await deployed.run("systemctl disable --now relay.socket; systemctl stop relay")

    async def test_an_encrypted_secret_reaches_relay_and_all_can_be_taken_away(deployed: Deployed) -> None:
        """The last page of docs/deployment.md."""
        secrets = "/etc/relay/secrets"
        await deployed.run(f"systemd-creds encrypt --name=bus.password {secrets}/bus.password {secrets}/mqtt.cred")
        drop_in = deployed.machine.root / "etc/systemd/system/relay.service.d/secrets.conf"
        plain = f"LoadCredential=bus.password:{secrets}/bus.password"
        drop_in.write_text(
            drop_in.read_text().replace(plain, f"LoadCredentialEncrypted=bus.password:{secrets}/mqtt.cred")
        )
        await deployed.run("systemctl daemon-reload")
        assert await deployed.running()
        await deployed.run("systemctl start dbus; systemctl disable --now relay; systemctl clean --what=state relay")
        assert not (deployed.machine.root / "var/lib/private/relay").exists()

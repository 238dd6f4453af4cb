"""B5, B7: a broker that denies: a topic, a password, a certificate; the cause is named once, and the end of it."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.bus.mqtt import Bus
from tests.battery.brokering import LogWatch, Wire, acl, amend, post
from tests.battery.table import Row
from tests.brokers import Certificates, Mosquitto
from tests.brokers import _program as program
from tests.contract.bus.conftest import announcement, make_bus
from tests.system.world import World

Found = Callable[[Row], None]
# Whoever connects here is nobody in particular: relay, its clients and those who listen have the same rights.
ALL = ["topic readwrite relay/#"]
COMMANDS = [f"topic readwrite relay/line/alerts/{verb}" for verb in ("send", "check", "cancel", "lookup", "replay")]
SAID = [
    "topic readwrite relay/node/#",
    *(f"topic readwrite relay/line/alerts/{what}" for what in ("status", "receipt")),
]
NO_RESULT = [*COMMANDS, *SAID, "topic readwrite relay/line/alerts/message", "topic readwrite relay/line/alerts/event/#"]
NO_RESULT += ["topic readwrite relay/dead", "topic read relay/line/alerts/result"]
RESULT = "relay/line/alerts/result"


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def status(made: World, topic: str) -> tuple[str, str]:
    """State and reason that a topic said last."""
    said = [body for heard, body in made.ears.heard if heard == topic]
    return said[-1]["state"], said[-1]["reason"] or ""


async def test_a_topic_that_is_denied_on_mqtt_5_holds_up_only_its_own_events(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch
) -> None:
    """They wait in the journal and come in their order once the ACL is mended; line and node say so meanwhile."""
    async with post(tmp_path, free_port, logs, broker_extra=acl(tmp_path, *NO_RESULT)) as it:
        await it.ask(3)
        await logs.until("publish.refused")
        await it.made.ears.until(lambda: status(it.made, "relay/line/alerts/status")[0] == "suspended")
        await it.made.ears.until(lambda: len(it.made.ears.events("receipt")) >= 3, what="receipts pass")
        assert not it.made.ears.events("result")
        amend(it.made.broker, tmp_path, ALL)
        began = now()
        await logs.until("publish.passed")
        await it.answered()
        recovered = now() - began
        await it.made.ears.until(lambda: status(it.made, "relay/line/alerts/status")[0] == "ready")
        order = [event["data"]["request_id"] for event in it.made.ears.events("result")]
        lost, doubled = it.lost_and_doubled()
    assert order == it.asked
    assert "relay.probe" not in str(it.made.ears.heard)
    assert logs.troubles() == ["publish.refused"]
    assert logs.told()["publish.passed"] == 1
    found(Row("B5", "publish denied on one topic, MQTT 5", 1, lost, doubled, recovered))


async def test_a_topic_that_is_denied_on_mqtt_3_1_1_is_found_by_listening(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch
) -> None:
    """Nobody tells relay: it hears that its probe does not come back, names the topic once, and once it does."""
    protocol = 'protocol = "3.1.1"'
    started = now()
    async with post(tmp_path, free_port, logs, bus=protocol, speed=300.0, broker_extra=acl(tmp_path, *NO_RESULT)) as it:
        denied = await logs.until("bus.topic_denied")
        noticed = now() - started
        await it.made.ears.until(lambda: "denied" in status(it.made, "relay/node/relay-1/status")[1])
        await it.made.ears.until(lambda: "topic_denied" in status(it.made, "relay/line/alerts/status")[1])
        assert status(it.made, "relay/node/relay-1/status")[0] == "degraded"
        amend(it.made.broker, tmp_path, ALL)
        began = now()
        await logs.until("bus.topic_allowed")
        recovered = now() - began
        await it.made.ears.until(lambda: status(it.made, "relay/line/alerts/status")[0] == "ready")
        await it.made.ears.until(lambda: status(it.made, "relay/node/relay-1/status") == ("online", ""))
        await it.ask()
        await it.answered()
    assert (denied["doing"], denied["topics"]) == ("publish", RESULT)
    assert logs.troubles() == ["bus.topic_denied"]
    found(Row("B5", "publish denied on one topic, 3.1.1", 1, 0, 0, recovered, f"named after {noticed:.1f} s"))


async def test_a_retained_topic_that_is_denied_is_named_and_told_again_once_it_passes(
    tmp_path: Path, found: Found, logs: LogWatch
) -> None:
    """On both versions; nobody has to change the state for it to be tried again."""
    rights = ["topic readwrite relay/line/#", "topic readwrite relay/dead", "topic readwrite relay/node/n1/status"]
    for protocol in ("5", "3.1.1"):
        folder = tmp_path / protocol
        folder.mkdir()
        before = logs.told()
        async with (
            Mosquitto(folder, extra=acl(folder, *rights, "topic read relay/node/n1/info")) as broker,
            make_bus(broker.url, protocol=protocol, speed=1000, timeout=2.0) as bus,
        ):
            bus.set_retained("node_info", "n1", {"version": "1"})
            denied = await logs.until("bus.topic_denied", before["bus.topic_denied"] + 1)
            assert (denied["topics"], dict(bus.denied)) == ("relay/node/n1/info", {"relay/node/n1/info": None})
            amend(broker, folder, ALL)
            await logs.until("bus.topic_allowed", before["bus.topic_allowed"] + 1)
            assert not bus.denied
    assert logs.troubles() == ["bus.topic_denied"] * 2
    found(Row("B5", "retained topic denied, 5 and 3.1.1", 2, 0, 0))


def denying(directory: Path, *filters: str) -> list[str]:
    """The broker's lines for a plugin that denies subscriptions: its own ACL files grant each of them."""
    acls = [{"acltype": "subscribeLiteral", "topic": each, "allow": False} for each in filters]
    rights = {
        "defaultACLAccess": dict.fromkeys(
            ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"), True
        ),
        "clients": [],
        "groups": [{"groupname": "all", "roles": [{"rolename": "all"}], "clients": []}],
        "roles": [{"rolename": "all", "acls": acls}],
        "anonymousGroup": "all",
    }
    path = directory / "rights.json"
    path.write_text(json.dumps(rights))
    [plugin] = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    return [f"plugin {plugin}", f"plugin_opt_config_file {path}"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_subscription_that_is_denied_silences_only_its_own_topic(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch, protocol: str
) -> None:
    """It is named once, other commands are obeyed meanwhile, and it is heard once it is granted."""
    denied = denying(tmp_path, "relay/line/alerts/check")
    async with post(tmp_path, free_port, logs, bus=f'protocol = "{protocol}"', broker_extra=denied) as it:
        told = await logs.until("bus.topic_denied")
        await it.made.ears.until(lambda: "denied" in status(it.made, "relay/node/relay-1/status")[1])
        await it.ask(3)
        await it.answered()
        await it.made.broker.kill()
        denying(tmp_path)
        await it.made.broker.start()
        began = now()
        await logs.until("bus.topic_allowed")
        await it.made.ears.connected.wait()
        await it.made.publish("relay/line/alerts/check", {"to": "+12065550001", "text": "Hello", "ref": "heard"})
        await it.made.ears.until(lambda: "heard" in [event["data"]["ref"] for event in it.made.ears.events("result")])
        recovered = now() - began
        lost, doubled = it.lost_and_doubled()
    assert (told["doing"], told["topics"]) == ("subscribe", "relay/line/alerts/check")
    assert logs.troubles().count("bus.topic_denied") == 1
    assert set(logs.troubles()) == {"bus.topic_denied", "bus.lost"}
    found(Row("B5", f"subscribe denied on one topic, MQTT {protocol}", 1, lost, doubled, recovered))


PASSWORD = "once wrong, then right"
WRONG = {
    "wrong password": ("not_authorized", "password"),
    "expired certificate": ("tls", "expired"),
    "certificate of another host": ("tls", "mismatch"),
    "unknown authority": ("tls", "not trusted: self-signed certificate"),
}


class Barred:
    """A broker that lets relay not in, until it is mended."""

    def __init__(self, folder: Path, how: str) -> None:
        self._folder = folder
        self._how = how
        self.ca: Path | None = None
        if how == "wrong password":
            self.broker = Mosquitto(folder, users={"relay": "another"})
            return
        self._good = Certificates.make(folder / "good")
        bad = Certificates.make(folder / "bad")
        self.ca = bad.ca
        if how == "unknown authority":
            self.ca = self._copied(self._good.ca)
        else:
            _sign(bad, "IP:127.0.0.1" if how.startswith("expired") else "DNS:elsewhere.example", how)
        self.broker = Mosquitto(folder, certificates=bad)
        self._bad = bad

    def bus(self, port: int) -> Bus:
        """Relay's bus, through this port."""
        more = {"ca_file": self.ca} if self.ca else {"username": "relay", "password": PASSWORD}
        return make_bus(self.broker.url.replace(f":{self.broker.port}", f":{port}"), speed=20, **more)

    async def mend(self) -> None:
        """Let relay in."""
        if self._how == "wrong password":
            passwords = self._folder / "passwords"
            passwords.write_text(f"relay:{PASSWORD}\n")
            await asyncio.to_thread(_hash, passwords)
            os.kill(self.broker.pid, signal.SIGHUP)
        elif self._how == "unknown authority":
            assert self.ca is not None
            self.ca.write_bytes(self._bad.ca.read_bytes())
        else:
            await self.broker.kill()
            _sign(self._bad, "IP:127.0.0.1")
            await self.broker.start()

    def _copied(self, path: Path) -> Path:
        copy = self._folder / "trusted.pem"
        copy.write_bytes(path.read_bytes())
        return copy


def _hash(passwords: Path) -> None:
    subprocess.run([program("mosquitto_passwd"), "-U", passwords], check=True)


def _sign(made: Certificates, name: str, how: str = "") -> None:
    """Give the server another certificate."""
    names = made.folder / "names"
    names.write_text(f"subjectAltName={name}\n")
    signer: list[str | Path] = ["-CA", made.ca, "-CAkey", made.folder / "ca.key", "-CAcreateserial", "-extfile", names]
    days = ["-days", "-1" if how.startswith("expired") else "2"]
    made_of: list[str | Path] = ["-in", made.folder / "server.csr", "-out", made.certificate("server")]
    subprocess.run(["openssl", "x509", "-req", *made_of, *signer, *days], check=True, capture_output=True)


@pytest.mark.parametrize("how", WRONG)
async def test_a_broker_that_does_not_let_relay_in_is_named_and_used_once_it_does(
    tmp_path: Path, found: Found, logs: LogWatch, how: str
) -> None:
    """Its cause is said once for both connections, the attempts grow rarer, and relay comes in by itself later."""
    barred = await asyncio.to_thread(Barred, tmp_path, how)
    cause, words = WRONG[how]
    async with barred.broker as broker, Wire(broker.port) as wire, barred.bus(wire.port) as bus:
        await wire.visited(8)
        took = 20 * (wire.came[7] - wire.came[0])
        refused = await logs.until("bus.refused")
        await barred.mend()
        began = now()
        await logs.until("bus.restored")
        recovered = now() - began
        await bus.publish(announcement())
    assert refused["cause"] == cause
    assert words in refused["detail"]
    assert PASSWORD not in str(logs.lines)
    assert logs.troubles() == ["bus.refused"]
    assert took > 2.8  # of relay's seconds: half of one, one and two, less their spread
    found(Row("B7", how, 1, 0, 0, recovered, f"4 attempts a connection in {took:.1f} s"))

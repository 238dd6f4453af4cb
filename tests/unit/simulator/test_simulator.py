"""The simulator as a whole: starting, stopping, finding its services, and its control API."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import relay.providers
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock

NEW_PROVIDER = """
from aiohttp import web
from relay.providerkit.simulated import Modes, World

class Service:
    name = "acme"
    modes = Modes()

    def __init__(self, world):
        world.handset.register("777", self.name, lambda sender, text: world.ledger.record("received", {"text": text}))

    def routes(self):
        return [web.get("/acme", self.hello)]

    async def hello(self, request):
        return web.Response(text="hello from acme")

    async def run(self):
        return

    def act(self, action, facts):
        raise ValueError("no actions")

def simulated(world):
    return Service(world)
"""


async def test_it_serves_every_provider_on_one_port(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """And says so."""
    async with http.get("/_sim/health") as answer:
        health = await answer.json()
    assert {"att-sms", "att-landline"} <= set(health["services"])
    assert health["now"] == "2026-11-21T09:00:00+00:00"


async def test_a_clean_stop_leaves_no_tasks_and_a_closed_port() -> None:
    """Even with a web hook under way and a text on the agenda."""
    before = asyncio.all_tasks()
    async with Simulator(SimulatorOptions()) as simulator:
        simulator.world.handset.text("+12065550101", "12345", "hi")
        assert len(asyncio.all_tasks()) > len(before)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(simulator.base_url)


async def test_a_request_that_is_being_delayed_does_not_hold_up_the_stop() -> None:
    """It is cut off."""
    before = asyncio.all_tasks()
    clock = ManualClock()
    async with asyncio.timeout(5), Simulator(SimulatorOptions(clock=clock)) as simulator:
        simulator.world.faults.add({"do": "delay", "seconds": 1e6})
        host, port = simulator.base_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /message/send HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        await clock.advance(0)  # the request travels
        assert simulator.world.faults.rules == ()
    writer.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_stopping_twice_or_before_a_start_is_harmless() -> None:
    """`stop` means: be stopped."""
    simulator = Simulator()
    await simulator.stop()
    await simulator.start("127.0.0.1", 0)
    await simulator.stop()
    await simulator.stop()


async def test_an_error_in_the_background_comes_out_at_the_stop() -> None:
    """Rather than being lost with its task."""
    simulator = Simulator()
    await simulator.start()

    def fail() -> None:
        raise ZeroDivisionError

    simulator.world.agenda.after(0, fail)
    failed = next(task for task in asyncio.all_tasks() if task.get_name() == "simulator agenda")
    async with asyncio.timeout(5):
        await asyncio.wait((failed,))
    with pytest.raises(ZeroDivisionError):
        await simulator.stop()


async def test_a_new_provider_is_one_new_folder(tmp_path: Path) -> None:
    """Nothing else has to know of it."""
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "simulator.py").write_text(NEW_PROVIDER)
    relay.providers.__path__.append(str(tmp_path))
    try:
        async with Simulator() as simulator, aiohttp.ClientSession(simulator.base_url) as http:
            async with http.get("/acme") as answer:
                assert await answer.text() == "hello from acme"
            assert simulator.world.handset.text("+12065550101", "777", "hi") == "acme"
    finally:
        relay.providers.__path__.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.startswith("relay.providers.acme")]:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (SimulatorOptions(accounts={"att-smss": []}), "no service 'att-smss' here; there is"),
        (SimulatorOptions(modes={"att-smss": {}}), "no service 'att-smss' here; there is"),
        (SimulatorOptions(modes={"att-sms": {"batsch": 1}}), "batsch"),
        (SimulatorOptions(accounts={"att-sms": [{"app_key": "only"}]}), "an account has app_key, app_secret"),
        (SimulatorOptions(accounts={"att-landline": [{"number": "+12065550100"}]}), "an account has number, session"),
    ],
)
async def test_wrong_options_are_refused_at_the_start(options: SimulatorOptions, reason: str) -> None:
    """A misspelt name would otherwise go unnoticed."""
    with pytest.raises(ValueError, match=reason):
        await Simulator(options).start()


async def test_modes_of_the_options_hold_from_the_start() -> None:
    """For services, and for the handsets."""
    options = SimulatorOptions(modes={"att-sms": {"batch": 3}, "handset": {"fates": False}})
    async with Simulator(options) as simulator:
        assert simulator.modes("att-sms").model_dump()["batch"] == 3
        assert simulator.modes("handset").model_dump()["fates"] is False


async def test_accounts_of_the_options_replace_the_demo_s() -> None:
    """For each service that is named."""
    accounts = {
        "att-sms": [
            {"app_key": "a", "app_secret": "b", "short_code": "111", "registration_id": "REG-1"},
            {"app_key": "a", "app_secret": "b", "short_code": "222", "registration_id": "REG-2"},
        ],
        "att-landline": [{"session": "s:1", "number": "+12065550199"}],
    }
    async with Simulator(SimulatorOptions(accounts=accounts)) as simulator:
        handset = simulator.world.handset
        assert handset.text("+12065550101", "111", "x") == "att-sms"
        assert handset.text("+12065550101", "222", "x") == "att-sms"
        assert handset.text("+12065550101", "+12065550199", "x") == "att-landline"
        with pytest.raises(LookupError):
            handset.text("+12065550101", "12345", "x")


async def test_the_same_seed_repeats_the_same_run() -> None:
    """Ids and all."""

    async def ids() -> list[str]:
        async with Simulator(SimulatorOptions(seed=42)) as simulator, aiohttp.ClientSession(simulator.base_url) as http:
            send = {"session": "00000000-0000-0000-0000-000000000000:1", "contacts": "+12065550101", "body": "x"}
            async with http.post("/message/send", data=send) as answer:
                return [token["message"] for token in (await answer.json())["response"]["tokens"]]

    assert await ids() == await ids()


async def test_a_file_keeps_the_ledger(tmp_path: Path) -> None:
    """For runs that end with kill -9."""
    path = tmp_path / "ledger.jsonl"
    async with Simulator(SimulatorOptions(ledger=path, sync_ledger=True)) as simulator:
        simulator.world.handset.text("+12065550101", "12345", "hi")
    assert json.loads(path.read_text())["text"] == "hi"


async def test_faults_are_added_listed_and_cleared(http: aiohttp.ClientSession) -> None:
    """One or several at a time."""
    async with http.post("/_sim/faults", json={"do": "html"}) as answer:
        assert (answer.status, await answer.json()) == (201, {"rules": 1})
    async with http.post("/_sim/faults", json=[{"do": "html"}, {"do": "status", "json": {"a": 1}}]) as answer:
        assert await answer.json() == {"rules": 3}
    async with http.get("/_sim/faults") as answer:
        rules = await answer.json()
        assert [rule["do"] for rule in rules] == ["html", "html", "status"]
        assert rules[2]["json"] == {"a": 1}
    async with http.delete("/_sim/faults") as answer:
        assert answer.status == 204
    async with http.get("/_sim/faults") as answer:
        assert await answer.json() == []


@pytest.mark.parametrize("body", ["[{]", '{"do": "explode"}', '[{"do": "html"}, {"do": "explode"}]', "7"])
async def test_what_is_no_fault_is_answered_400_and_adds_none(
    http: aiohttp.ClientSession, simulator: Simulator, body: str
) -> None:
    """With the reason."""
    async with http.post("/_sim/faults", data=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
    assert simulator.world.faults.rules == ()


async def test_a_handset_texts_in(http: aiohttp.ClientSession) -> None:
    """By number, and the answer names the service."""
    text = {"from": "+12065550101", "to": "12345", "text": "hello"}
    async with http.post("/_sim/handset", json=text) as answer:
        assert (answer.status, await answer.json()) == (202, {"service": "att-sms"})
    async with http.post("/_sim/handset", json={**text, "to": "+12065550100"}) as answer:
        assert await answer.json() == {"service": "att-landline"}
    async with http.post("/_sim/handset", json={**text, "to": "99999"}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("body", [[], {}, {"from": "+12065550101", "to": "12345", "text": 7}])
async def test_a_handset_needs_a_sender_a_number_and_a_text(http: aiohttp.ClientSession, body: Any) -> None:
    """What is missing is named."""
    async with http.post("/_sim/handset", json=body) as answer:
        assert answer.status == 400


async def test_the_ledger_is_read_as_lines_of_json(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """From where the reader was."""
    for text in ("one", "two", "three"):
        simulator.world.handset.text("+12065550101", "12345", text)
    async with http.get("/_sim/ledger", params={"since": "1"}) as answer:
        assert answer.content_type == "application/x-ndjson"
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [(line["n"], line["text"]) for line in lines] == [(2, "two"), (3, "three")]
    async with http.get("/_sim/ledger", params={"since": "x"}) as answer:
        assert answer.status == 400


async def test_a_ledger_that_is_no_longer_whole_says_so() -> None:
    """410, and not a part of it."""
    async with Simulator(SimulatorOptions(keep=1)) as simulator, aiohttp.ClientSession(simulator.base_url) as http:
        for text in ("one", "two", "three"):
            simulator.world.handset.text("+12065550101", "12345", text)
        async with http.get("/_sim/ledger") as answer:
            assert answer.status == 410


async def test_violations_are_listed_and_cleared(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """As they were recorded."""
    simulator.world.violations.record("att-sms", "inbox", "too often")
    async with http.get("/_sim/violations") as answer:
        assert [line["what"] for line in (await answer.json())["violations"]] == ["too often"]
    async with http.delete("/_sim/violations") as answer:
        assert answer.status == 204
    assert simulator.world.violations.lines() == []


async def test_modes_are_shown_and_changed(http: aiohttp.ClientSession) -> None:
    """Those of one service at a time."""
    async with http.post("/_sim/state", json={"service": "att-sms", "set": {"shape": "served"}}) as answer:
        assert (answer.status, (await answer.json())["shape"]) == (200, "served")
    async with http.get("/_sim/state") as answer:
        state = await answer.json()
    assert state["att-sms"]["shape"] == "served"
    assert state["handset"]["fates"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "att-smss"},
        {"service": ["att-sms"]},
        {"service": "att-sms", "set": {"shape": "round"}},
        {"service": "att-sms", "set": {"shapes": "served"}},
        {"service": "att-sms", "set": {"batch": "3"}},
        {"service": "att-sms", "do": "explode"},
        {"service": "att-sms", "do": 7},
        {"service": "att-sms", "set": ["shape"]},
        {"service": "att-sms", "do": "register", "with": "12345"},
        {"service": "att-landline", "do": "explode"},
        {"service": "handset", "do": "ring"},
    ],
)
async def test_a_wrong_change_is_refused_with_the_reason(http: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    """And changes nothing."""
    async with http.get("/_sim/state") as answer:
        before = await answer.text()
    async with http.post("/_sim/state", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
    async with http.get("/_sim/state") as answer:
        assert await answer.text() == before

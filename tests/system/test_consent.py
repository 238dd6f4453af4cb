"""A subscriber's consent with real processes: asked for on the command line, given in a browser, used, and revoked."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.system.test_cli import PATIENCE, relay, run, socket_of
from tests.system.world import World, world

SUBSCRIBER = "+12065550150"
DESK = """
[lines.desk]
provider = "att-inapp"
base_url = "{att}"
number = "{number}"
app_key = "demo-inapp-key"
app_secret_file = "{directory}/inapp_secret"
sync_interval = "60s"
"""


@pytest.fixture
async def subscribed(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[World]:
    """A running relay that has a line more, whose subscriber was never asked; nothing was done that AT&T forbids."""
    async with world(tmp_path, free_port) as made:
        secret = tmp_path / "inapp_secret"
        secret.write_text("demo-inapp-secret\n")
        secret.chmod(0o600)
        with (tmp_path / "relay.toml").open("a") as settings:
            settings.write(DESK.format(att=made.att.base_url, number=SUBSCRIBER, directory=tmp_path))
        await made.relay.start()
        yield made
        assert made.att.world.violations.lines() == []


async def log_in(made: World) -> tuple[str, dict[str, str], int | None]:
    """Ask for consent, open the address in a browser; the address, how it ended, and the exit code."""
    async with relay("auth", "login", "desk", "--json", "--no-browser", *socket_of(made)) as process:
        assert process.stdout is not None
        address: str = json.loads(await process.stdout.readline())["open"]
        async with aiohttp.ClientSession() as browser, browser.get(address) as page:
            assert page.content_type == "text/html"
        outcome = json.loads(await process.stdout.readline())
        return address, outcome, await process.wait()


async def test_a_line_works_once_its_subscriber_has_agreed(subscribed: World):
    """Texts come in from then on; the address that brought the consent is closed again, and stands in no log."""
    code, said = await run("auth", "status", *socket_of(subscribed))
    assert (code, "relay auth login desk" in said) == (0, True)

    address, outcome, code = await log_in(subscribed)
    assert (outcome["outcome"], code) == ("given", 0), outcome
    redirect = parse_qs(urlsplit(address).query)["redirect_uri"][0]
    async with aiohttp.ClientSession() as browser, browser.get(redirect, params={"code": "another"}) as page:
        assert page.status == 404

    subscribed.text_in("+12065550101", SUBSCRIBER, "hello, desk")

    def heard() -> bool:
        return any(event["data"]["text"] == "hello, desk" for event in subscribed.ears.events("message"))

    await subscribed.ears.until(heard, what="the text came in")
    code, said = await run("status", *socket_of(subscribed))
    assert "desk  given" in said
    assert "desk  followed" in said
    log = subscribed.relay.log_path.read_text()
    assert redirect.rpartition("/")[2] not in log


async def test_a_consent_that_is_revoked_is_asked_for_again(subscribed: World):
    """The line says that it waits for its subscriber, and goes on when it was asked again."""
    await log_in(subscribed)
    code, _ = await run("auth", "revoke", "desk", *socket_of(subscribed))
    assert code == 0

    def waits() -> bool:
        states = [body["state"] for topic, body in subscribed.ears.heard if topic == "relay/line/desk/status"]
        return bool(states) and states[-1] == "consent_required"

    await subscribed.ears.until(waits, what="the line waits for its subscriber")
    code, said = await run("check", "--json", "--config", subscribed.relay.directory / "relay.toml")
    found = [json.loads(line) for line in said.splitlines()]
    assert code == 1
    assert [each["cure"] for each in found if not each["ok"]] == ["run: relay auth login desk"]
    _, outcome, code = await log_in(subscribed)
    assert (outcome["outcome"], code) == ("given", 0)


async def test_only_the_lines_own_consent_counts_and_only_once(subscribed: World):
    """The subscriber says no; then another one agrees; then the right one, whose browser is sent back twice."""
    for mode in ({"consent": "refuse"}, {"consent": "give", "consent_as": "+12065550199"}):
        subscribed.att.set_modes("att-inapp", mode)
        _, outcome, code = await log_in(subscribed)
        assert (outcome["outcome"], code) == ("refused", 1)
    subscribed.att.set_modes("att-inapp", {"consent": "twice", "consent_as": ""})
    before = exchanges(subscribed)
    _, outcome, code = await log_in(subscribed)
    assert (outcome["outcome"], code) == ("given", 0)
    assert exchanges(subscribed) == before + 1


def exchanges(made: World) -> int:
    """How many tokens the line's app was given."""
    tokens = (line for line in made.att.world.ledger.lines() if line["what"] == "token")
    return sum(line["service"] == "att-inapp" for line in tokens)


async def test_web_hooks_are_removed_and_put_back_only_when_asked(subscribed: World):
    """A start does not put them back."""
    async with asyncio.timeout(PATIENCE):
        while '"ok"' not in (await run("webhooks", "list", "office", "--json", *socket_of(subscribed)))[1]:
            pass
    code, said = await run("webhooks", "list", "--json", *socket_of(subscribed))
    rows = [json.loads(line) for line in said.splitlines()]
    assert {(row["line"], row["state"]) for row in rows} == {("desk", "by-hand"), ("office", "ok")}
    assert code == 0
    code, said = await run("webhooks", "remove", "office", *socket_of(subscribed))
    assert (code, said.splitlines()[-1]) == (0, "office: 5 changes")
    await subscribed.relay.stop()
    await subscribed.relay.start()
    code, said = await run("webhooks", "install", "office", *socket_of(subscribed))
    assert (code, said.splitlines()[-1]) == (0, "office: 5 changes")

"""The status page in a real browser, before a real relay: it is live, legible, usable by keyboard, and tells no secret.

`LONG=1` leaves a picture of each look in the folder that is told at the end.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from selenium.webdriver.common.keys import Keys

from tests.brokers import free_port
from tests.browser.window import Window, browser
from tests.conftest import LONG
from tests.system.test_cli import run
from tests.system.world import SECRETS, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT, REPLY = "a-marked-text-out", "a-marked-text-in"
TO, SENDER = "+12065550101", "+12065550142"
PRIVATE = (TEXT, REPLY, TO[2:], SENDER[2:], "2065550100", "demo-key", *SECRETS.values())


@dataclass
class Scene:
    """A relay that runs, and a window with its page."""

    world: World
    page: Window
    pictures: Path | None

    async def shot(self, name: str) -> None:
        """A picture, in the long form."""
        await self.page.shot(self.pictures, name)

    async def send(self, request_id: str) -> None:
        """Have a text sent."""
        await self.world.publish("relay/line/alerts/send", {"id": request_id, "to": TO, "text": TEXT})

    async def own(self, *words: str) -> None:
        """Run one of relay's commands, as the page advises."""
        code, said = await run(*words, "--socket", self.world.relay.directory / "relay.sock")
        assert code == 0, said


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One relay and one browser for all of these."""
    folder, profile = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("profile")
    port = free_port()
    async with world(folder, free_port, speed=60.0) as made, browser(profile) as page:
        settings = folder / "relay.toml"
        settings.write_text(settings.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'))
        await made.relay.start()
        await made.listening()
        await made.hooked()
        page.address = f"http://127.0.0.1:{port}"
        await page.look()
        await page.open()
        yield Scene(made, page, tmp_path_factory.mktemp("pictures") if LONG else None)


async def test_it_loads_from_relay_alone_and_shows_how_it_stands(scene: Scene) -> None:
    """Without a complaint of the browser's; its title and its icon say the state, too."""
    page = scene.page
    assert await page.js("document.title") == "✓ Everything is in order - relay-1"
    assert (await page.js("document.querySelector('link[rel=icon]').href")).startswith("data:image/svg+xml,")
    rows = await page.js("[...document.querySelectorAll('[data-name=lines] tbody tr')].map((row) => row.innerText)")
    assert [("alerts" in row or "office" in row, "✓ ready" in row) for row in rows] == [(True, True)] * 2
    asked = await page.js("performance.getEntriesByType('resource').map((one) => one.name)")
    assert asked
    assert [address for address in asked if not address.startswith((f"{page.address}/", "data:"))] == []
    assert await page.wrong("unnamed") == []
    assert await page.complaints() == []
    await scene.shot("desktop-light")


async def test_what_happens_is_seen_without_loading_again(scene: Scene) -> None:
    """A text that is sent, one that comes in, and how the first one ended; what was opened stays open."""
    page = scene.page
    await page.js("window.neverLoadedAgain = true")
    flow, ended = "document.querySelector('[data-name=flow]')", "document.querySelector('[data-name=delivery]')"
    counted = "/ (\\d+) sent to the provider, (\\d+) received/"
    before = await page.js(f"{flow}.innerText.match({counted}).slice(1).map(Number)")
    await scene.send("live-1")
    scene.world.text_in(SENDER, "12345", REPLY)
    await page.until(f"{flow}.innerText.includes(' {before[0] + 1} sent to the provider, {before[1] + 1} received')")
    await page.until(f"/100.0 % of {before[0] + 1} cop(y|ies) delivered/.test({ended}.innerText)")
    assert await page.js(f"{flow}.querySelectorAll('.plot .solid, .plot .hatched').length") >= 2
    await page.js(f"{flow}.querySelector('summary').focus()")
    await page.press(Keys.ENTER)
    await scene.send("live-2")
    await page.until(f"{flow}.innerText.includes(' {before[0] + 2} sent to the provider')")
    assert "sent to the provider" in await page.js(f"{flow}.querySelector('details[open] table').innerText")
    assert await page.js(f"document.activeElement === {flow}.querySelector('summary')")
    assert await page.js("window.neverLoadedAgain") is True


async def test_a_message_is_traced_by_keyboard_alone(scene: Scene) -> None:
    """Every stop is seen; what was found has the focus, and an address of its own. An unknown id says so."""
    page = scene.page
    await scene.send("keys-1")
    await scene.world.ears.result("keys-1")
    await page.open()
    await page.press(Keys.TAB)
    assert await page.js("document.activeElement.textContent") == "Skip to the content"
    assert await page.js("document.activeElement.getBoundingClientRect().top >= 0")
    await page.press(Keys.ENTER)
    assert await page.js("document.activeElement.id") == "content"
    outlines = []
    while await page.js("document.activeElement.id") != "about":
        await page.press(Keys.TAB)
        outlines.append(await page.js("getComputedStyle(document.activeElement).outlineStyle"))
        assert len(outlines) < 40
    assert set(outlines) == {"solid"}
    await page.press("keys-1", Keys.ENTER)
    steps = await page.until("document.querySelector('#steps')?.innerText")
    assert "was accepted" in steps
    assert "request keys-1" in steps
    assert await page.js("location.hash") == "#trace=keys-1"
    assert await page.js("document.activeElement.textContent.includes('steps of keys-1')")
    assert await page.js("document.querySelectorAll('#steps time[datetime]').length") > 3
    await scene.shot("trace")

    await page.open("#trace=never%20heard%20of")
    assert "never accepted here" in await page.until("document.querySelector('#trace h3') && trace.innerText")
    assert await page.js("document.querySelector('#about').value") == "never heard of"
    assert await page.complaints() == []


async def test_no_secret_no_text_and_no_number_is_anywhere(scene: Scene) -> None:
    """Neither in what is shown nor in what is sent to the browser."""
    page = scene.page
    await scene.world.publish("relay/line/office/send", {"id": "masked-1", "to": TO, "text": TEXT})
    await scene.world.until_att(lambda: scene.world.ledger("hook"))
    await page.open("#trace=masked-1")
    await page.until("document.querySelector('#steps')")
    told = [
        await page.js("document.documentElement.outerHTML"),
        json.dumps(await page.data("page/status.json")),
        json.dumps(await page.data("page/trace.json?id=masked-1")),
    ]
    hooks = {line["url"].split("/")[-2] for line in scene.world.ledger("hook")}
    assert "masked-1" in told[2]
    assert [secret for secret in (*PRIVATE, *hooks) if any(secret in one for one in told)] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_it_can_be_read_by_day_by_night_and_on_a_phone(scene: Scene, *, dark: bool) -> None:
    """Every text stands out enough, nothing is wider than the screen, and a finger finds what it is to press."""
    page = scene.page
    await page.open("#trace=keys-1")
    await page.look(dark=dark)
    await page.until("document.querySelector('#trace h3')")
    assert await page.wrong("faint") == []
    await scene.shot("desktop-dark" if dark else "desktop")
    await page.look(width=360, dark=dark)
    assert await page.js("innerWidth") == 360
    assert await page.wrong("wide", "small") == []
    assert await page.js("document.querySelectorAll('[role=rowheader]').length") > 1
    await scene.shot("phone-dark" if dark else "phone")
    await page.look()


async def test_it_asks_no_more_than_it_must(scene: Scene) -> None:
    """Nothing while its window is hidden; at once when it is seen again; less and less often while nobody answers."""
    page = scene.page
    await page.open()
    await page.js("""(() => {
      Object.assign(window, {calls: 0, planned: [], asks: window.fetch});
      window.fetch = (...asked) => { calls += 1; return asks(...asked); };
      window.setTimeout = (next, wait) => { planned.push([next, wait]); return 0; };
      window.turn = (hidden) => {
        Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
      };
      turn(false);
    })()""")
    await page.until("planned.length && (document.title = document.title)")
    assert await page.js("planned[0][1]") == 2000
    assert await page.js("(turn(true), calls = 0, planned[0][0](), calls)") == 0
    assert await page.js("(turn(false), calls)") == 1

    waits = await page.js("""new Promise((done) => {
      window.fetch = () => Promise.reject(new TypeError("nobody answers"));
      const waits = [];
      window.setTimeout = (next, wait) => {
        waits.push(wait);
        if (waits.length < 9) queueMicrotask(next); else done(waits);
      };
      turn(false);
      planned.at(-1)[0]();
    })""")
    assert waits == sorted(waits)
    assert (waits[0] < 5000, waits[-1]) == (True, 15000)


async def test_trouble_is_told_with_the_command_that_helps(scene: Scene) -> None:
    """At once, and as long as it lasts; a screen reader hears of it."""
    page = scene.page
    await page.open()
    await scene.own("queue", "hold", "--line", "alerts")
    await scene.send("held-1")
    told = await page.until("troubles.innerText")
    assert "line alerts is held by an operator since" in told
    assert "relay queue release --line alerts" in told
    assert await page.js("document.querySelector('[role=status]').innerText.includes('worth a look')")
    assert (await page.js("document.title")).startswith("! ")
    waits = "document.querySelector('[data-name=queue] figcaption').textContent"
    assert await page.until(f"{waits}.startsWith('Now 1 copy waits') && {waits}")
    assert await page.wrong("unnamed", "faint") == []
    await scene.shot("trouble")
    await scene.own("queue", "release", "--line", "alerts")
    await page.until("document.title.startsWith('✓')")


async def test_a_relay_that_is_gone_is_missed_and_greeted_when_it_is_back(scene: Scene) -> None:
    """The page says since when it knows nothing, keeps what it knew, and goes on by itself."""
    page = scene.page
    await page.open()
    await scene.world.relay.kill()
    told = await page.until("!lost.hidden && lost.innerText")
    assert told.startswith("No connection to relay since ")
    assert "What is shown is as it stood at " in told
    assert (await page.js("document.title")).startswith("No answer - relay-1")
    assert await page.js("summary.textContent") == "Last seen: Everything is in order"
    assert await page.js("state.className") == "banner"
    assert await page.js("document.querySelectorAll('[data-name=lines] tbody tr').length") == 2
    assert await page.wrong("faint") == []
    await scene.shot("gone")
    await scene.world.relay.start()
    await page.until("lost.hidden && document.title.startsWith('✓')")
    assert await page.js("summary.textContent") == "Everything is in order"

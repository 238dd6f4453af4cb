"""A real browser that looks at the status page, and what is seen in it."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

PATIENCE = 30  # seconds
JUDGING = Path(__file__).with_name("judging.js").read_text()
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
)
_UNTIL = """
const done = arguments[0];
function look() {
  let found;
  try { found = (CONDITION); } catch { found = null; }
  if (found) { watch.disconnect(); done(found); }
  return found;
}
const watch = new MutationObserver(look);
if (!look()) watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""


@dataclass
class Window:
    """One window of the browser, with the page in it."""

    driver: webdriver.Chrome
    address: str = ""

    async def open(self, fragment: str = "") -> None:
        """Load the page anew, and wait until it shows how relay stands."""
        await self.do(lambda: self.driver.get("about:blank"))
        await self.do(lambda: self.driver.get(f"{self.address}/{fragment}"))
        await self.until("document.body.dataset.connection === 'live'")

    async def do(self, action: Callable[[], Any]) -> Any:
        """Something in the browser, while relay's world goes on."""
        return await asyncio.to_thread(action)

    async def js(self, expression: str) -> Any:
        """What an expression gives in the page."""
        return await self.do(lambda: self.driver.execute_script(f"return ({expression})"))

    async def until(self, condition: str) -> Any:
        """What an expression gives, once it is truthy: it is asked again whenever something changes in the page."""
        return await self.do(lambda: self.driver.execute_async_script(_UNTIL.replace("CONDITION", condition)))

    async def wrong(self, *judges: str) -> list[str]:
        """What these judges, functions of judging.js, find wrong."""
        asked = ", ".join(f"...{judge}()" for judge in judges)
        found: list[str] = await self.do(lambda: self.driver.execute_script(f"{JUDGING}\nreturn [{asked}]"))
        return found

    async def press(self, *keys: str) -> None:
        """Press these keys, wherever the focus is."""
        await self.do(lambda: ActionChains(self.driver).send_keys(*keys).perform())

    async def cdp(self, command: str, **values: Any) -> Any:
        """Have the browser's own protocol do something."""
        return await self.do(lambda: self.driver.execute_cdp_cmd(command, values))

    async def look(self, *, width: int = 1280, dark: bool = False) -> None:
        """As on a screen of this width, by day or by night."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.cdp("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        await self.cdp("Emulation.setDeviceMetricsOverride", **size)

    async def shot(self, folder: Path | None, name: str) -> None:
        """A picture of the whole page, where somebody wants to see it."""
        if folder is not None:
            taken = await self.cdp("Page.captureScreenshot", captureBeyondViewport=True)
            await asyncio.to_thread((folder / f"{name}.png").write_bytes, base64.b64decode(taken["data"]))

    async def complaints(self) -> list[str]:
        """What the browser's console was told since it was last asked: errors, and whatever broke a rule."""
        told = await self.do(lambda: self.driver.get_log("browser"))
        return [entry["message"] for entry in told]

    async def data(self, path: str) -> Any:
        """A page of data, as the page itself gets it."""
        return json.loads(await self.js(f"fetch({path!r}).then((answer) => answer.text())"))


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Window]:
    """A browser with a profile of its own."""
    driver = await asyncio.to_thread(_started, profile)
    try:
        yield Window(driver)
    finally:
        await asyncio.to_thread(driver.quit)


def _started(profile: Path) -> webdriver.Chrome:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "there is no browser here: apt-get install chromium"
    assert chromedriver, "nothing drives the browser here: apt-get install chromium-driver"
    options = Options()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Where the driver is named, nothing is looked for elsewhere.
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    driver.set_script_timeout(PATIENCE)
    driver.set_page_load_timeout(PATIENCE)
    return driver

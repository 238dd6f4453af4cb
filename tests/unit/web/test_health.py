"""`/healthz` and `/readyz`, from a real listener: 200 while all is well, else 503 and why."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from relay.web.admin import AdminListener
from relay.web.health import HealthRoute


@dataclass
class Watched:
    """A node that stands as a test says, and the address that is asked."""

    url: str = ""
    stuck: list[str] = field(default_factory=list)
    standing: dict[str, Any] = field(default_factory=lambda: {"ready": True, "reason": None})

    async def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """The status, and what the body says."""
        patience = aiohttp.ClientTimeout(5)
        async with (
            aiohttp.ClientSession(timeout=patience) as http,
            http.request(method, f"{self.url}{path}") as answer,
        ):
            return answer.status, await answer.json() if await answer.read() and answer.status != 404 else None


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    """Listening."""
    node = Watched()
    listener = AdminListener("127.0.0.1", 0)
    listener.mount(HealthRoute(lambda: node.stuck, lambda: node.standing))
    async with listener:
        node.url = listener.url
        yield node


async def test_a_process_that_makes_progress_is_alive(watched: Watched) -> None:
    """However its lines stand: it is not to be killed for what others do."""
    watched.standing = {"ready": False, "reason": "lines: alerts"}
    assert await watched.ask("/healthz") == (200, {"alive": True, "stuck": []})


async def test_a_stuck_stage_is_named(watched: Watched) -> None:
    """Whoever watches sees what systemd's watchdog sees."""
    watched.stuck = ["sender/alerts"]
    assert await watched.ask("/healthz") == (503, {"alive": False, "stuck": ["sender/alerts"]})


async def test_readiness_says_what_is_missing(watched: Watched) -> None:
    """As soon as it is in order again, it is ready."""
    watched.standing = {"ready": False, "reason": "the broker is not connected"}
    assert await watched.ask("/readyz") == (503, watched.standing)
    watched.standing = {"ready": True, "reason": None}
    assert await watched.ask("/readyz") == (200, watched.standing)
    assert await watched.ask("/readyz", "HEAD") == (200, None)


@pytest.mark.parametrize(("method", "path"), [("POST", "/readyz"), ("GET", "/healthz/"), ("GET", "/ready")])
async def test_everything_else_is_nothing(watched: Watched, method: str, path: str) -> None:
    """The same 404 as for any other page."""
    assert (await watched.ask(path, method))[0] == 404

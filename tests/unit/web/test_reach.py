"""The question that shows whether a public address leads to this relay: right answers to who knows, none to others."""

from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web

from relay.hookaddresses import proof, question
from relay.web.answers import not_found
from relay.web.reach import ReachRoute
from relay.web.server import WebServer

SECRETS = {"office": ("the-current-secret", "a-former-secret")}


@pytest.fixture
async def relay() -> AsyncIterator[str]:
    """A listener with this one page."""

    def secrets(line: str) -> Sequence[str] | None:
        return SECRETS.get(line)

    route = ReachRoute(secrets)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await route(request) or not_found()

    async with WebServer("127.0.0.1", 0, answer, setting="webhooks.listen") as server:
        yield server.url


async def ask(url: str, method: str = "GET") -> tuple[int, str]:
    """What is answered."""
    async with aiohttp.ClientSession() as http, http.request(method, url) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("secret", SECRETS["office"])
async def test_who_knows_the_secret_gets_the_answer(relay: str, secret: str) -> None:
    """Under a former secret, too: a node that was told the new one first may ask another."""
    asked = question("office", secret)
    assert await ask(f"{relay}{asked.path}") == (200, f"{asked.answer}\n")


async def test_everybody_else_gets_the_one_404(relay: str) -> None:
    """Another secret, line, path or method: nobody learns that there is a relay."""
    right = question("office", SECRETS["office"][0])
    others = [question("office", "another-secret").path, question("desk", SECRETS["office"][0]).path]
    others += [right.path.replace("/office/", "/desk/"), right.path.replace("/check", "/receive"), f"{right.path}/"]
    others += ["/hooks/office/x.y/check", "/hooks/office/x/check", "/hooks/office/%ff.%ff/check", "/"]
    assert {await ask(f"{relay}{path}") for path in others} == {(404, "not found\n")}
    assert await ask(f"{relay}{right.path}", "POST") == (404, "not found\n")


def test_a_question_shows_neither_the_secret_nor_its_answer() -> None:
    """What passes a foreign server is of no use to it: each question is another one."""
    first, second = question("office", "the-current-secret"), question("office", "the-current-secret")
    assert "the-current-secret" not in f"{first.path}{first.answer}"
    assert first.answer not in first.path
    assert (first.path, first.answer) != (second.path, second.answer)
    assert repr(first) == "Question()"
    seal = first.path.split("/")[3]
    assert proof(seal, None) is None
    assert proof(seal, ()) is None

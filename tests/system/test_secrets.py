"""Marked secrets, texts, numbers and attachments pass through relay and appear nowhere they must not."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp

from tests.system.inhouse import DESK, SUBSCRIBER, agree, daemon, followed
from tests.system.test_cli import run, socket_of
from tests.system.world import LINES, SECRETS, World, world

TEXT = "marked-text-7f3a"
LONG_TEXT = f"marked-long-51cc {'and so on ' * 30}"
REPLY = "marked-reply-9c1d"
SUBJECT = "marked-subject-2b7e"
FILENAME = "marked-name-e05d.gif"
CONTENT = b"GIF89a marked-content-44aa" + bytes(3000)
USER, PASSWORD = "marked-user-61f0", "marked-password-d8e3"
NUMBERS = ("2065550001", "2065550015", "2065550116", "2065550177", "2065550150")
LOGIN = """
[lines.login]
provider = "att-landline"
base_url = "{att}"
number = "+12065550109"
username = "marked-user-61f0"
password_file = "{directory}/password"
mms = true
"""
ACCOUNTS = {
    "att-landline": [
        {"session": SECRETS["session"], "number": "+12065550100"},
        {"session": "unused:1", "number": "+12065550109", "username": USER, "password": PASSWORD},
    ]
}
PICTURE = {"content_type": "image/gif", "filename": FILENAME, "data": b64encode(CONTENT).decode()}


async def test_no_secret_text_or_number_is_shown(tmp_path: Path, free_port: Callable[[], int]):
    """After traffic of every kind, and refusals: no log, topic, error, status or process argument holds a mark."""
    lines = LINES.replace('session_file = "{directory}/session"', 'session_file = "{directory}/session"\nmms = true')
    more: dict[str, Any] = {"media": 'inline_max = "1 kB"', "accounts": ACCOUNTS}
    async with world(tmp_path, free_port, speed=60, lines=lines + DESK + LOGIN, **more) as made:
        _keep(tmp_path / "password", PASSWORD)
        settings = tmp_path / "relay.toml"
        _keep(settings, settings.read_text().replace('level = "info"', 'level = "debug"'))
        await made.relay.start()
        await made.listening()
        opened = await _agreed(made)
        await followed(made)
        await _sends(made)
        await _receives(made)
        await _refused(made)
        shown = await _shown(made) + await _kept(made, tmp_path / "kept")
        arguments = (await asyncio.to_thread(Path(f"/proc/{made.relay.process.pid}/cmdline").read_bytes)).decode()
        assert await made.relay.stop() == 0

        log = made.relay.log_path.read_text()
        assert '"level":"debug"' in log
        topics = "\n".join(sorted({topic for topic, _ in made.ears.heard}))
        errors = json.dumps([data["error"] for _, data in _answers(made) if data.get("error")])
        secrets = [*_secrets(made), *_of_addresses(opened), *_tokens(made)]
        assert len(secrets) >= 12
        _assert_hidden(secrets, log=log, topics=topics, errors=errors, shown=shown, arguments=arguments)
        names = "\n".join(str(path) for path in await asyncio.to_thread(lambda: sorted(tmp_path.rglob("*"))))
        _assert_hidden([*_secrets(made), *NUMBERS, FILENAME], names=names)
        marks = (TEXT, LONG_TEXT, REPLY, SUBJECT, FILENAME, CONTENT[:20].decode(), PICTURE["data"][:40], *NUMBERS)
        _assert_hidden(marks, log=log, topics=topics, errors=errors, arguments=arguments)
        assert made.violations() == []


async def _agreed(made: World) -> list[str]:
    """The addresses of two consents: one that is refused, with words of its own, and one that is given."""
    made.att.set_modes("att-inapp", {"consent": "refuse"})
    opened = []
    async with daemon(made) as asking, asking.post("http://relay/auth/login", json={"line": "desk"}) as told:
        async for said in told.content:
            if b"open" in said:
                opened.append(json.loads(said)["open"])
                async with aiohttp.ClientSession() as browser, browser.get(opened[0]) as page:
                    await page.read()
            elif said.strip():
                break
    made.att.set_modes("att-inapp", {"consent": "give"})
    return [*opened, await agree(made)]


async def _sends(made: World) -> None:
    to = [f"+1{number}" for number in NUMBERS[:3]]
    for line in ("alerts", "office", "login", "desk"):
        requests: list[dict[str, Any]] = [{"text": TEXT}]
        if line != "alerts":
            requests += [{"text": LONG_TEXT}, {"text": TEXT, "media": [PICTURE]}]
        if line == "desk":
            requests += [{"text": TEXT, "subject": SUBJECT, "media": [PICTURE], "group": True}]
        for number, request in enumerate(requests):
            await made.publish(f"relay/line/{line}/send", {"id": f"m-{line}-{number}", "to": to, **request})
        for number in range(len(requests)):
            result = await made.ears.result(f"m-{line}-{number}")
            await made.ears.final(result["message_id"], 3)


async def _receives(made: World) -> None:
    """Texts and MMS come in, and one is shown, marked and deleted by command."""
    for to in ("12345", "+12065550100", SUBSCRIBER):
        made.text_in("+12065550177", to, REPLY)
    part = {**PICTURE, "name": FILENAME}
    made.act("receive", from_="+12065550177", text=REPLY, subject=SUBJECT, parts=[part])
    made.act("receive", "att-landline", line="+12065550109", from_="+12065550177", text=REPLY, parts=[PICTURE])
    made.act("text-from-phone", to="+12065550177", text=TEXT, parts=[part])

    def kept() -> list[dict[str, Any]]:
        messages = [event["data"] for event in made.ears.events("message")]
        return [data for data in messages if any(each.get("href") for each in data["media"])]

    await made.ears.until(lambda: len(kept()) >= 2 and made.ears.events("event.sent-elsewhere"), what="MMS came in")
    [mine] = [data for data in kept() if data["subject"]]
    for verb, more in (("get", {}), ("update", {"is_unread": False}), ("delete", {}), ("get", {})):
        answered = len(_answers(made))
        await made.publish(f"relay/line/desk/{verb}", {"message_id": mine["message_id"], **more})
        await made.ears.until(lambda count=answered: len(_answers(made)) > count, what=verb)  # type: ignore[misc]
    await made.ears.until(lambda: made.ears.events("event.deleted"), what="it is told as deleted")


async def _refused(made: World) -> None:
    """What goes wrong: bad requests, an answer that cannot be read, a refusal, an address that is nobody's."""
    await made.publish("relay/line/alerts/send", {"id": "bad", "to": "+1911", "text": TEXT, "txt": REPLY})
    await made.publish("relay/line/desk/send", {"id": "worse", "to": NUMBERS[0], "media": [{"file": f"/{FILENAME}"}]})
    garbled = {"image": PICTURE, "text": TEXT, "from": NUMBERS[3]}
    made.fault("status", "get", status=200, body=json.dumps(garbled), content_type="application/json")
    made.act("receive", from_="+12065550177", text=REPLY)
    made.fault("html", "send", times=2)
    for line in ("desk", "login"):
        await made.publish(f"relay/line/{line}/send", {"id": f"html-{line}", "to": NUMBERS[0], "text": TEXT})
        await made.ears.result(f"html-{line}")
    await made.ears.until(lambda: made.ears.events("dead"), what="what cannot be read is set aside")
    secret = _secrets(made)[-1]
    async with aiohttp.ClientSession() as stranger:
        for path in (f"/hooks/office/{secret}/nothing", f"/consent/desk/{secret}?code={TEXT}", f"/media/{secret}"):
            async with stranger.get(f"{made.hooks}{path}") as answer:
                assert answer.status == 404


async def _shown(made: World) -> str:
    """What relay's socket tells of itself."""
    async with daemon(made) as asking:
        said = []
        for path in ("/status", "/auth", "/dead", "/queue"):
            async with asking.get(f"http://relay{path}") as answer:
                said.append(await answer.text())
    return "\n".join(said)


async def _kept(made: World, folder: Path) -> str:
    """What commands say that keep, repeat, list and forget, and what is measured."""
    await asyncio.to_thread(folder.mkdir)
    config, forgotten = ("--config", made.relay.directory / "relay.toml"), f"+1{NUMBERS[0]}\n".encode()
    said = [await run("backup", folder / "relay-monday.db", *config)]
    said.append(await run("replay", "--since", "10h", "--kind", "dead", *socket_of(made)))
    for words in (("dead", "list"), ("queue", "list"), ("queue", "list", "--uncertain")):
        said += [await run(*words, *socket_of(made)), await run(*words, "--json", *socket_of(made))]
    said.append(await run("forget", *socket_of(made), stdin=forgotten))
    assert {code for code, _ in said[:-1]} == {0}
    assert "1 person forgotten" in said[-1][1]
    said.append(await run("status", *socket_of(made)))
    [admin] = [line["port"] for line in made.relay.logged("listener.started") if line["setting"] == "admin.listen"]
    async with aiohttp.ClientSession() as scraper, scraper.get(f"http://127.0.0.1:{admin}/metrics") as measured:
        assert measured.status == 200
        return "\n".join([*(text for _, text in said), await measured.text()])


def _answers(made: World) -> list[tuple[str, dict[str, Any]]]:
    return [(event["id"], event["data"]) for event in made.ears.events("result")]


def _secrets(made: World) -> list[str]:
    """The apps' secrets, sessions, passwords, and the secrets in the web hooks' addresses."""
    kept = [(made.relay.directory / name).read_text().strip() for name in (*SECRETS, "password")]
    hooks = {line["url"] for line in made.ledger("hook")}
    return kept + sorted({url.split("/")[-2] for url in hooks})


def _of_addresses(opened: Iterable[str]) -> list[str]:
    """The secret parts of consent's addresses: of the redirect, and the state."""
    queries = [parse_qs(urlsplit(address).query) for address in opened]
    return [query["redirect_uri"][0].rpartition("/")[2] for query in queries] + [query["state"][0] for query in queries]


def _tokens(made: World) -> list[str]:
    """What stands in each token and code of the simulator's, and in sessions of logins; attachments' addresses."""
    events = json.dumps([event["data"] for event in made.ears.events("message")])
    hrefs = [word.partition('"')[0] for word in events.split("/media/")[1:]]
    assert hrefs
    return ["~4~", ":065550109", *hrefs]


def _keep(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _assert_hidden(marks: Iterable[str], **where: str) -> None:
    for mark in marks:
        for name, said in where.items():
            for form in (mark, quote(mark, safe="")):
                assert form not in said, f"{mark[:16]} is in the {name}: …{said[max(said.find(form) - 300, 0) :][:400]}"

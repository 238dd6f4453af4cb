"""A short code whose texts and receipts AT&T calls back, and short codes that speak the older dialects."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.inhouse import FRIEND, OTHER, at_home, daemon, texts
from tests.system.virtual import life
from tests.system.world import World

CALLED = """
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
receive = "callback"
receipts = "callback"
"""
DIALECTS = """
[lines.rest2]
provider = "att-sms"
base_url = "{att}"
short_code = "20002"
app_key = "rest2-key"
app_secret_file = "{directory}/app_secret"
dialect = "rest2"
[lines.oneapi2]
provider = "att-sms"
base_url = "{att}"
short_code = "20003"
app_key = "oneapi2-key"
app_secret_file = "{directory}/app_secret"
dialect = "oneapi"
[lines.oneapi3]
provider = "att-sms"
base_url = "{att}"
short_code = "20004"
app_key = "oneapi3-key"
app_secret_file = "{directory}/app_secret"
dialect = "oneapi"
oneapi_version = 3
oneapi_body = "att"
"""
ACCOUNTS = [
    {"app_key": f"{name}-key", "app_secret": "demo-secret", "short_code": code, "registration_id": code}
    for name, code in (("rest2", "20002"), ("oneapi2", "20003"), ("oneapi3", "20004"))
]


@asynccontextmanager
async def called_back(directory: Path, free_port: Callable[[], int], **modes: Any) -> AsyncIterator[World]:
    """A short code whose callbacks are registered as `relay webhooks list` prints them."""
    async with at_home(directory, free_port, lines=CALLED, modes={"att-sms": modes}) as made:
        async with daemon(made) as asking, asking.get("http://relay/webhooks") as answer:
            urls = {row["event"]: row["url"] for row in await answer.json()}
        facts = {"message_url": urls["message"], "delivery_url": urls["delivery"]}
        made.act("register", "att-sms", short_code="12345", **facts)
        yield made


@pytest.mark.parametrize("early", [True, False])
async def test_texts_and_receipts_are_called_back_and_each_counts_once(
    tmp_path: Path, free_port: Callable[[], int], early: bool
):
    """Also where AT&T calls before it has answered the send, calls twice, and percent-encodes the sender."""
    modes = {"early": early, "duplicate": 1.0, "sender_form": "encoded", "notify_progress": not early}
    async with called_back(tmp_path, free_port, **modes) as made:
        for number in range(5):
            to = [FRIEND, OTHER, "+12065550113"]
            await made.publish("relay/line/alerts/send", {"id": f"r{number}", "to": to, "text": f"out {number}"})
            made.text_in(FRIEND, "12345", f"in {number}")
        for number in range(5):
            result = await made.ears.result(f"r{number}")
            final = await made.ears.final(result["message_id"], 3)
            assert [receipt["to"] for receipt in final if receipt["status"] == "undelivered"] == ["+12065550113"]
            assert Counter(receipt["status"] for receipt in final)["delivered"] == 2
        made.text_in(FRIEND, "12345", "the end")
        await made.ears.until(lambda: "the end" in texts(made), what="the last text")
        assert sorted(texts(made)) == [*(f"in {number}" for number in range(5)), "the end"]
        finals = Counter(event["data"]["copy_id"] for event in made.ears.events("receipt") if event["data"]["final"])
        assert set(finals.values()) == {1}
        assert len(made.accepted()) == len(finals) == 15


async def test_what_could_not_be_kept_is_called_again(tmp_path: Path, free_port: Callable[[], int]):
    """Relay answers 503 while its disk fails, and is not there at all for a while: AT&T repeats, nothing is lost."""
    refused = asyncio.Event()

    def notice(line: dict[str, Any]) -> None:
        if line["what"] == "hook" and line["result"] in {503, "no connection"}:
            refused.set()

    async with called_back(tmp_path, free_port) as made:
        made.att.world.ledger.copy = notice
        with unwritable(tmp_path / "relay.db", "raw"):
            made.text_in(FRIEND, "12345", "the disk failed")
            await asyncio.wait_for(refused.wait(), 20)
        assert 503 in {line["result"] for line in made.ledger("hook")}
        refused.clear()
        await made.relay.stop()
        made.text_in(FRIEND, "12345", "relay was away")
        await asyncio.wait_for(refused.wait(), 20)
        await made.relay.start()
        await made.ears.until(lambda: len(texts(made)) >= 2, what="both texts")
        assert sorted(texts(made)) == ["relay was away", "the disk failed"]


@contextmanager
def unwritable(journal: Path, table: str) -> Iterator[None]:
    """While inside, the journal cannot write this table, as if its disk failed."""

    def execute(statement: str) -> None:
        with closing(sqlite3.connect(journal, timeout=10)) as connection, connection:
            connection.execute(statement)

    execute(f"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT json('broken'); END")
    try:
        yield
    finally:
        execute("DROP TRIGGER broken")


async def test_a_receipt_that_belongs_to_nothing_is_dropped_after_72_hours(
    tmp_path: Path, free_port: Callable[[], int]
):
    """Until then it waits for its send; a text that is sent meanwhile is matched with its own alone."""
    port = free_port()
    async with life(tmp_path, port, CALLED, {}) as made:
        rows = await made.services.webhooks.rows()
        url = next(row["url"] for row in rows if row["event"] == "delivery")
        info = {"address": f"tel:{FRIEND}", "deliveryStatus": "DeliveredToTerminal"}
        body = {"deliveryInfoNotification": {"messageId": "nobodys", "deliveryInfo": info}}
        async with aiohttp.ClientSession() as att, att.post(url, json=body) as answer:
            assert answer.status < 300
        await made.passes(71 * 3600)
        assert (await made.journal.queries.status())["parked"] == 1
        await made.passes(2 * 3600)
        assert (await made.journal.queries.status())["parked"] == 0
        assert made.bodies("receipt") == []
        assert made.att.world.violations.lines() == []


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_the_older_dialects_carry_texts_both_ways(tmp_path: Path, free_port: Callable[[], int], form: str):
    """REST version 2, and OneAPI in both of its versions: sent, followed to the end, and fetched, each once."""
    options: dict[str, Any] = {"accounts": {"att-sms": ACCOUNTS}, "modes": {"att-sms": {"format": form}}}
    # What comes in before the first poll is fetched by it: there is only one in five minutes.
    async with at_home(tmp_path, free_port, lines=DIALECTS, before=_texts_before, **options) as made:
        for line in ("rest2", "oneapi2", "oneapi3"):
            request = {"id": line, "to": [FRIEND, "+12065550113"], "text": f"out {line} <&>"}
            await made.publish(f"relay/line/{line}/send", request)
        for line in ("rest2", "oneapi2", "oneapi3"):
            result = await made.ears.result(line)
            final = await made.ears.final(result["message_id"], 2)
            assert sorted(receipt["status"] for receipt in final) == ["delivered", "undelivered"]
        await made.ears.until(lambda: len(texts(made)) >= 6, what="what came in")
        wanted = [f"in {account['short_code']} {number} <&> é" for account in ACCOUNTS for number in range(2)]
        assert sorted(texts(made)) == sorted(wanted)
        assert {line["dialect"] for line in made.accepted()} == {"rest-2", "oneapi-2", "oneapi-3"}
        assert len(made.accepted()) == 6


def _texts_before(made: World) -> None:
    for account in ACCOUNTS:
        for number in range(2):
            made.text_in(FRIEND, account["short_code"], f"in {account['short_code']} {number} <&> é")

"""Three days of a subscriber's number, on a clock that waits: nothing lost, nothing doubled, no needless call."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from relay.telemetry.health import LineState
from tests.system.inhouse import DESK, FRIEND, OTHER, media, part
from tests.system.virtual import Life, life

HOUR, DAY = 3600.0, 86_400.0
EVERY = 600.0
LINES = DESK.replace('"5s"', '"10m"')
LONG_TEXT = "This text is longer than one SMS may be, and comes in segments that have to be joined again. " * 3
ASKS = ("listed", "delta", "handed-out", "part-handed-out", "index-created", "index-info", "refused", "token")


@dataclass
class Days:
    """The traffic of three days, and what has to come of it."""

    life: Life
    chance: random.Random
    incoming: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    number: int = 0

    async def go_by(self, seconds: float) -> None:
        """Something happens every few minutes."""
        until = self.life.clock.now().timestamp() + seconds
        while self.life.clock.now().timestamp() < until:
            await self._something()
            await self.life.passes(self.chance.uniform(300, 1500))

    async def _something(self) -> None:
        self.number += 1
        text = f"{self.number}"
        match self.number % 6:
            case 0 | 3:
                self._comes(text)
            case 1:
                await self._goes(to=FRIEND, text=text)
            case 2:
                self.life.act("text-from-phone", to=OTHER, text=f"phone {text}")
            case 4:
                await self._goes(to=[FRIEND, OTHER], text=text, media=[media()] if self.number % 4 else [])
            case 5 if self.number % 4 == 1:
                self._comes(LONG_TEXT + text)
            case 5:
                self.life.act("receive", from_=FRIEND, text=f"mms {text}", parts=[part()])
                self.incoming.append(f"mms {text}")

    def _comes(self, text: str) -> None:
        self.life.act("receive", from_=FRIEND, text=text)
        self.incoming.append(text)

    async def _goes(self, **request: Any) -> None:
        answer = await self.life.ask("send", id=f"r{self.number}", **request)
        assert answer["outcome"] == "accepted", answer
        self.requests.append(f"r{self.number}")


@pytest.mark.parametrize(
    ("shape", "token_hours"), [pytest.param("documented", 48, marks=pytest.mark.long_only), ("served", 5)]
)
async def test_three_days_lose_nothing_and_ask_nothing_needlessly(
    tmp_path: Path, free_port: Callable[[], int], shape: str, token_hours: int
):
    """Tokens that end and rotate, a consent that ends and comes back, an index and states that are lost."""
    modes = {"shape": shape, "expires_in": token_hours * 3600, "message_ids": "ugly"}
    async with life(tmp_path, free_port(), LINES, {"att-inapp": modes}) as made:
        days = Days(made, random.Random(20261121))  # noqa: S311 - a failure must repeat
        await made.passes(600)
        assert asked(made) == []
        made.act("receive", from_=FRIEND, text="before the consent")
        await made.passes(600)
        await made.agree()
        await made.passes(600)
        await days.go_by(DAY / 2)
        made.act("purge-states")
        await days.go_by(DAY / 2)
        made.act("expire-index")
        await days.go_by(DAY / 4)
        quiet = await withdrawn(made, days)
        await days.go_by(DAY)
        await by_hand(made)
        made.act("expire-tokens")
        await days.go_by(DAY / 4)
        await made.passes(2 * HOUR)

        assert_whole(made, days)
        assert_in_proportion(made, quiet, token_hours * HOUR)
        assert made.att.world.violations.lines() == []


async def withdrawn(made: Life, days: Days) -> float:
    """Consent ends, and comes back after a quarter of a day; the seconds in which nothing may be asked."""
    made.act("withdraw-consent")
    await made.passes(HOUR)
    since = made.clock.now()
    assert made.board.all()["desk"].state is LineState.CONSENT_REQUIRED
    before = len(asked(made))
    await days.go_by(DAY / 4)
    assert len(asked(made)) == before
    passed = (made.clock.now() - since).total_seconds()
    await made.agree()
    return passed


async def by_hand(made: Life) -> None:
    """A message is read on the phone, and one is deleted there."""
    stored = [line for line in made.calls("stored") if line["incoming"]][-10:]
    made.act("read", id=stored[0]["id"])
    made.act("delete", id=stored[1]["id"])
    await made.passes(2 * EVERY)
    assert [body["provider"]["message_id"] for body in made.bodies("event.updated")][-1:] == [stored[0]["id"]]
    assert [body["provider"]["message_id"] for body in made.bodies("event.deleted")] == [stored[1]["id"]]
    assert made.bodies("event.deleted")[0]["message_id"] is not None


def asked(made: Life) -> list[dict[str, Any]]:
    """Everything that the line has asked AT&T."""
    return made.calls(*ASKS)


def assert_whole(made: Life, days: Days) -> None:
    """Everything is published exactly once, and every copy has ended."""
    assert Counter(body["text"] for body in made.bodies("message")) == Counter(days.incoming)
    elsewhere = Counter(line["text"] for line in made.calls("sent-elsewhere"))
    assert Counter(body["text"] for body in made.bodies("event.sent-elsewhere")) == elsewhere
    finals = Counter(body["copy_id"] for body in made.bodies("receipt") if body["final"])
    results = {body["request_id"]: body for body in made.bodies("result")}
    assert results.keys() == set(days.requests)
    assert finals == Counter(copy["copy_id"] for body in results.values() for copy in body["copies"])
    accepted = Counter((line["text"], line["to"]) for line in made.calls("accepted"))
    assert set(accepted.values()) == {1}
    assert len(accepted) == sum(finals.values())
    pictures = [body["media"] for body in made.bodies("message") if (body["text"] or "").startswith("mms")]
    assert {each["data"] for all_ in pictures for each in all_ if each["content_type"] == "image/gif"} == {
        part()["data"]
    }


def assert_in_proportion(made: Life, quiet: float, token_life: float) -> None:
    """At most one delta an interval, and one more for each that brought something; what is new is fetched once."""
    deltas = made.calls("delta")
    followed = _seconds(deltas[0]["at"], deltas[-1]["at"]) - quiet
    brought = sum(any(line[what] for what in ("add", "update", "delete")) for line in deltas)
    assert len(deltas) <= followed / EVERY + brought + 5
    stored = {line["id"] for line in made.calls("stored")}
    fetched = Counter(line["id"] for line in made.calls("handed-out"))
    assert fetched.keys() <= stored
    assert set(fetched.values()) == {1}
    # A first token for each consent, and one renewal for each token, after four fifths of its life at the earliest.
    tokens = Counter(line["grant"] for line in made.calls("token"))
    assert tokens["authorization_code"] == 2
    assert 1 <= tokens["refresh_token"] <= followed / (0.8 * token_life) + 2
    assert len(made.calls("index-created")) == 2
    # Two consents, the states and the index that were lost: each leads to one comparison, of a page or two.
    assert len(made.calls("listed")) <= 10


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()

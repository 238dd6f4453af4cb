"""AT&T itself goes wrong in every way its documents and other people's experience know, on a line of each provider."""

import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.telemetry.health import LineState
from tests.battery.providing import (
    ALERTS,
    ALL,
    LOST,
    OFFICE,
    REFUSED,
    SENDING,
    SENT,
    SERVICE,
    SUBSCRIBERS,
    TAKEN,
    Providers,
    providers,
)
from tests.battery.table import Row
from tests.system.inhouse import texts

pytestmark = pytest.mark.timeout(600)

CROWD, FEW = 100, 20
OAUTH = (ALERTS, SUBSCRIBERS)
OTHERS = (ALERTS, OFFICE)
SUBSCRIBER = "+12065550150"


async def test_whatever_at_t_answers_nothing_is_lost_or_doubled(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """Credentials, codes, pages, redirects, tokens: each fault on each line, one after the other."""
    async with providers(tmp_path, free_port) as here:
        for _ in range(3 if long else 1):
            await tokens_that_died(here, found)
            await credentials_that_are_refused(here, found)
            await forbidden(here, found)
            await failures(here, found)
            await documented_codes(here, found)
            await unreadable_successes(here, found)
            await redirects(here, found)
            await poisoned_tokens(here, found)
        await many_texts_in(here, found)
        await exact_ids(here, found)


async def tokens_that_died(here: Providers, found: Callable[[Row], None]) -> None:
    """A hundred texts meet one 401: one new token for all of them."""
    for line in OAUTH:
        here.made.act("expire-tokens", SERVICE[line])
        since = len(here.seen.requests)
        names = await here.crowd(line, CROWD if line == ALERTS else FEW, receipts=False)
        await here.ends(dict.fromkeys(names, SENT[line]), f"a crowd on {line} after a 401")
        asked = [one.status for one in here.seen.of("POST /oauth", since)]
        assert asked == [200], (line, asked)
        assert 401 in {one.status for one in here.seen.requests[since:]}
    note = f"{CROWD} texts at once, 1 token request"
    found(await here.row("V1", "401 once: tokens have expired", len(OAUTH), None, note))


async def credentials_that_are_refused(here: Providers, found: Callable[[Row], None]) -> None:
    """401 always, from the API and then from the token endpoint: the line is parked, its texts wait."""
    for line in ALL:
        here.spoil("status", line, status=401, times=0)
    recovered = await parked(here, ALL)
    for line in OAUTH:
        here.made.act("expire-tokens", SERVICE[line])
        here.spoil("status", line, "token", status=401, times=0)
    recovered = max(recovered, await parked(here, OAUTH))
    found(await here.row("V1", "401 always, and at the token endpoint", len(ALL) + len(OAUTH), recovered))


async def forbidden(here: Providers, found: Callable[[Row], None]) -> None:
    """403: the operator is told which line, its texts wait."""
    for line in ALL:
        here.spoil("status", line, status=403, times=0, json=policy_exception("POL0001", "missing scope"))
    recovered = await parked(here, ALL)
    found(await here.row("V2", "403 for every send", len(ALL), recovered, "the line is shown to be unauthorized"))


async def parked(here: Providers, lines: tuple[str, ...]) -> float:
    """Texts wait while it lasts, and no more than a try a minute is made; they go out when it is over."""
    since = len(here.seen.requests)
    names = {await here.send(line): SENT[line] for line in lines for _ in range(3)}
    bad = {LineState.UNAUTHORIZED.value, LineState.CONSENT_REQUIRED.value}
    for line in lines:
        await here.made.ears.until(lambda line=line: here.line(line)["state"] in bad, what=f"{line} is parked")  # type: ignore[misc]
        assert here.line(line)["reason"] in {"unauthorized", "consent_required"}
        assert here.line(line)["circuit"] is None
    assert {here.status(name) for name in names} <= {"queued", "sending", None}
    for line in lines:
        assert len(here.seen.of(SENDING[line], since)) <= 6, line
    here.made.att.world.faults.clear()
    began = time.monotonic()
    await here.ends(names, "what waited for credentials")
    return time.monotonic() - began


async def failures(here: Providers, found: Callable[[Row], None]) -> None:
    """Only 503 proves that nothing was done; all others are in doubt, whether or not they had an effect."""
    times, recovered = 0, 0.0
    for status in (500, 502, 503, 504):
        for processed in (False, True):
            if (status, processed) == (503, True):
                continue  # it would be a lie
            expected = SENT if status == 503 else TAKEN if processed else LOST
            for line in ALL:
                here.spoil("status", line, status=status, processed=processed)
            await here.on_each(expected, f"{status}, processed {processed}")
            times += len(ALL)
        recovered = max(recovered, await here.well())
    found(await here.row("V4", "500, 502, 503, 504, with effect and without", times, recovered))


def service_exception(code: str, words: str) -> dict[str, Any]:
    """GSMA's, as AT&T answers it."""
    return {"RequestError": {"ServiceException": {"MessageId": code, "Text": words, "Variables": ""}}}


def policy_exception(code: str, words: str) -> dict[str, Any]:
    """GSMA's, as AT&T answers it."""
    return {"RequestError": {"PolicyException": {"MessageId": code, "Text": words, "Variables": ""}}}


def complaint(code: int) -> dict[str, Any]:
    """Landline Texting's."""
    return {"success": False, "response": {"code": code, "desc": "a description"}}


async def documented_codes(here: Providers, found: Callable[[Row], None]) -> None:
    """The documented codes, each as its row says; a line that is taken for a spammer's rests, and goes on."""
    times = 0
    ends: Mapping[int, set[str]] = {
        **dict.fromkeys((-1234, -704, -703, -700, -394, -124), REFUSED[OFFICE]),
        -855: SENT[OFFICE],
        -1: {"uncertain"},
    }
    for code, expected in ends.items():
        here.spoil("status", OFFICE, status=200, json=complaint(code))
        await here.on_each({OFFICE: expected}, f"Landline's {code}", (OFFICE,), to=f"+120655511{times:02}")
        times += 1
    for line in OAUTH:
        for code in ("SVC0002", "SVC0003", "SVC0004", "POL0009", "POL0013"):
            body = (service_exception if code.startswith("SVC") else policy_exception)(code, "refused")
            here.spoil("status", line, status=403 if code.startswith("POL") else 400, json=body)
            await here.on_each(REFUSED, f"{code} on {line}", (line,))
            times += 1
    found(await here.row("V4", "documented codes of Landline and GSMA", times, await here.well()))


PAGES: Mapping[str, dict[str, Any]] = {
    "HTML": {"do": "html", "status": 200},
    "garbage": {"do": "garbage"},
    "malformed": {
        "do": "status",
        "status": 200,
        "body": '{"success" true, "read:true"}',
        "content_type": "application/json",
    },
    "empty": {"do": "status", "status": 200},
    "204": {"do": "status", "status": 204},
    "array": {"do": "status", "status": 200, "json": []},
    "text": {"do": "status", "status": 200, "json": "yes"},
}


async def unreadable_successes(here: Providers, found: Callable[[Row], None]) -> None:
    """2xx and nothing that can be understood: in doubt, and never told to be sent where AT&T has nothing of it."""
    times = 0
    for name, page in PAGES.items():
        for processed in (False, True):
            # By a 204 In-App Messaging says that it has taken a text.
            lines = OTHERS if (name, processed) == ("204", False) else ALL
            for line in lines:
                here.spoil(line=line, processed=processed, **page)
            await here.on_each(TAKEN if processed else LOST, f"{name}, processed {processed}", lines)
            times += len(lines)
    recovered = await here.well()
    found(await here.row("V6", f"a 2xx with {', '.join(PAGES)}", times, recovered))
    spellings: Mapping[str, Mapping[str, Any]] = {
        "att-sms": {"shape": "served"},
        "att-landline": {"send_ids": "int"},
        "att-inapp": {"shape": "served"},
    }
    for service, modes in spellings.items():
        here.made.att.set_modes(service, modes)
    recovered = await here.well()
    found(await here.row("V6", "a 2xx in another case, numbers for texts", len(spellings), recovered))


async def redirects(here: Providers, found: Callable[[Row], None]) -> None:
    """Nobody follows: not to another host, not to where clouds keep their secrets, not to a file."""
    times = 0
    with connections() as hosts:
        for where in ("http://203.0.113.9/x", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"):
            for status, expected in ((307, SENT), (308, SENT), (302, LOST), (301, LOST)):
                for line in ALL:
                    here.spoil("status", line, status=status, headers={"Location": where})
                await here.on_each(expected, f"{status} to {where}")
                times += len(ALL)
        recovered = await here.well()
    assert hosts == {"127.0.0.1"}
    found(await here.row("V10", "redirects to another host, 169.254.169.254, a file", times, recovered))


@contextmanager
def connections() -> Iterator[set[str]]:
    """The hosts to which this process opens connections while inside."""
    hosts: set[str] = set()
    is_inside = True

    def hear(event: str, facts: tuple[Any, ...]) -> None:
        if is_inside and event == "socket.connect" and facts[0].family == socket.AF_INET:
            hosts.add(facts[1][0])

    sys.addaudithook(hear)
    try:
        yield hosts
    finally:
        is_inside = False


async def poisoned_tokens(here: Providers, found: Callable[[Row], None]) -> None:
    """A token that would make a header of its own is never used: the texts wait for a good one."""
    times, recovered = 0, 0.0
    for line in OAUTH:
        for token in ("abc\r\nX-Evil: yes", "abc\ndef", "abc\x00", "caf\u00e9", ""):
            here.made.act("expire-tokens", SERVICE[line])
            answer = {"access_token": token, "token_type": "bearer", "expires_in": 172800, "refresh_token": "r"}
            here.spoil("status", line, "token", status=200, json=answer, times=2)
            since = len(here.seen.requests)
            began = time.monotonic()
            await here.on_each(SENT, f"a poisoned token on {line}", (line,))
            recovered = max(recovered, time.monotonic() - began)
            assert len(here.seen.of("POST /oauth", since)) == 3
            times += 1
    found(await here.row("V13", "a token with a line break, NUL, no ASCII, nothing", times, recovered))


async def many_texts_in(here: Providers, found: Callable[[Row], None]) -> None:
    """More than a page holds, twice and in disorder: each is told once."""
    made = here.made
    made.att.set_modes("att-landline", {"reorder": 0.5, "duplicate": 0.5})
    made.att.set_modes("att-inapp", {"delta_limit": 3})
    began = time.monotonic()
    for number in range(45):
        made.text_in(f"+120655500{number % 10:02}", "12345", f"in {number} on alerts")
    for number in range(20):
        made.text_in("+12065550101", "+12065550100", f"in {number} on office")
        made.text_in("+12065550101", SUBSCRIBER, f"in {number} on desk")

    def heard() -> Counter[str]:
        return Counter(text for text in texts(made) if text.startswith("in "))

    await made.ears.until(lambda: len(heard()) == 85, what="every text in")
    recovered = time.monotonic() - began
    assert set(heard().values()) == {1}
    polls = [line["request"] for line in made.ledger("handed-out") if line["service"] == "att-sms"]
    assert len(set(polls)) >= 3
    made.att.set_modes("att-landline", {"reorder": 0, "duplicate": 0})
    found(await here.row("V12", "85 texts in: pages, duplicates, disorder", 85, recovered))


async def exact_ids(here: Providers, found: Callable[[Row], None]) -> None:
    """Beyond 2^53 an id is still the same id, as a text."""
    made = here.made
    messages = [event["data"] for event in made.ears.events("message")]
    ours = [data["provider"]["id"] for data in messages if data["to"] == "+12065550100"]
    assert ours
    assert all(isinstance(one, str) and int(one) > 1 << 53 for one in ours)
    found(await here.row("V14", "ids beyond 2^53", len(ours)))

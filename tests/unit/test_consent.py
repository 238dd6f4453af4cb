"""A consent that comes back in a browser: over real sockets, to a login that waits for it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from structlog.testing import capture_logs

from relay.consent import CannotAsk, Consents, Login, Returned
from relay.consentlogins import REMEMBERED, End, Outcome
from relay.domain.errors import (
    ErrorCode,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    Refused,
    RelayError,
    TryLater,
)
from relay.ids import Ids
from relay.journal import Journal
from relay.providerkit.spec import ConsentStanding
from relay.simulator.virtual import ManualClock
from relay.telemetry.health import LineBoard, LineState
from relay.web.consent import ConsentRoute
from relay.web.public import Hooks, Listener
from tests import journals
from tests.unit.consenting import DESK, FORMER, SECRET, Desk

PATIENCE = 5.0
REDIRECT = f"https://sms.example.com/consent/{DESK}/{SECRET}"
PATH = f"/consent/{DESK}/{SECRET}"
MARKED = "marked-code-of-the-subscriber"


@dataclass
class Answer:
    """What a browser got."""

    status: int
    text: str
    headers: dict[str, str]


@dataclass
class Place:
    """A relay with one line that needs consent, and a browser."""

    desk: Desk
    consents: Consents
    board: LineBoard
    journal: Journal
    http: aiohttp.ClientSession
    stack: AsyncExitStack

    async def get(self, path: str = PATH, method: str = "GET", **query: str) -> Answer:
        """What the browser gets."""
        async with self.http.request(method, path, params=query) as answer:
            kept = {name: value for name, value in answer.headers.items() if name != "Date"}
            return Answer(answer.status, await answer.text(), kept)

    async def login(self) -> Login:
        """A login that is open to the end of the test."""
        return await self.stack.enter_async_context(self.consents.login(DESK))

    async def ended(self, login: Login, seconds: float = PATIENCE) -> Outcome:
        """How it ends."""
        return await self.consents.outcome(DESK, login, seconds)


async def _nothing(*_: object) -> None:
    raise AssertionError


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A relay."""
    clock = ManualClock()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    async with AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        url = f"sqlite:///{tmp_path}/relay.db"
        await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
        journal = await stack.enter_async_context(await Journal.open(url, clock=clock, ids=ids, node="n1"))
        desk, board = Desk(clock), LineBoard(clock, [DESK])
        consents = Consents({DESK: desk}, {DESK: REDIRECT}, journal=journal, board=board)
        stack.push_async_callback(consents.aclose)
        secrets = {DESK: (SECRET, FORMER), "office": (SECRET,)}.get
        hooks = Hooks(secrets, lambda _, __: False, _nothing, 1000)
        listener = await stack.enter_async_context(
            Listener("127.0.0.1", 0, hooks, pages=[ConsentRoute(consents, secrets)])
        )
        http = aiohttp.ClientSession(
            f"http://127.0.0.1:{listener.port}", timeout=aiohttp.ClientTimeout(PATIENCE), auto_decompress=False
        )
        await stack.enter_async_context(http)
        yield Place(desk, consents, board, journal, http, stack)


def asked(login: Login) -> dict[str, str]:
    """What the address that is to be opened asks the provider for."""
    return {name: values[0] for name, values in parse_qs(urlsplit(login.url).query).items()}


async def test_a_consent_that_comes_back_ends_the_login(place: Place) -> None:
    """The code is exchanged for the same address that was asked for, and the line's stages are woken."""
    await place.consents.look()
    assert place.board.of(DESK).state is LineState.CONSENT_REQUIRED
    assert place.board.of(DESK).reason == "never_given"
    bell = place.journal.listen(f"consent:{DESK}")
    login = await place.login()
    assert asked(login)["redirect_uri"] == REDIRECT
    page = await place.get(code=MARKED, state=asked(login)["state"])
    assert (page.status, "Consent was given" in page.text) == (200, True)
    assert await place.ended(login) == Outcome(End.GIVEN, "the subscriber is the line's")
    assert place.desk.taken == [(MARKED, REDIRECT)]
    assert place.board.of(DESK).state is LineState.READY
    async with asyncio.timeout(PATIENCE):
        await bell.wait()


async def test_a_state_that_does_not_come_back_is_not_missed(place: Place) -> None:
    """Whether the provider sends it is not documented (wire facts, 1.6)."""
    login = await place.login()
    await place.get(code="a")
    assert (await place.ended(login)).end is End.GIVEN


async def test_a_state_of_another_login_is_refused(place: Place) -> None:
    """And the login goes on waiting for its own."""
    login = await place.login()
    page = await place.get(code="a", state="another")
    assert (page.status, "out of date" in page.text) == (400, True)
    assert place.desk.taken == []
    await place.get(code="b", state=asked(login)["state"])
    assert (await place.ended(login)).end is End.GIVEN


async def test_a_browser_that_comes_twice_exchanges_once(place: Place) -> None:
    """At the same time, and again when the login is over: each time with the same page."""
    login = await place.login()
    place.desk.gate = asyncio.Event()
    first, second = (asyncio.create_task(place.get(code="a")) for _ in range(2))
    await asyncio.wait_for(place.desk.asked.wait(), PATIENCE)
    place.desk.gate.set()
    pages = [await first, await second]
    assert (await place.ended(login)).end is End.GIVEN
    assert [page.text for page in pages] == [pages[0].text] * 2
    assert len(place.desk.taken) == 1


async def test_the_second_of_two_comes_after_the_login_is_over(place: Place) -> None:
    """The page is the same, and the code is not exchanged again."""
    async with place.consents.login(DESK) as login:
        first = await place.get(code="a")
        await place.ended(login)
    assert await place.get(code="a") == first
    assert len(place.desk.taken) == 1


async def test_a_code_that_failed_fails_again_without_an_exchange(place: Place) -> None:
    """A code works once, whatever came of it."""
    place.desk.trouble = Refused(Problem(ErrorCode.PROVIDER_REFUSED, "the subscriber is another"))
    async with place.consents.login(DESK) as login:
        first = await place.get(code="a")
        assert await place.ended(login) == Outcome(End.REFUSED, "the subscriber is another")
    assert await place.get(code="a") == first
    assert len(place.desk.taken) == 1


async def test_the_last_ten_codes_are_remembered(place: Place) -> None:
    """More than a browser ever repeats, and a bound all the same."""
    for number in range(REMEMBERED + 1):
        async with place.consents.login(DESK) as login:
            await place.get(code=f"code-{number}")
            await place.ended(login)
    assert [(await place.get(code=f"code-{number}")).status for number in (0, 1, REMEMBERED)] == [404, 200, 200]


async def test_a_browser_that_leaves_before_the_answer_loses_nothing(place: Place) -> None:
    """The page that was seen to come twice leaves the first time."""
    login = await place.login()
    place.desk.gate = asyncio.Event()
    first = asyncio.create_task(place.get(code="a"))
    await asyncio.wait_for(place.desk.asked.wait(), PATIENCE)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    place.desk.gate.set()
    assert (await place.ended(login)).end is End.GIVEN
    assert (await place.get(code="a")).status == 200
    assert len(place.desk.taken) == 1


async def test_a_refusal_ends_the_login(place: Place) -> None:
    """In the provider's words, for whoever waits; the page says less."""
    login = await place.login()
    said = "The user <b>denied</b>\n\n\x1b[31mthe request"
    page = await place.get(error="access_denied", error_description=said)
    assert (page.status, "Consent was not given" in page.text) == (200, True)
    assert "denied" not in page.text
    assert await place.ended(login) == Outcome(End.REFUSED, "the provider said: The user <b>denied</b> [31mthe request")
    assert place.desk.taken == []


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"error": "access_denied"}, "the provider said: access_denied"),
        ({"error": ""}, "the provider gave no reason"),
        ({"error": "x", "error_description": "long " * 1000}, f"the provider said: {'long ' * 40}"),
    ],
    ids=["code-only", "nothing", "long"],
)
async def test_a_refusal_is_told_in_a_bounded_way(place: Place, query: dict[str, str], detail: str) -> None:
    """Whatever the provider says, or does not."""
    login = await place.login()
    await place.get(**query)
    assert await place.ended(login) == Outcome(End.REFUSED, detail)


PROBLEM = Problem(ErrorCode.UNREACHABLE, "it cannot be reached")


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        (Refused(PROBLEM), End.REFUSED),
        (TryLater(PROBLEM), End.FAILED),
        (OutcomeUnknown(PROBLEM), End.FAILED),
        (NotAuthorized(PROBLEM), End.FAILED),
        (Malformed("it cannot be reached", b"{"), End.FAILED),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_an_exchange_that_fails_ends_the_login(place: Place, trouble: RelayError, end: End) -> None:
    """The line is as it was; the stages are not woken."""
    await place.consents.look()
    place.desk.trouble = trouble
    login = await place.login()
    page = await place.get(code=MARKED)
    assert await place.ended(login) == Outcome(end, "it cannot be reached")
    assert (page.status, MARKED in page.text) == ((200 if end is End.REFUSED else 502), False)
    assert place.board.of(DESK).state is LineState.CONSENT_REQUIRED


async def test_nobody_agrees_in_time(place: Place) -> None:
    """The login ends, and the address is closed."""
    async with place.consents.login(DESK) as login:
        assert await place.ended(login, 0.01) == Outcome(End.TIMED_OUT, "nobody agreed in time")
    assert (await place.get(code="a")).status == 404


async def test_a_consent_that_came_just_in_time_counts(place: Place) -> None:
    """The exchange takes longer than there was time."""
    place.desk.gate = asyncio.Event()
    login = await place.login()
    browser = asyncio.create_task(place.get(code="a"))
    await asyncio.wait_for(place.desk.asked.wait(), PATIENCE)
    ending = asyncio.create_task(place.ended(login, 0.01))
    done, _ = await asyncio.wait({ending}, timeout=0.1)
    assert not done
    place.desk.gate.set()
    assert (await ending).end is End.GIVEN
    assert (await browser).status == 200


async def test_a_second_login_ends_the_first(place: Place) -> None:
    """One at a time: the address that was given out last is the one that works."""
    first = await place.login()
    second = await place.login()
    assert await place.ended(first) == Outcome(End.FAILED, "another login was begun for this line")
    assert (await place.get(code="a", state=asked(first)["state"])).status == 400
    await place.get(code="b", state=asked(second)["state"])
    assert (await place.ended(second)).end is End.GIVEN


async def test_the_end_of_a_first_login_leaves_the_second_open(place: Place) -> None:
    """Whoever pressed Ctrl-C and began again."""
    async with place.consents.login(DESK):
        second = await place.login()
    await place.get(code="a")
    assert (await place.ended(second)).end is End.GIVEN


async def test_a_stop_ends_a_login_that_waits(place: Place) -> None:
    """Nobody is left waiting."""
    login = await place.login()
    await place.consents.aclose()
    assert await place.ended(login) == Outcome(End.FAILED, "relay stopped")


WRONG = {
    "wrong secret": f"/consent/{DESK}/secret-9876543210",
    "no secret": f"/consent/{DESK}/",
    "no such line": f"/consent/nosuch/{SECRET}",
    "a line that needs none": f"/consent/office/{SECRET}",
    "too short": f"/consent/{DESK}",
    "too long": f"{PATH}/more",
    "another folder": f"/consents/{DESK}/{SECRET}",
}


async def test_whatever_is_closed_or_wrong_is_one_and_the_same_404(place: Place) -> None:
    """Nobody learns by trying whether a login waits, nor which part was wrong."""
    closed = await place.get(code="a")
    assert closed.status == 404
    await place.login()
    for method in ("POST", "PUT", "DELETE"):
        assert await place.get(method=method, code="a") == closed
    for path in WRONG.values():
        assert await place.get(path, code="a") == closed
    assert place.desk.taken == []


async def test_a_former_secret_is_still_taken(place: Place) -> None:
    """The provider may know only the redirect address of before."""
    login = await place.login()
    assert (await place.get(f"/consent/{DESK}/{FORMER}", code="a")).status == 200
    assert (await place.ended(login)).end is End.GIVEN


async def test_a_visit_without_an_answer_changes_nothing(place: Place) -> None:
    """Somebody opens the address by hand."""
    login = await place.login()
    for query in ({}, {"code": ""}, {"state": asked(login)["state"]}):
        assert (await place.get(**query)).status == 400
    await place.get(code="a")
    assert (await place.ended(login)).end is End.GIVEN


async def test_the_page_keeps_to_itself(place: Place) -> None:
    """No secret, no script, no copy in a cache, and no address handed on."""
    await place.login()
    page = await place.get(code="<script>alert(1)</script>", state="")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"script", SECRET, DESK, "http"} & set(page.text.replace("<", " ").replace("/", " ").split())


async def test_neither_codes_nor_addresses_are_logged(place: Place) -> None:
    """Nor shown by whoever prints a login."""
    with capture_logs() as logs:
        login = await place.login()
        await place.get(code=MARKED, state="another")
        await place.get(code=MARKED)
        await place.ended(login)
    assert [line["event"] for line in logs] == ["consent.asked", "consent.given"]
    assert not any(secret in f"{logs} {login!r}" for secret in (MARKED, SECRET, asked(login)["state"]))


async def test_how_consent_stands_is_told(place: Place) -> None:
    """From what is kept."""
    assert await place.consents.standings() == [
        {"line": DESK, "given": False, "since": None, "renewable_until": None, "reason": "never_given"}
    ]
    await place.login()
    await place.get(code="a")
    [standing] = await place.consents.standings()
    assert (standing["given"], standing["since"]) == (True, "2026-11-21T09:00:00.000Z")


async def test_a_consent_is_revoked(place: Place) -> None:
    """The line shows it, also where the provider did not hear."""
    await place.login()
    await place.get(code="a")
    place.desk.trouble = TryLater(PROBLEM)
    with pytest.raises(TryLater):
        await place.consents.revoke(DESK)
    assert (place.board.of(DESK).state, place.board.of(DESK).reason) == (LineState.CONSENT_REQUIRED, "revoked")
    place.desk.trouble = None
    await place.consents.revoke(DESK)


async def test_without_a_public_address_nobody_can_be_asked(place: Place) -> None:
    """The sentence says what to set."""
    closed = Consents({DESK: place.desk}, {}, journal=place.journal, board=place.board)
    with pytest.raises(CannotAsk, match=r"webhooks\.public_url"):
        async with closed.login(DESK):
            pass


@dataclass
class Elsewhere:
    """The same line on another node: the journal and the load balancer are the same."""

    desk: Desk
    consents: Consents
    board: LineBoard

    async def returned(self, **query: str) -> Returned | None:
        """What a browser is shown that comes back to this node."""
        return await self.consents.returned(DESK, query)


@pytest.fixture
async def elsewhere(place: Place) -> AsyncIterator[Elsewhere]:
    """Another node."""
    clock = ManualClock()
    desk, board = Desk(clock), LineBoard(clock, [DESK])
    consents = Consents({DESK: desk}, {DESK: REDIRECT}, journal=place.journal, board=board, node="n2/1")
    yield Elsewhere(desk, consents, board)
    await consents.aclose()


async def test_a_browser_may_come_back_to_another_node(place: Place, elsewhere: Elsewhere) -> None:
    """That one exchanges the code, and whoever waits on the first one is told."""
    login = await place.login()
    assert await elsewhere.returned(code="a", state="another") is Returned.FOREIGN
    assert await elsewhere.returned() is Returned.EMPTY
    assert await elsewhere.returned(code="a", state=asked(login)["state"]) is Returned.GIVEN
    assert await place.ended(login) == Outcome(End.GIVEN, "the subscriber is the line's")
    assert (place.desk.taken, elsewhere.desk.taken) == ([], [("a", REDIRECT)])


async def test_a_refusal_that_comes_back_to_another_node_ends_the_login(place: Place, elsewhere: Elsewhere) -> None:
    """In the provider's words, as if it had come to the first."""
    login = await place.login()
    assert await elsewhere.returned(error="access_denied") is Returned.REFUSED
    assert await place.ended(login) == Outcome(End.REFUSED, "the provider said: access_denied")
    assert await elsewhere.returned(code="late") is None


async def test_a_code_that_comes_to_two_nodes_is_exchanged_once(place: Place, elsewhere: Elsewhere) -> None:
    """The second browser is shown what came of the first."""
    await place.login()
    place.desk.gate = asyncio.Event()
    first = asyncio.create_task(place.get(code="a"))
    await asyncio.wait_for(place.desk.asked.wait(), PATIENCE)
    second = asyncio.create_task(elsewhere.returned(code="a"))
    place.desk.gate.set()
    assert (await first).status == 200
    assert await second is Returned.GIVEN
    assert elsewhere.desk.taken == []


async def test_a_login_on_another_node_ends_the_first(place: Place, elsewhere: Elsewhere) -> None:
    """One at a time, over all nodes."""
    first = await place.login()
    async with elsewhere.consents.login(DESK) as second:
        assert await place.ended(first) == Outcome(End.FAILED, "another login was begun for this line")
        assert (await place.get(code="a", state=asked(first)["state"])).status == 400
        assert (await place.get(code="b", state=asked(second)["state"])).status == 200
        assert (await elsewhere.consents.outcome(DESK, second, PATIENCE)).end is End.GIVEN


async def test_a_login_outlives_the_node_that_began_it(place: Place, elsewhere: Elsewhere) -> None:
    """The subscriber is not asked twice because a node died; it ends when it was to end."""
    login = await place.login()
    kept = await place.journal.memory(DESK).get("consent.login")
    await place.consents.aclose()
    assert kept is not None
    await place.journal.memory(DESK).put("consent.login", kept)
    assert await elsewhere.returned(code="a", state=asked(login)["state"]) is Returned.GIVEN
    async with elsewhere.consents.login(DESK, 0.0):
        assert await elsewhere.returned(code="b") is None


async def test_a_consent_on_another_node_just_in_time_counts(place: Place, elsewhere: Elsewhere) -> None:
    """The exchange takes longer than there was time."""
    elsewhere.desk.gate = asyncio.Event()
    login = await place.login()
    browser = asyncio.create_task(elsewhere.returned(code="a"))
    await asyncio.wait_for(elsewhere.desk.asked.wait(), PATIENCE)
    ending = asyncio.create_task(place.ended(login, 0.01))
    done, _ = await asyncio.wait({ending}, timeout=0.1)
    assert not done
    elsewhere.desk.gate.set()
    assert (await ending).end is End.GIVEN
    assert await browser is Returned.GIVEN


async def test_every_node_shows_how_consent_stands(place: Place, elsewhere: Elsewhere) -> None:
    """As soon as one of them changes it."""
    await elsewhere.consents.begin()
    assert elsewhere.board.of(DESK).state is LineState.CONSENT_REQUIRED
    await place.login()
    await place.get(code="a")
    elsewhere.desk.standing = place.desk.standing
    place.journal.ring(f"consent:{DESK}")
    async with asyncio.timeout(PATIENCE):
        while elsewhere.board.of(DESK).state is not LineState.READY:
            await asyncio.wait([asyncio.create_task(place.journal.memory(DESK).get("consent.login"))])
    elsewhere.desk.standing = ConsentStanding(given=False, reason="revoked")
    await place.consents.revoke(DESK)
    async with asyncio.timeout(PATIENCE):
        while elsewhere.board.of(DESK).state is not LineState.CONSENT_REQUIRED:
            await asyncio.wait([asyncio.create_task(place.journal.memory(DESK).get("consent.login"))])

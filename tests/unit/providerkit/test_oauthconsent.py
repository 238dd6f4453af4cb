"""A subscriber's agreement: kept with its tokens, renewed while it lasts, and ended in writing."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from relay.domain.errors import ConsentRequired, ErrorCode, NotAuthorized, Refused, TryLater
from relay.ids import Ids
from relay.journal import JournalUnusable
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauthconsent import ConsentedTokens, authorize_url
from relay.providerkit.oauthendpoint import OAuthApp, Token
from relay.providerkit.spec import ConsentStanding
from relay.simulator.virtual import ManualClock
from tests.memory import Memory
from tests.unit.providerkit.oauthendpoint import Endpoint

APP = OAuthApp("app-key", SecretStr("app-s3cret"), "IMMN,MIM")
DAY = 86_400.0
INVALID_GRANT = (400, {"error": "invalid_grant"})


@pytest.fixture
async def http(endpoint: Endpoint) -> AsyncIterator[Http]:
    """To the endpoint."""
    client = Http(endpoint.url, timeout_seconds=5.0, user_agent="relay/test")
    yield client
    await client.aclose()


def consented(http: Http, memory: Memory, clock: ManualClock, app: OAuthApp = APP, **more: str) -> ConsentedTokens:
    """Tokens, as a line makes them; 403 stands for a withdrawal."""
    return ConsentedTokens(
        http,
        app,
        alias="desk",
        subscriber=more.get("subscriber", "+12065550150"),
        withdrawn=lambda answer: answer.status == 403,
        state=memory,
        clock=clock,
        ids=Ids(clock, random.Random(7)),  # noqa: S311 - a seed repeats the run
    )


@pytest.fixture
async def tokens(http: Http, memory: Memory, clock: ManualClock) -> ConsentedTokens:
    """The tokens of a subscriber who has just agreed."""
    made = consented(http, memory, clock)
    await made.adopt(await made.granted("c0de"))
    return made


async def call_with(tokens: ConsentedTokens, *statuses: int) -> list[str]:
    """Make a call that is answered with these, one after the other; gives the Authorization headers it had."""
    seen: list[str] = []

    async def call(headers: Mapping[str, str]) -> HttpAnswer:
        seen.append(headers["Authorization"])
        return HttpAnswer(statuses[len(seen) - 1], {}, b"")

    await tokens.authorized(call)
    return seen


async def test_without_consent_nobody_is_asked(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """Neither the token endpoint nor the API: there is nothing to ask with."""
    tokens = consented(http, memory, clock)
    for _ in range(2):
        with pytest.raises(ConsentRequired) as caught:
            await call_with(tokens, 200)
        assert caught.value.problem.code is ErrorCode.CONSENT_REQUIRED
    assert endpoint.forms == []
    assert await tokens.standing() == ConsentStanding(given=False, reason="never_given")


async def test_a_code_becomes_tokens_that_are_used_at_once(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock
) -> None:
    """The grant has the code and the scope, and no address: AT&T's own clients send none."""
    assert endpoint.forms == [
        {
            "client_id": "app-key",
            "client_secret": "app-s3cret",
            "grant_type": "authorization_code",
            "code": "c0de",
            "scope": "IMMN,MIM",
        }
    ]
    assert await call_with(tokens, 200) == ["Bearer access~1"]
    until = clock.now() + timedelta(days=90)
    assert await tokens.standing() == ConsentStanding(given=True, since=clock.now(), renewable_until=until)


async def test_a_pair_that_could_not_be_kept_is_kept_by_the_next_caller(
    endpoint: Endpoint, http: Http, clock: ManualClock
) -> None:
    """The former refresh token is void: a restart must not find it, and nobody is asked for another."""

    class Full(Memory):
        full = False

        async def put(self, key: str, value: bytes) -> None:
            if self.full:
                raise JournalUnusable("the disk is full")
            await super().put(key, value)

    memory = Full()
    tokens = consented(http, memory, clock)
    await tokens.adopt(await tokens.granted("c0de"))
    memory.full = True
    await clock.advance(1.9 * DAY)
    for _ in range(2):
        with pytest.raises(JournalUnusable):
            await tokens.token()
    memory.full = False
    assert await tokens.token() == "access~2"
    assert endpoint.grants == ["authorization_code", "refresh_token"]
    later = consented(http, memory, clock)
    assert await later.token() == "access~2"
    await clock.advance(1.9 * DAY)
    await later.token()
    assert endpoint.forms[-1]["refresh_token"] == "refresh~2"


async def test_what_is_granted_is_not_kept_before_it_is_adopted(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """Whose consent it is has still to be seen."""
    tokens = consented(http, memory, clock)
    await tokens.granted("c0de")
    assert memory.puts == 0
    assert not (await tokens.standing()).given


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (INVALID_GRANT, Refused),
        ((400, {"RequestError": {"ServiceException": {"MessageId": "SVC0002", "Text": "code"}}}), Refused),
        ((401, {"error": "invalid_client"}), NotAuthorized),
        ((503, "<html></html>"), TryLater),
        (None, TryLater),
    ],
)
async def test_a_code_that_is_not_taken_keeps_nothing(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock, answer: Any, error: type[Exception]
) -> None:
    """The subscriber begins again."""
    endpoint.answers["authorization_code"] = answer
    with pytest.raises(error) as caught:
        await consented(http, memory, clock).granted("c0de")
    assert "c0de" not in repr(caught.value)
    assert memory.puts == 0


async def test_consent_outlives_restarts_and_a_new_app_secret(
    endpoint: Endpoint, tokens: ConsentedTokens, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """The subscriber gave it to the app, and the app is the same."""
    again = consented(http, memory, clock, OAuthApp("app-key", SecretStr("rotated"), "IMMN,MIM"))
    assert await again.token() == "access~1"
    assert await again.standing() == await tokens.standing()


@pytest.mark.parametrize(
    ("app", "subscriber"),
    [
        (OAuthApp("other", SecretStr("app-s3cret"), "IMMN,MIM"), "+12065550150"),
        (OAuthApp("app-key", SecretStr("app-s3cret"), "IMMN"), "+12065550150"),
        (APP, "+12065550151"),
    ],
)
async def test_consent_for_another_app_scope_or_number_is_none(
    tokens: ConsentedTokens, http: Http, memory: Memory, clock: ManualClock, app: OAuthApp, subscriber: str
) -> None:
    """A line that gets another number in its settings must not go on as its former subscriber."""
    other = consented(http, memory, clock, app, subscriber=subscriber)
    assert (await other.standing()).reason == "never_given"


async def test_a_refresh_keeps_both_tokens_in_one_piece(
    endpoint: Endpoint, tokens: ConsentedTokens, memory: Memory, clock: ManualClock
) -> None:
    """A new refresh token is good for ninety days more; when consent was given stays."""
    given = clock.now()
    puts = memory.puts
    await clock.advance(2 * DAY)
    assert await tokens.token() == "access~2"
    assert memory.puts == puts + 1
    assert b"access~2" in memory.kept["oauth.token"]
    assert b"refresh~2" in memory.kept["oauth.token"]
    until = clock.now() + timedelta(days=90)
    assert await tokens.standing() == ConsentStanding(given=True, since=given, renewable_until=until)


@pytest.mark.parametrize("named", [None, "", "refresh~1"])
async def test_a_refresh_token_that_is_not_replaced_keeps_its_ninety_days(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock, named: str | None
) -> None:
    """Missing, empty or the same as before."""
    until = clock.now() + timedelta(days=90)
    endpoint.answers["refresh_token"] = {"refresh_token": named}
    for _ in range(2):
        await clock.advance(2 * DAY)
        await tokens.token()
    assert [form.get("refresh_token") for form in endpoint.forms] == [None, "refresh~1", "refresh~1"]
    assert (await tokens.standing()).renewable_until == until


@pytest.mark.parametrize(
    "answer",
    [
        INVALID_GRANT,
        (401, {"error": "invalid_grant"}),
        (403, {"RequestError": {"PolicyException": {"MessageId": "POL0002", "Text": "Privacy"}}}),
        (400, {"RequestError": {"ServiceException": {"MessageId": "SVC0002", "Text": "Invalid input"}}}),
        (400, {"requestError": {"policyException": {"messageId": "POL0001", "text": "invalid_grant"}}}),
    ],
)
async def test_a_refused_refresh_ends_the_consent_in_writing(
    endpoint: Endpoint, tokens: ConsentedTokens, http: Http, memory: Memory, clock: ManualClock, answer: Any
) -> None:
    """From then on nobody is asked, after a restart either."""
    endpoint.answers["refresh_token"] = answer
    await clock.advance(2 * DAY)
    ended = clock.now()
    with pytest.raises(ConsentRequired):
        await tokens.token()
    await clock.advance(DAY)
    for source in (tokens, consented(http, memory, clock)):
        with pytest.raises(ConsentRequired):
            await call_with(source, 200)
        assert await source.standing() == ConsentStanding(given=False, since=ended, reason="refused")
    assert endpoint.grants == ["authorization_code", "refresh_token"]
    assert b"access~" not in memory.kept["oauth.token"]


async def test_a_refresh_that_is_refused_too_late_has_expired(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock
) -> None:
    """After ninety days nobody withdrew anything."""
    endpoint.answers["refresh_token"] = INVALID_GRANT
    await clock.advance(91 * DAY)
    with pytest.raises(ConsentRequired):
        await tokens.token()
    assert (await tokens.standing()).reason == "expired"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, TryLater),
        ((503, "<html></html>"), TryLater),
        ((500, {"error": "server_error"}), TryLater),
        ((400, "<html></html>"), TryLater),
        ((401, {"error": "invalid_client"}), NotAuthorized),
        ((401, {"RequestError": {"PolicyException": {"MessageId": "POL0001", "Text": "UnAuthorized"}}}), NotAuthorized),
        ((400, {"error": "unauthorized_client"}), NotAuthorized),
        ((400, {"error": "invalid_scope"}), NotAuthorized),
    ],
)
async def test_a_refresh_that_fails_otherwise_does_not_lose_the_consent(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock, answer: Any, error: type[Exception]
) -> None:
    """The former pair is kept and tried again: the answer may be lost, or the app's secret be wrong for a while."""
    endpoint.answers["refresh_token"] = answer
    await clock.advance(2 * DAY)
    with pytest.raises(error) as caught:
        await tokens.token()
    assert not isinstance(caught.value, ConsentRequired)
    assert (await tokens.standing()).given
    endpoint.answers["refresh_token"] = {}
    assert await tokens.token() == "access~3"
    assert [form.get("refresh_token") for form in endpoint.forms] == [None, "refresh~1", "refresh~1"]


async def test_an_early_refresh_that_fails_leaves_the_token_in_use(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock
) -> None:
    """Until it expires."""
    endpoint.answers["refresh_token"] = None
    await clock.advance(1.9 * DAY)
    assert [await tokens.token() for _ in range(3)] == ["access~1"] * 3
    assert len(endpoint.forms) == 2


async def test_a_pair_that_another_process_renewed_is_taken_up(
    endpoint: Endpoint, tokens: ConsentedTokens, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """`relay check` renews beside the daemon; the daemon's refresh token is void then, and consent is not."""
    await clock.advance(2 * DAY)
    assert await consented(http, memory, clock).token() == "access~2"
    endpoint.answers["refresh_token"] = INVALID_GRANT
    assert await tokens.token() == "access~2"
    assert (await tokens.standing()).given


async def test_without_a_refresh_token_consent_ends_with_the_access_token(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """And is used until then."""
    endpoint.answers["authorization_code"] = {"refresh_token": None}
    tokens = consented(http, memory, clock)
    await tokens.adopt(await tokens.granted("c0de"))
    await clock.advance(1.9 * DAY)
    assert await tokens.token() == "access~1"
    await clock.advance(0.1 * DAY)
    with pytest.raises(ConsentRequired):
        await tokens.token()
    assert (await tokens.standing()).reason == "expired"
    assert len(endpoint.forms) == 1


async def test_a_401_renews_and_repeats_once(tokens: ConsentedTokens) -> None:
    """The gateway refuses before anything is done."""
    assert await call_with(tokens, 401, 200) == ["Bearer access~1", "Bearer access~2"]


async def test_an_answer_that_says_so_ends_the_consent(
    endpoint: Endpoint, tokens: ConsentedTokens, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """The refresh token is not tried: it would be good, and the subscriber does not want it used."""
    with pytest.raises(ConsentRequired):
        await call_with(tokens, 403)
    for source in (tokens, consented(http, memory, clock)):
        with pytest.raises(ConsentRequired):
            await call_with(source, 200)
    assert endpoint.grants == ["authorization_code"]
    assert (await tokens.standing()).reason == "withdrawn"


async def test_an_old_answer_does_not_end_a_new_consent(tokens: ConsentedTokens) -> None:
    """It was asked with the tokens of the consent before."""

    async def call(_: Mapping[str, str]) -> HttpAnswer:
        await tokens.adopt(await tokens.granted("an0ther"))
        return HttpAnswer(403, {}, b"")

    with pytest.raises(ConsentRequired):
        await tokens.authorized(call)
    assert (await tokens.standing()).given
    assert await tokens.token() == "access~2"


async def test_a_new_consent_is_not_overtaken_by_a_refresh_that_was_under_way(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock
) -> None:
    """Whatever the refresh brings belongs to the consent before."""
    fresh = await tokens.granted("an0ther")
    await clock.advance(2 * DAY)
    endpoint.asked.clear()
    endpoint.hold = asyncio.Event()
    refreshing = asyncio.create_task(tokens.token())
    async with asyncio.timeout(5):
        await endpoint.asked.wait()
    adopting = asyncio.create_task(tokens.adopt(Token("new~1", "new~r", since=clock.now())))
    endpoint.hold.set()
    async with asyncio.timeout(5):
        await asyncio.gather(refreshing, adopting)
    assert await tokens.token() == "new~1"
    assert fresh.access == "access~2"


async def test_after_an_end_a_new_consent_begins_anew(
    endpoint: Endpoint, tokens: ConsentedTokens, clock: ManualClock
) -> None:
    """With a time of its own."""
    with pytest.raises(ConsentRequired):
        await call_with(tokens, 403)
    await clock.advance(DAY)
    await tokens.adopt(await tokens.granted("an0ther"))
    assert await call_with(tokens, 200) == ["Bearer access~2"]
    assert (await tokens.standing()).since == clock.now()


@pytest.mark.parametrize("answer", [{}, (400, {"error": "invalid_request"})])
async def test_a_consent_that_is_given_back_is_gone_at_both_ends(
    endpoint: Endpoint, tokens: ConsentedTokens, memory: Memory, answer: Any
) -> None:
    """The refresh token is named: its access token ends with it. One that is void already is fine."""
    endpoint.answers["revoke"] = answer
    await tokens.revoke()
    await tokens.revoke()
    named = {"token": "refresh~1", "token_type_hint": "refresh_token"}
    assert endpoint.forms[1:] == [{"client_id": "app-key", "client_secret": "app-s3cret", **named}]
    assert (await tokens.standing()).reason == "revoked"
    with pytest.raises(ConsentRequired):
        await tokens.token()
    assert b"~1" not in memory.kept["oauth.token"]


@pytest.mark.parametrize("answer", [None, (503, "<html></html>"), (400, "<html></html>"), (404, "<html></html>")])
async def test_a_revocation_that_was_not_heard_changes_nothing(
    endpoint: Endpoint, tokens: ConsentedTokens, answer: Any
) -> None:
    """The tokens are still good, and still in use: a page is a gateway's word."""
    endpoint.answers["revoke"] = answer
    with pytest.raises(TryLater if answer != (400, "<html></html>") else Refused):
        await tokens.revoke()
    assert await tokens.token() == "access~1"


async def test_a_token_that_is_not_wanted_is_given_back(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """By its access token where there is no other."""
    await consented(http, memory, clock).give_back(Token("a~1"))
    assert [(form["token"], form["token_type_hint"]) for form in endpoint.forms] == [("a~1", "access_token")]


def test_the_page_s_address_encodes_what_it_is_given() -> None:
    """A comma, a slash, an ampersand."""
    address = authorize_url("https://api.example", {"scope": "IMMN,MIM", "redirect_uri": "https://r/a?b&c=+"})
    expected = "scope=IMMN%2CMIM&redirect_uri=https%3A%2F%2Fr%2Fa%3Fb%26c%3D%2B"
    assert address == f"https://api.example/oauth/v4/authorize?{expected}"


async def test_no_token_and_no_code_is_logged_or_shown(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """In the whole life of a consent."""
    with capture_logs() as logs:
        tokens = consented(http, memory, clock)
        token = await tokens.granted("c0de")
        await tokens.adopt(token)
        await clock.advance(2 * DAY)
        await tokens.token()
        endpoint.answers["refresh_token"] = INVALID_GRANT
        await clock.advance(2 * DAY)
        with pytest.raises(ConsentRequired) as caught:
            await tokens.token()
    shown = repr((logs, token, caught.value, caught.value.problem, await tokens.standing()))
    assert all(secret not in shown for secret in ("access~", "refresh~", "app-s3cret", "c0de", "5550150"))

"""An access token that is good now: one request for many callers, renewed early, kept over restarts."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from relay.domain.errors import ErrorCode, NotAuthorized, TryLater
from relay.ids import Ids
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauth import OAuthApp, TokenSource
from relay.simulator.virtual import ManualClock
from tests.memory import Memory
from tests.unit.providerkit.oauthendpoint import Endpoint

APP = OAuthApp("app-key", SecretStr("app-s3cret"), "SMS")
DAY = 86_400.0


@pytest.fixture
async def http(endpoint: Endpoint) -> AsyncIterator[Http]:
    """To the endpoint."""
    client = Http(endpoint.url, timeout_seconds=5.0, user_agent="relay/test")
    yield client
    await client.aclose()


def source(http: Http, memory: Memory, clock: ManualClock, **parts: Any) -> TokenSource:
    """A token source, as a line makes one."""
    anew = {"grant_type": "client_credentials"}
    app = parts.pop("app", APP)
    ids = Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run
    return TokenSource(http, app, state=memory, clock=clock, ids=ids, anew=anew)


@pytest.fixture
def tokens(http: Http, memory: Memory, clock: ManualClock) -> TokenSource:
    """The source under test."""
    return source(http, memory, clock)


async def test_the_first_token_comes_from_the_app_s_credentials(endpoint: Endpoint, tokens: TokenSource) -> None:
    """In the body of a form, and with the scope."""
    assert await tokens.token() == "access~1"
    assert endpoint.forms == [
        {"client_id": "app-key", "client_secret": "app-s3cret", "grant_type": "client_credentials", "scope": "SMS"}
    ]


async def test_a_hundred_callers_make_one_request(endpoint: Endpoint, tokens: TokenSource) -> None:
    """They wait for the same answer, and it is used again."""
    assert set(await asyncio.gather(*(tokens.token() for _ in range(100)))) == {"access~1"}
    assert await tokens.token() == "access~1"
    assert len(endpoint.forms) == 1


async def test_a_hundred_callers_share_a_failure_too(endpoint: Endpoint, tokens: TokenSource) -> None:
    """Otherwise each would wait for a time-out of its own, one after the other."""
    endpoint.answers["client_credentials"] = (503, "<html>down</html>")
    results = await asyncio.gather(*(tokens.token() for _ in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {TryLater}
    assert len(endpoint.forms) == 1


async def test_a_caller_that_gives_up_leaves_the_others_their_token(endpoint: Endpoint, tokens: TokenSource) -> None:
    """The request belongs to nobody."""
    endpoint.hold = asyncio.Event()
    first, second = asyncio.create_task(tokens.token()), asyncio.create_task(tokens.token())
    async with asyncio.timeout(5):
        await endpoint.asked.wait()
    first.cancel()
    endpoint.hold.set()
    assert await second == "access~1"
    assert first.cancelled()


async def test_a_source_that_is_closed_gives_up_its_request(endpoint: Endpoint, tokens: TokenSource) -> None:
    """A stop does not wait for a token endpoint that hangs."""
    endpoint.hold = asyncio.Event()
    waiting = asyncio.create_task(tokens.token())
    async with asyncio.timeout(5):
        await endpoint.asked.wait()
        await tokens.aclose()
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    endpoint.hold.set()


async def test_a_token_is_renewed_with_its_refresh_token_when_four_fifths_of_its_life_are_over(
    endpoint: Endpoint, tokens: TokenSource, clock: ManualClock
) -> None:
    """More or less: the lines of a node do not all renew at once. Every grant carries the scope, as documented."""
    await tokens.token()
    await clock.advance(2 * DAY * 0.7)
    assert await tokens.token() == "access~1"
    await clock.advance(2 * DAY * 0.19)
    assert await tokens.token() == "access~2"
    assert endpoint.forms[1] == {
        "client_id": "app-key",
        "client_secret": "app-s3cret",
        "grant_type": "refresh_token",
        "refresh_token": "refresh~1",
        "scope": "SMS",
    }


async def test_a_refresh_token_that_is_not_replaced_is_kept(
    endpoint: Endpoint, tokens: TokenSource, clock: ManualClock
) -> None:
    """Rotation is up to the provider."""
    await tokens.token()
    endpoint.answers["refresh_token"] = {"refresh_token": None}
    for _ in range(2):
        await clock.advance(2 * DAY)
        await tokens.token()
    assert [form.get("refresh_token") for form in endpoint.forms] == [None, "refresh~1", "refresh~1"]


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_refresh_falls_back_on_the_credentials_once_and_for_all(
    endpoint: Endpoint, tokens: TokenSource, clock: ManualClock, status: int
) -> None:
    """A refresh token that is used up is not tried again."""
    await tokens.token()
    endpoint.answers["refresh_token"] = (status, {"error": "invalid_grant"})
    endpoint.answers["client_credentials"] = {"refresh_token": ""}
    for _ in range(2):
        await clock.advance(2 * DAY)
        await tokens.token()
    assert endpoint.grants == ["client_credentials", "refresh_token", "client_credentials", "client_credentials"]


async def test_an_early_renewal_that_fails_leaves_the_token_in_use(
    endpoint: Endpoint, tokens: TokenSource, clock: ManualClock
) -> None:
    """Until it expires; the endpoint is asked again every minute and not at every call."""
    await tokens.token()
    endpoint.answers["refresh_token"] = endpoint.answers["client_credentials"] = (503, "<html></html>")
    await clock.advance(2 * DAY * 0.9)
    assert [await tokens.token() for _ in range(3)] == ["access~1"] * 3
    assert len(endpoint.forms) == 2
    await clock.advance(61)
    assert await tokens.token() == "access~1"
    assert len(endpoint.forms) == 3
    await clock.advance(2 * DAY)
    with pytest.raises(TryLater):
        await tokens.token()


async def test_a_token_is_kept_over_restarts(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock
) -> None:
    """With its times and its refresh token."""
    await source(http, memory, clock).token()
    assert await source(http, memory, clock).token() == "access~1"
    await clock.advance(2 * DAY)
    assert await source(http, memory, clock).token() == "access~2"
    assert endpoint.grants == ["client_credentials", "refresh_token"]


@pytest.mark.parametrize(
    "app",
    [
        OAuthApp("other", SecretStr("app-s3cret"), "SMS"),
        OAuthApp("app-key", SecretStr("other"), "SMS"),
        OAuthApp("app-key", SecretStr("app-s3cret"), "SMS,MMS"),
    ],
)
async def test_a_kept_token_of_another_app_is_not_used(
    endpoint: Endpoint, http: Http, memory: Memory, clock: ManualClock, app: OAuthApp
) -> None:
    """Settings that change get a token of their own."""
    await source(http, memory, clock).token()
    assert await source(http, memory, clock, app=app).token() == "access~2"
    assert endpoint.grants == ["client_credentials", "client_credentials"]


@pytest.mark.parametrize("kept", [b"", b"\xff", b"[]", b"{}", b'{"app": "x", "access": "a"}'])
async def test_a_kept_token_that_cannot_be_read_is_replaced(
    endpoint: Endpoint, memory: Memory, tokens: TokenSource, kept: bytes
) -> None:
    """It is only a token."""
    memory.kept["oauth.token"] = kept
    assert await tokens.token() == "access~1"


@pytest.mark.parametrize(
    ("expires_in", "good_for", "bad_after"),
    [
        (172_800, 1.3 * DAY, 2 * DAY),
        ("172800", 1.3 * DAY, 2 * DAY),
        (3600, 0.03 * DAY, 0.05 * DAY),
        (None, 1.3 * DAY, 2 * DAY),
        ("", 1.3 * DAY, 2 * DAY),
        (0, 4000 * DAY, None),
        ("0", 4000 * DAY, None),
    ],
)
async def test_the_life_of_a_token_is_what_the_provider_says(
    endpoint: Endpoint,
    tokens: TokenSource,
    clock: ManualClock,
    expires_in: Any,
    good_for: float,
    bad_after: float | None,
) -> None:
    """As a number or as text; none named is the documented two days, and 0 is for ever."""
    endpoint.answers["client_credentials"] = {"expires_in": expires_in}
    await tokens.token()
    await clock.advance(good_for)
    assert await tokens.token() == "access~1"
    if bad_after:
        await clock.advance(bad_after - good_for)
        assert await tokens.token() == "access~2"


async def test_a_refused_token_is_replaced_once_for_all_who_used_it(endpoint: Endpoint, tokens: TokenSource) -> None:
    """Ten calls that all got a 401 ask for one new token."""
    used = await tokens.token()
    for _ in range(10):
        tokens.invalidate(used)
    assert set(await asyncio.gather(*(tokens.token() for _ in range(10)))) == {"access~2"}
    tokens.invalidate(used)
    assert await tokens.token() == "access~2"
    assert len(endpoint.forms) == 2


def _answer(status: int) -> HttpAnswer:
    return HttpAnswer(status, {}, b"")


async def test_an_unauthorized_call_is_repeated_once_with_a_new_token(tokens: TokenSource) -> None:
    """The gateway refuses before anything is done."""
    seen: list[str] = []

    async def call(headers: Mapping[str, str]) -> HttpAnswer:
        seen.append(headers["Authorization"])
        return _answer(401 if len(seen) == 1 else 201)

    assert (await tokens.authorized(call)).status == 201
    assert seen == ["Bearer access~1", "Bearer access~2"]


async def test_a_call_that_stays_unauthorized_is_not_repeated_again(tokens: TokenSource) -> None:
    """A second 401 is the answer."""
    seen: list[str] = []

    async def call(headers: Mapping[str, str]) -> HttpAnswer:
        seen.append(headers["Authorization"])
        return _answer(401)

    assert (await tokens.authorized(call)).status == 401
    assert len(seen) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"RequestError": {"PolicyException": {"MessageId": "POL0001", "Text": "Invalid client"}}}),
        (401, {"error": "invalid_client"}),
        (401, "<html></html>"),
        (403, {"error": "invalid_scope"}),
    ],
)
async def test_bad_credentials_park_the_line(endpoint: Endpoint, tokens: TokenSource, answer: Any) -> None:
    """Nothing works until a person acts."""
    endpoint.answers["client_credentials"] = answer
    with pytest.raises(NotAuthorized) as caught:
        await tokens.token()
    assert caught.value.problem.code is ErrorCode.UNAUTHORIZED
    assert caught.value.problem.provider is not None
    assert caught.value.problem.provider.http == answer[0]


@pytest.mark.parametrize(
    "answer",
    [
        (404, "<html></html>"),
        (404, {}),
        (429, {}),
        (500, {"error": "server_error"}),
        (502, "<html></html>"),
        (503, {}),
        (200, "<html></html>"),
        (200, {"access_token": ""}),
        (200, {"access_token": "two words"}),
        (200, {"access_token": "line\r\nbreak: yes"}),
        (200, {"access_token": ["a"]}),
        (200, {"expires_in": "soon"}),
    ],
)
async def test_an_endpoint_that_does_not_work_is_try_later(
    endpoint: Endpoint, tokens: TokenSource, answer: Any
) -> None:
    """The credentials may be good; and a token that could break a header is none."""
    endpoint.answers["client_credentials"] = answer
    with pytest.raises(TryLater):
        await tokens.token()


async def test_a_token_that_was_made_and_not_received_is_try_later(
    endpoint: Endpoint, memory: Memory, clock: ManualClock
) -> None:
    """An unanswered token request harms nobody."""
    endpoint.hold = asyncio.Event()
    impatient = Http(endpoint.url, timeout_seconds=0.2, user_agent="relay/test")
    with pytest.raises(TryLater, match="token endpoint"):
        await source(impatient, memory, clock).token()
    endpoint.hold.set()
    await impatient.aclose()


async def test_no_token_and_no_secret_is_logged_or_shown(endpoint: Endpoint, tokens: TokenSource) -> None:
    """Neither in a log line, nor in an error, nor in a repr."""
    with capture_logs() as logs:
        token = await tokens.anew()
        endpoint.answers["client_credentials"] = (401, {"error": "invalid_client", "error_description": "bad " * 100})
        tokens.invalidate("access~1")
        with pytest.raises(NotAuthorized) as caught:
            await tokens.anew()
    shown = repr((logs, token, APP, caught.value, caught.value.problem))
    assert all(secret not in shown for secret in ("access~", "refresh~", "app-s3cret"))


async def test_when_the_token_expires_is_known_while_it_is_good(tokens: TokenSource, clock: ManualClock) -> None:
    """Not before there is one, and not once it was refused."""
    assert tokens.expires_at is None
    used = await tokens.token()
    assert tokens.expires_at is not None
    assert tokens.expires_at > clock.now()
    tokens.invalidate(used)
    assert tokens.expires_at is None

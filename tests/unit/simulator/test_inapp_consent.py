"""Tokens and consent, as simulated In-App Messaging asks for them; and several subscribers."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import CLIENT, FRIEND, NUMBER, InAppUser, codes, texted, wrongs

DEMO = {"app_key": CLIENT["client_id"], "app_secret": CLIENT["client_secret"], "number": NUMBER}
OTHER = "+12065550151"


async def test_without_a_token_the_answer_is_400(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """And not 401."""
    async with http.get("/myMessages/v2/messages") as response:
        assert response.status == 400
    assert codes(simulator) == [("list", 400, "POL0001")]


async def test_a_bad_token_is_answered_401_with_a_challenge(inapp: InAppUser) -> None:
    """As everywhere at AT&T."""
    inapp.token = "nonsense"
    answer = await inapp.page()
    assert (answer.status, "WWW-Authenticate" in answer.headers) == (401, True)


@pytest.mark.parametrize(
    ("scope", "may_send", "may_read"), [("IMMN", 201, 403), ("MIM", 403, 200), ("IMMN MIM", 201, 200)]
)
async def test_each_scope_is_good_for_its_own(inapp: InAppUser, scope: str, may_send: int, may_read: int) -> None:
    """IMMN to send, MIM for everything else; 403 POL0001 without."""
    await inapp.consent(scope)
    assert (await inapp.send("tel:+12065550101")).status == may_send
    assert (await inapp.page()).status == may_read
    assert (await inapp.call("GET", "/messages/index/info")).status == may_read


async def test_tokens_expire_and_are_refreshed(simulator: Simulator, inapp: InAppUser) -> None:
    """`expire-tokens` does it at once; `revoke-tokens` ends the refresh tokens as well."""
    simulator.act("att-inapp", "expire-tokens")
    assert (await inapp.page()).status == 401
    assert (await inapp.sign_in(grant_type="refresh_token", refresh_token=inapp.refresh_token)).status == 200
    assert (await inapp.page()).status == 200
    simulator.act("att-inapp", "revoke-tokens")
    assert (await inapp.page()).status == 401
    refused = await inapp.sign_in(grant_type="refresh_token", refresh_token=inapp.refresh_token)
    assert (refused.status, refused.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("withdrawn_as", "status"), [("403", 403), ("401", 401)])
async def test_a_withdrawn_consent_ends_everything(
    simulator: Simulator, inapp: InAppUser, withdrawn_as: str, status: int
) -> None:
    """POL0002, or 401, and no refresh; a new consent is good again."""
    simulator.set_modes("att-inapp", {"withdrawn_as": withdrawn_as})
    simulator.act("att-inapp", "withdraw-consent")
    assert (await inapp.page()).status == status
    refused = await inapp.sign_in(grant_type="refresh_token", refresh_token=inapp.refresh_token)
    assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    await inapp.consent()
    assert (await inapp.page()).status == 200
    assert simulator.world.violations.lines() == []


async def test_calls_after_the_end_of_consent_are_violations(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock
) -> None:
    """Once one has been told, and what was under way is over."""
    simulator.act("att-inapp", "withdraw-consent")
    await inapp.page()
    await clock.advance(60)
    await inapp.page()
    assert simulator.world.violations.lines() == []
    await clock.advance(1)
    await inapp.send("tel:+12065550101")
    assert wrongs(simulator) == ["send"]


@pytest.fixture
async def couple(clock: ManualClock) -> AsyncIterator[Simulator]:
    """Two subscribers of one app."""
    accounts = {"att-inapp": [DEMO, {**DEMO, "number": OTHER}]}
    modes = {"att-inapp": {"index_seconds": 0}}
    async with Simulator(SimulatorOptions(clock=clock, seed=7, accounts=accounts, modes=modes)) as simulator:
        yield simulator


async def test_each_subscriber_has_a_store(couple: Simulator) -> None:
    """What one has, the other does not see."""
    async with aiohttp.ClientSession(couple.base_url) as http:
        users = {}
        for number in (NUMBER, OTHER):
            couple.set_modes("att-inapp", {"consent_as": number})
            users[number] = InAppUser(http)
            await users[number].consent()
            await users[number].create_index()
        (mail_id,) = texted(couple, "for the other", to=OTHER)
        assert await users[OTHER].ids() == [mail_id]
        assert await users[NUMBER].ids() == []
        assert (await users[NUMBER].get(mail_id)).status == 404
        with pytest.raises(ValueError, match="line"):
            couple.act("att-inapp", "receive", {"from": FRIEND, "text": "for whom?"})
        couple.act("att-inapp", "receive", {"from": FRIEND, "text": "for you", "line": NUMBER})
        assert len(await users[NUMBER].ids()) == 1


@pytest.mark.parametrize("account", [{}, {**DEMO, "short_code": "12345"}])
async def test_an_account_has_three_fields(account: dict[str, str]) -> None:
    """Others are refused at the start."""
    simulator = Simulator(SimulatorOptions(accounts={"att-inapp": [account]}))
    with pytest.raises(ValueError, match="app_key, app_secret, number"):
        await simulator.start()
    await simulator.stop()

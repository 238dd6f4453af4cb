"""OAuth, as AT&T's SMS documentation has it."""

from typing import Any

import aiohttp
import pytest

from relay.providerkit.simulated import World
from relay.providerkit.simulated.oauth.books import Shelf
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SmsUser, read


async def test_a_token_is_opaque_lives_two_days_and_is_not_to_be_stored(sms: SmsUser) -> None:
    """Real tokens contain tildes."""
    answer = await sms.sign_in()
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["expires_in"] == 172_800
    assert answer.json["token_type"].lower() == "bearer"
    assert "~" in answer.json["access_token"]
    assert answer.json["access_token"] != answer.json["refresh_token"]


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, 400, "invalid_grant"),
    ],
)
@pytest.mark.parametrize("form", ["rfc", "envelope"])
async def test_a_bad_request_for_a_token_is_refused(
    simulator: Simulator, sms: SmsUser, changes: dict[str, str], status: int, error: str, form: str
) -> None:
    """401 for credentials, 400 for the rest; in RFC 6749's form or AT&T's."""
    simulator.set_modes("att-sms", {"oauth_errors": form})
    answer = await sms.sign_in(**changes)
    assert answer.status == status
    said = answer.json["error"] if form == "rfc" else answer.json["RequestError"]["PolicyException"]["Variables"]
    assert said == error


@pytest.mark.parametrize("body", [b'{"client_id": "demo-key"}', b"client_id=\xff"])
async def test_a_body_that_is_no_form_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    """JSON, or bytes that are no text."""
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    answer = await read(http.post("/oauth/v4/token", data=body, headers={"Content-Type": kind}))
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_without_a_token_the_answer_is_400(http: aiohttp.ClientSession) -> None:
    """And not 401: SMS documentation, Request Parameters."""
    answer = await read(http.get("/sms/v3/messaging/inbox/12345", headers={"Content-Type": "application/json"}))
    assert answer.status == 400
    assert answer.json["RequestError"]["PolicyException"]["MessageId"] == "POL0001"


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Bearer", "Basic ZGVtbw=="])
async def test_a_bad_token_is_answered_401_with_a_challenge(http: aiohttp.ClientSession, authorization: str) -> None:
    """Whatever is bad about it."""
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    answer = await read(http.get("/sms/v3/messaging/inbox/12345", headers=headers))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_the_scheme_is_read_without_regard_to_case(sms: SmsUser) -> None:
    """AT&T's own kits send BEARER."""
    headers = sms.headers | {"Authorization": f"BEARER {sms.token}"}
    assert (await read(sms.http.get("/sms/v3/messaging/inbox/12345", headers=headers))).status == 200


@pytest.mark.parametrize(("scope", "status"), [("SMS", 200), ("MMS,SMS", 200), ("MMS SMS", 200), ("MMS", 403)])
async def test_a_token_is_good_for_its_scopes(sms: SmsUser, scope: str, status: int) -> None:
    """Separated by commas or blanks; without SMS the answer is 403 POL0001."""
    await sms.sign_in(scope=scope)
    answer = await sms.poll()
    assert answer.status == status
    if status == 403:
        assert answer.json["RequestError"]["PolicyException"]["MessageId"] == "POL0001"


async def test_a_token_expires_when_it_said(sms: SmsUser, clock: ManualClock) -> None:
    """To the second, on the simulator's clock."""
    await clock.advance(172_799)
    assert (await sms.poll()).status == 200
    await clock.advance(1)
    assert (await sms.poll()).status == 401


@pytest.mark.parametrize(
    ("modes", "shown"),
    [
        ({"expires_in": 60}, 60),
        ({"expires_in": 60, "expires_in_form": "string"}, "60"),
        ({"expires_in": 0}, 0),
        ({"expires_in": 0, "expires_in_form": "string"}, "0"),
    ],
)
async def test_a_life_of_zero_has_no_end(
    simulator: Simulator, sms: SmsUser, clock: ManualClock, modes: dict[str, Any], shown: Any
) -> None:
    """Shown as a number or a string; zero means that the token does not expire."""
    simulator.set_modes("att-sms", modes)
    assert (await sms.sign_in()).json["expires_in"] == shown
    await clock.advance(365 * 86_400)
    assert (await sms.poll()).status == (401 if modes["expires_in"] else 200)


async def test_a_refresh_token_is_good_for_one_use(sms: SmsUser) -> None:
    """The answer carries the next one."""
    first = (await sms.sign_in()).json["refresh_token"]
    renewed = await sms.sign_in(grant_type="refresh_token", refresh_token=first)
    assert renewed.status == 200
    assert (await sms.poll()).status == 200
    assert (await sms.sign_in(grant_type="refresh_token", refresh_token=first)).status == 400
    second = renewed.json["refresh_token"]
    assert (await sms.sign_in(grant_type="refresh_token", refresh_token=second)).status == 200


async def test_without_rotation_the_refresh_token_stays(simulator: Simulator, sms: SmsUser) -> None:
    """And the answer does not repeat it."""
    simulator.set_modes("att-sms", {"rotate": False})
    token = (await sms.sign_in()).json["refresh_token"]
    for _ in range(2):
        renewed = await sms.sign_in(grant_type="refresh_token", refresh_token=token)
        assert renewed.status == 200
        assert "refresh_token" not in renewed.json


async def test_refresh_tokens_can_be_missing(simulator: Simulator, sms: SmsUser) -> None:
    """Some deployments issue none for client credentials."""
    simulator.set_modes("att-sms", {"refresh_tokens": False})
    assert "refresh_token" not in (await sms.sign_in()).json


async def test_a_refresh_token_lives_ninety_days(sms: SmsUser, clock: ManualClock) -> None:
    """Then it is invalid_grant."""
    token = (await sms.sign_in()).json["refresh_token"]
    await clock.advance(90 * 86_400)
    assert (await sms.sign_in(grant_type="refresh_token", refresh_token=token)).status == 400


async def test_tokens_can_be_made_to_expire_at_any_moment(simulator: Simulator, sms: SmsUser) -> None:
    """`expire-tokens` leaves refresh tokens, `revoke-tokens` does not."""
    token = (await sms.sign_in()).json["refresh_token"]
    simulator.act("att-sms", "expire-tokens")
    assert (await sms.poll()).status == 401
    token = (await sms.sign_in(grant_type="refresh_token", refresh_token=token)).json["refresh_token"]
    simulator.act("att-sms", "revoke-tokens")
    assert (await sms.sign_in(grant_type="refresh_token", refresh_token=token)).status == 400


async def test_every_token_stands_in_the_ledger(simulator: Simulator, sms: SmsUser) -> None:
    """With its grant, and without itself."""
    lines = [line for line in simulator.world.ledger.lines() if line["what"] == "token"]
    assert [(line["line"], line["grant"]) for line in lines] == [("12345", "client_credentials")]
    assert sms.token not in str(lines)


def test_the_store_of_tokens_does_not_grow_without_end(world: World) -> None:
    """The oldest go first."""
    shelf = Shelf[str](world.clock, world.ids, "ACSI")
    secrets = [shelf.issue(f"{number}", 60) for number in range(10_005)]
    assert [shelf.find(secret) for secret in secrets[3:7]] == [None, None, "5", "6"]
    assert shelf.find(secrets[-1]) == "10004"

"""OAuth with a subscriber's consent: the page, the way back, codes, tokens that are bound to a number."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from relay.providerkit.simulated import ApiError, OAuthClient, OAuthModes, World
from relay.providerkit.simulated.oauthroutes import OAuthRoutes
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import Answer, Listener, read

NUMBER, OTHER = "+12065550150", "+12065550151"
APP = {"client_id": "key", "client_secret": "secret"}


@dataclass
class Customer:
    """An app whose subscribers give consent; `modes` are its service's."""

    http: aiohttp.ClientSession
    modes: OAuthModes
    back: str

    async def page(self, **changes: str) -> Answer:
        """Open the consent page, and follow nothing."""
        query = {"client_id": "key", "scope": "IMMN,MIM", "redirect_uri": self.back, **changes}
        query = {name: value for name, value in query.items() if value}
        return await read(self.http.get("/oauth/v4/authorize", params=query, allow_redirects=False))

    async def code(self, **changes: str) -> str:
        """The code that comes of consent."""
        return URL((await self.page(**changes)).headers["Location"]).query["code"]

    async def token(self, **form: str) -> Answer:
        """Ask for a token."""
        return await read(self.http.post("/oauth/v4/token", data={**APP, **form}))

    async def consented(self, **changes: str) -> Any:
        """Consent, and the token that comes of it."""
        return (await self.token(grant_type="authorization_code", code=await self.code(**changes))).json

    async def call(self, token: str, scope: str = "MIM") -> Answer:
        """Use the API that needs `scope`."""
        return await read(self.http.get(f"/api/{scope}", headers={"Authorization": f"Bearer {token}"}))


@pytest.fixture
async def customer(world: World, listener: Listener) -> AsyncIterator[Customer]:
    """An app of two subscribers, which may come back to the listener alone."""
    modes, back = OAuthModes(), f"{listener.url}/back"
    scopes = frozenset(("IMMN", "MIM"))
    world.oauth.register(OAuthClient("key", "secret", "acme", scopes, (NUMBER, OTHER), (back,)), modes)

    async def api(request: web.Request) -> web.Response:
        try:
            grant = world.oauth.holder(request, request.match_info["scope"], "acme", "call")
        except ApiError as error:
            return error.answer("upper")
        return web.json_response({"subscriber": grant.subscriber})

    app = web.Application()
    app.add_routes([*OAuthRoutes(world).routes(), web.get("/api/{scope}", api)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
        yield Customer(http, modes, back)
    await runner.cleanup()


async def test_consent_leads_to_a_token_of_the_subscriber_s(customer: Customer, world: World) -> None:
    """By way of a code, without a scope or a redirect_uri in the second request."""
    page = await customer.page()
    assert page.status == 302
    assert page.headers["Location"].startswith(f"{customer.back}?code=")
    code = URL(page.headers["Location"]).query["code"]
    token = (await customer.token(grant_type="authorization_code", code=code)).json
    assert (await customer.call(token["access_token"])).json == {"subscriber": NUMBER}
    assert world.violations.lines() == []
    told = [(line["what"], line["line"]) for line in world.ledger.lines()]
    assert told == [("consent-given", NUMBER), ("token", NUMBER)]


@pytest.mark.parametrize(("as_whom", "subscriber"), [("", NUMBER), (OTHER, OTHER), ("2065550151", OTHER)])
async def test_any_of_the_app_s_subscribers_can_sit_at_the_page(
    customer: Customer, as_whom: str, subscriber: str
) -> None:
    """By the mode, and in any form of a number."""
    customer.modes.consent_as = as_whom
    token = await customer.consented()
    assert (await customer.call(token["access_token"])).json == {"subscriber": subscriber}


@pytest.mark.parametrize("modes", [{"consent": "refuse"}, {"consent_as": "+12065559999"}])
async def test_a_refusal_comes_back_without_a_code(customer: Customer, world: World, modes: dict[str, Any]) -> None:
    """The subscriber's, or that of somebody who is none."""
    customer.modes.change(modes)
    back = URL((await customer.page()).headers["Location"])
    assert back.query["error"] == "access_denied"
    assert back.query["error_description"]
    assert "code" not in back.query
    assert [line["what"] for line in world.ledger.lines()] == ["consent-refused"]


@pytest.mark.parametrize(("decision", "key"), [("give", "code"), ("refuse", "error"), ("", "error")])
async def test_a_page_has_a_button_for_each_decision(customer: Customer, decision: str, key: str) -> None:
    """The same fields go back in a form."""
    customer.modes.consent = "page"
    page = await customer.page(state="a<b")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'value="give"' in page.text
    assert 'name="state" value="a&lt;b"' in page.text
    form = {"client_id": "key", "scope": "MIM", "redirect_uri": customer.back, "decision": decision}
    answer = await read(customer.http.post("/oauth/v4/authorize", data=form, allow_redirects=False))
    assert key in URL(answer.headers["Location"]).query


async def test_the_page_can_come_back_twice_with_the_same_code(customer: Customer, listener: Listener) -> None:
    """As was seen; only the first exchange succeeds."""
    customer.modes.consent = "twice"
    query = {"client_id": "key", "scope": "MIM", "redirect_uri": customer.back}
    heard = []
    listener.status = 404
    for _ in range(2):
        await read(customer.http.get("/oauth/v4/authorize", params=query))
        heard.append([fields["code"] for _, _, fields in listener.heard])
        listener.heard.clear()
    assert [len(codes) for codes in heard] == [2, 2]
    assert [len(set(codes)) for codes in heard] == [1, 1]


async def test_nobody_at_the_first_of_two_ways_back_is_harmless(customer: Customer, world: World) -> None:
    """The browser is sent there all the same."""
    world.oauth.register(
        OAuthClient("key", "secret", "acme", frozenset(), (), ("http://127.0.0.1:9/",)), customer.modes
    )
    customer.modes.consent = "twice"
    assert (await customer.page(redirect_uri="http://127.0.0.1:9/")).status == 302


@pytest.mark.parametrize("address", ["http://elsewhere.invalid/back", "back", "ftp://127.0.0.1/back", "http://[/"])
async def test_consent_comes_back_to_a_registered_address_alone(customer: Customer, world: World, address: str) -> None:
    """Whoever asks otherwise stays where they are."""
    answer = await customer.page(redirect_uri=address)
    assert answer.status == 400
    assert "Location" not in answer.headers
    assert ["redirect_uri" in line["what"] for line in world.violations.lines()] == [True]


async def test_the_only_registered_address_need_not_be_named(customer: Customer) -> None:
    """It is clear."""
    assert (await customer.page(redirect_uri="")).headers["Location"].startswith(customer.back)


async def test_an_app_without_registered_addresses_goes_anywhere(customer: Customer, world: World) -> None:
    """For tests that do not care."""
    world.oauth.register(OAuthClient("free", "s", "acme", frozenset(("MIM",)), (NUMBER,)), customer.modes)
    answer = await customer.page(client_id="free", scope="MIM", redirect_uri="http://a.invalid/b?c=d")
    assert answer.headers["Location"].startswith("http://a.invalid/b?c=d&code=")


async def test_an_unknown_app_has_no_page(customer: Customer) -> None:
    """And nobody is sent anywhere."""
    assert (await customer.page(client_id="stranger")).status == 400


@pytest.mark.parametrize("scope", ["", "SMS", "MIM,SMS"])
async def test_only_a_subscriber_s_scopes_can_be_consented_to(customer: Customer, scope: str) -> None:
    """The way back says so."""
    assert URL((await customer.page(scope=scope)).headers["Location"]).query["error"] == "invalid_scope"


@pytest.mark.parametrize(("comes_back", "state"), [(False, None), (True, "xyz")])
async def test_a_state_may_or_may_not_come_back(customer: Customer, comes_back: bool, state: str | None) -> None:
    """AT&T's kits send none."""
    customer.modes.state_comes_back = comes_back
    assert URL((await customer.page(state="xyz")).headers["Location"]).query.get("state") == state


@pytest.mark.parametrize(
    ("custom", "violations"), [("bypass_onnetwork_auth,suppress_landing_page", 0), ("bypass_everything", 1)]
)
async def test_custom_parameters_are_those_that_att_knows(
    customer: Customer, world: World, custom: str, violations: int
) -> None:
    """Others are noted."""
    await customer.page(custom_param=custom)
    assert len(world.violations.lines()) == violations


async def test_a_code_is_good_once(customer: Customer, world: World) -> None:
    """The second exchange is invalid_grant, and noted."""
    code = await customer.code()
    assert (await customer.token(grant_type="authorization_code", code=code)).status == 200
    again = await customer.token(grant_type="authorization_code", code=code)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    assert ["exchanged again" in line["what"] for line in world.violations.lines()] == [True]


async def test_a_code_lives_for_five_minutes(customer: Customer, clock: ManualClock) -> None:
    """Then it is unknown."""
    code = await customer.code()
    await clock.advance(300)
    assert (await customer.token(grant_type="authorization_code", code=code)).status == 400


@pytest.mark.parametrize(
    "form", [{"code": "nonsense"}, {}, {"redirect_uri": "http://elsewhere.invalid/"}, {"client_id": "other"}]
)
async def test_a_code_is_good_for_its_app_and_its_address(
    customer: Customer, world: World, form: dict[str, str]
) -> None:
    """Nobody else's."""
    world.oauth.register(OAuthClient("other", "secret", "acme", frozenset(("MIM",))), customer.modes)
    code = {"code": await customer.code()} if form else {}
    answer = await customer.token(grant_type="authorization_code", **{**code, **form})
    assert answer.json["error"] == "invalid_grant"


async def test_an_app_alone_has_no_subscriber_s_scopes(customer: Customer) -> None:
    """They need consent."""
    answer = await customer.token(grant_type="client_credentials", scope="MIM")
    assert (answer.status, answer.json["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(("scope", "good", "bad"), [("MIM", "MIM", "IMMN"), ("IMMN", "IMMN", "MIM")])
async def test_scopes_are_enforced_one_by_one(customer: Customer, scope: str, good: str, bad: str) -> None:
    """To send, and to read."""
    token = (await customer.consented(scope=scope))["access_token"]
    assert (await customer.call(token, good)).status == 200
    refused = await customer.call(token, bad)
    assert (refused.status, refused.json["RequestError"]["PolicyException"]["MessageId"]) == (403, "POL0001")


async def test_a_refreshed_token_is_the_same_subscriber_s(customer: Customer) -> None:
    """With the same scopes."""
    customer.modes.consent_as = OTHER
    first = await customer.consented(scope="MIM")
    second = (await customer.token(grant_type="refresh_token", refresh_token=first["refresh_token"])).json
    assert (await customer.call(second["access_token"])).json == {"subscriber": OTHER}
    assert (await customer.call(second["access_token"], "IMMN")).status == 403


@pytest.mark.parametrize(("mode", "status", "code"), [("403", 403, "POL0002"), ("401", 401, "POL0001")])
async def test_a_consent_that_is_withdrawn_ends_every_token_of_it(
    customer: Customer, world: World, mode: str, status: int, code: str
) -> None:
    """Calls and renewals; the other subscriber's tokens stay good."""
    customer.modes.change({"withdrawn_as": mode})
    token, pending = await customer.consented(), await customer.code()
    customer.modes.consent_as = OTHER
    other = await customer.consented()
    world.oauth.withdraw(NUMBER)
    refused = await customer.call(token["access_token"])
    assert (refused.status, refused.json["RequestError"]["PolicyException"]["MessageId"]) == (status, code)
    renewed = await customer.token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert (renewed.status, renewed.json["error"]) == (400, "invalid_grant")
    assert (await customer.token(grant_type="authorization_code", code=pending)).status == 400
    assert (await customer.call(other["access_token"])).status == 200


async def test_after_a_withdrawal_consent_can_be_given_anew(customer: Customer, world: World) -> None:
    """The new token is good, the old one is not."""
    old = await customer.consented()
    world.oauth.withdraw(NUMBER)
    new = await customer.consented()
    assert (await customer.call(new["access_token"])).status == 200
    assert (await customer.call(old["access_token"])).status == 403


@pytest.mark.parametrize(
    ("kind", "access", "refresh"), [("access_token", 401, 200), ("refresh_token", 401, 400)], ids=["access", "refresh"]
)
async def test_a_token_can_be_revoked(customer: Customer, kind: str, access: int, refresh: int) -> None:
    """An access token alone, or a refresh token with its access tokens."""
    token = await customer.consented()
    form = {**APP, "token": token[kind], "token_type_hint": kind}
    assert (await read(customer.http.post("/oauth/v4/revoke", data=form))).status == 200
    assert (await customer.call(token["access_token"])).status == access
    renewed = await customer.token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert renewed.status == refresh


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"token": "unknown", "token_type_hint": "access_token"}, 200, None),
        ({"token": "unknown"}, 400, "invalid_request"),
        ({"token": "unknown", "token_type_hint": "other"}, 400, "unsupported_token_type"),
        ({"token_type_hint": "access_token"}, 400, "invalid_request"),
        ({"client_secret": "wrong", "token": "x", "token_type_hint": "access_token"}, 401, "invalid_client"),
    ],
)
async def test_revoking_is_checked(customer: Customer, form: dict[str, str], status: int, error: str | None) -> None:
    """What is unknown is as good as revoked (RFC 7009)."""
    answer = await read(customer.http.post("/oauth/v4/revoke", data={**APP, **form}))
    assert answer.status == status
    assert (answer.json["error"] if answer.text else None) == error


async def test_somebody_else_s_token_cannot_be_revoked(customer: Customer, world: World) -> None:
    """The answer is the same."""
    world.oauth.register(OAuthClient("other", "secret", "acme", frozenset()), customer.modes)
    token = await customer.consented()
    for kind in ("access_token", "refresh_token"):
        form = {"client_id": "other", "client_secret": "secret", "token": token[kind], "token_type_hint": kind}
        assert (await read(customer.http.post("/oauth/v4/revoke", data=form))).status == 200
    assert (await customer.call(token["access_token"])).status == 200


@pytest.mark.parametrize("operation", ["token", "revoke", "authorize"])
async def test_faults_are_for_the_app_s_service_and_the_subscriber(
    customer: Customer, world: World, operation: str
) -> None:
    """An outage of the token endpoint, for one subscriber of two."""
    token = await customer.consented()
    line = {} if operation == "authorize" else {"line": NUMBER}
    world.faults.add({"do": "html", "status": 503, "match": {"service": "acme", "operation": operation, **line}})
    match operation:
        case "token":
            answer = await customer.token(grant_type="refresh_token", refresh_token=token["refresh_token"])
        case "revoke":
            form = {**APP, "token": token["access_token"], "token_type_hint": "access_token"}
            answer = await read(customer.http.post("/oauth/v4/revoke", data=form))
        case _:
            answer = await customer.page()
    assert answer.status == 503
    assert (await customer.call(token["access_token"])).status == 200


async def test_credentials_in_the_address_are_noted(customer: Customer, world: World) -> None:
    """Addresses are logged."""
    form = {**APP, "grant_type": "refresh_token", "refresh_token": "x"}
    await read(customer.http.post("/oauth/v4/token?client_secret=secret", data=form))
    token = await customer.consented()
    answer = await read(customer.http.get("/api/MIM", params={"access_token": token["access_token"]}))
    assert answer.status == 400
    assert ["address" in line["what"] for line in world.violations.lines()] == [True, True]


def test_an_app_key_has_one_secret_and_one_service(world: World) -> None:
    """Anything else is a mistake of whoever writes the accounts."""
    app = OAuthClient("key", "secret", "acme", frozenset(("MIM",)), (NUMBER,))
    world.oauth.register(app, OAuthModes())
    world.oauth.register(OAuthClient("key", "secret", "acme", frozenset(("IMMN",)), (OTHER,)), OAuthModes())
    both = world.oauth.app("key")
    assert both is not None
    assert (sorted(both.scopes), both.subscribers) == (["IMMN", "MIM"], (NUMBER, OTHER))
    for wrong in (
        OAuthClient("key", "another", "acme", frozenset()),
        OAuthClient("key", "secret", "elsewhere", frozenset()),
    ):
        with pytest.raises(ValueError, match="one app_secret"):
            world.oauth.register(wrong, OAuthModes())

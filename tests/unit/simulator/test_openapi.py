"""The simulator's own OpenAPI description."""

from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import validate

from relay.simulator.app import Simulator
from relay.simulator.openapi import document as document_of
from tests.unit.simulator.people import SmsUser, read


@pytest.fixture
async def document(http: aiohttp.ClientSession) -> Any:
    """As it is served."""
    return (await read(http.get("/_sim/openapi.json"))).json


async def test_it_is_openapi(document: Any) -> None:
    """By the specification's own schema."""
    validate(document)
    assert document["openapi"].startswith("3.0")


@pytest.mark.parametrize(
    "path",
    [
        "/oauth/v4/token",
        "/oauth/v4/authorize",
        "/oauth/v4/revoke",
        "/sms/v3/messaging/outbox",
        "/rest/sms/2/messaging/inbox",
        "/2/smsmessaging/outbound/requests/{sender}/{id}/deliveryInfos",
        "/message/send",
        "/_sim/faults",
        "/_sim/handset",
        "/_sim/ledger",
        "/_sim/violations",
        "/_sim/state",
        "/_sim/health",
        "/_sim/openapi.json",
    ],
)
async def test_every_service_and_the_control_api_are_described(document: Any, path: str) -> None:
    """In one document."""
    assert document["paths"][path]


async def test_every_route_of_the_sms_api_is_described(simulator: Simulator, document: Any) -> None:
    """With each of its methods."""
    routes = [(route.path, route.method.lower()) for route in simulator.services["att-sms"].routes()]
    assert len(routes) == 16
    assert [route for route in routes if route[1] not in document["paths"].get(route[0], {})] == []


async def test_what_needs_a_token_says_so(document: Any, sms: SmsUser) -> None:
    """And answers 400 without one, as described."""
    operation = document["paths"]["/sms/v3/messaging/inbox/{id}"]["get"]
    assert operation["security"] == [{"oauth2": ["SMS"]}]
    answer = await read(sms.http.get("/sms/v3/messaging/inbox/12345", headers={"Content-Type": "application/json"}))
    assert f"{answer.status}" in operation["responses"]


def test_without_services_the_rest_is_described() -> None:
    """A service without a description is left out."""
    paths = document_of(())["paths"]
    assert {path.split("/")[1] for path in paths} == {"oauth", "_sim"}

"""The documented answers of simulated In-App Messaging, held against AT&T's OpenAPI description."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import BASE, InAppUser, received, texted

DESCRIPTION = Path(__file__).parents[2] / "contract" / "provider" / "openapi" / "att-in-app-messaging-v2.yaml"
SEND = {"messageRequest": {"addresses": ["tel:+12065550101"], "text": "hi", "subject": "news"}}
CALLS: list[tuple[str, str, Any, int]] = [
    ("POST", "/messages", SEND, 201),
    ("POST", "/messages", {"messageRequest": {"addresses": []}}, 400),
    ("GET", "/messages?limit=50&offset=0", None, 200),
    ("GET", "/messages/{id}", None, 200),
    ("GET", "/messages/{mms}", None, 200),
    ("GET", "/messages/nothing", None, 404),
    ("PUT", "/messages/{id}", {"message": {"isUnread": False}}, 200),
    ("PUT", "/messages/nothing", {"message": {"isUnread": False}}, 404),
    ("POST", "/messages/index", None, 200),
    ("GET", "/delta?state={state}", None, 200),
    ("GET", "/delta?state=nothing", None, 400),
    ("DELETE", "/messages/{id}", None, 204),
    ("DELETE", "/messages/nothing", None, 404),
]


@pytest.fixture(scope="module")
def description() -> OpenAPI:
    """AT&T's description."""
    return OpenAPI.from_file_path(str(DESCRIPTION))


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
async def test_each_documented_answer_is_as_described(  # noqa: PLR0917 - fixtures are arguments
    simulator: Simulator, inapp: InAppUser, description: OpenAPI, method: str, path: str, body: Any, status: int
) -> None:
    """In its status, its type and its body."""
    simulator.set_modes("att-inapp", {"states": "plain"})
    (first,) = texted(simulator, "one")
    state = await inapp.state()
    (mms,) = received(simulator, text="two", subject="a picture")
    simulator.act("att-inapp", "read", {"id": first})
    called = path.format(id=first, mms=mms, state=state)
    headers = {"Content-Type": "application/json"} if body else {}
    answer = await inapp.call(method, called, data=json.dumps(body) if body else None, headers=headers)
    assert answer.status == status
    where, _, query = called.partition("?")
    asked = MockRequest("https://api.att.com", method.lower(), BASE + where, args=dict(parse_qsl(query)))
    told = MockResponse(answer.text.encode(), status, content_type="application/json")
    description.validate_response(asked, told)


async def test_every_token_that_is_no_good_is_answered_as_described(
    simulator: Simulator, inapp: InAppUser, description: OpenAPI, clock: ManualClock
) -> None:
    """401, for each operation."""
    await clock.advance(172_800)
    for method, path, _, _ in CALLS:
        where = path.partition("?")[0].format(id="one", mms="two")
        answer = await inapp.call(method, where)
        assert answer.status == 401
        asked = MockRequest("https://api.att.com", method.lower(), BASE + where)
        told = MockResponse(answer.text.encode(), 401, content_type="application/json")
        description.validate_response(asked, told)

"""The simulator is what its own OpenAPI description says: schemathesis asks everything, rightly and wrongly.

Looked for: an answer of the class 5xx, a status or a content type that is not described, a body that is not of its
schema. Every operation has a simulator of its own, so that no fault or mode that one sets is met by another.
"""

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from relay.clock import SystemClock
from relay.ids import Ids
from relay.providerkit.simulated import Ledger, World
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.discovery import discover
from relay.simulator.openapi import document
from tests.conftest import LONG

EXAMPLES = 60 if LONG else 4
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
REDIRECT = "http://127.0.0.1:9/back"
APPS = {"att-sms": ("demo-key", "demo-secret"), "att-inapp": ("demo-inapp-key", "demo-inapp-secret")}
SHORT_CODE, SOMEBODY = "12345", "+12065550001"
SESSION = "00000000-0000-0000-0000-000000000000:1"
MODES: Mapping[str, Mapping[str, Any]] = {"att-inapp": {"index_seconds": 0, "appear_seconds": 0}}


def described() -> Any:
    """The description, as schemathesis takes it."""
    clock = SystemClock()
    world = World(clock, Ids(clock), Ledger(clock))
    return schemathesis.openapi.from_dict(document([make(world) for make in discover()]))


OPERATIONS = [found.ok() for found in described().get_all_operations()]


@contextmanager
def running() -> Iterator[Simulator]:
    """A simulator in a thread of its own: schemathesis asks from this one, and waits."""
    simulator = Simulator(SimulatorOptions(seed=7, modes=MODES))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(20)
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Acquaintance:
    """What is known at a simulator: apps, tokens, ids of messages; by the names of the fields that take it.

    Without it nearly everything that is asked ends with "no such id".
    """

    def __init__(self, base_url: str, path: str, scopes: list[str]) -> None:
        self._base_url = base_url
        self.token: str | None = None
        key, secret = APPS["att-inapp" if "IMMN" in scopes or "MIM" in scopes else "att-sms"]
        self.values: dict[str, Any] = {
            "client_id": key,
            "client_secret": secret,
            "redirect_uri": REDIRECT,
            "scope": "SMS",
            "session": SESSION,
            "sender": SHORT_CODE,
            "RegistrationID": SHORT_CODE,
            "id": SHORT_CODE,
            "username": "2065550100",
            "address": [f"tel:{SOMEBODY}"],
            "Address": [f"tel:{SOMEBODY}"],
            "addresses": [f"tel:{SOMEBODY}"],
            "contacts": [SOMEBODY],
            "to": SOMEBODY,
            "password": "demo-password",
            "service": "att-sms",
        }
        if path == "/_sim/handset":
            self.values |= {"to": SHORT_CODE, "from": SOMEBODY}
        if scopes == ["SMS"]:
            self._of_sms(is_inbox="inbox" in path or "inbound" in path)
        elif scopes:
            self._of_in_app()

    def _of_sms(self, *, is_inbox: bool) -> None:
        self.token = self._granted("att-sms", {"grant_type": "client_credentials", "scope": "SMS"})
        if not is_inbox:
            body = {"outboundSMSRequest": {"address": [f"tel:{SOMEBODY}"], "message": "Hello"}}
            self.values["id"] = self._asked("POST", "/sms/v3/messaging/outbox", json=body)["outboundSMSResponse"][
                "messageId"
            ]

    def _of_in_app(self) -> None:
        query = {"client_id": APPS["att-inapp"][0], "scope": "IMMN,MIM", "redirect_uri": REDIRECT}
        page = requests.get(f"{self._base_url}/oauth/v4/authorize", params=query, allow_redirects=False, timeout=10)
        code = page.headers["Location"].partition("code=")[2].partition("&")[0]
        self.token = self._granted("att-inapp", {"grant_type": "authorization_code", "code": code})
        index = self._asked("POST", "/myMessages/v2/messages/index")["messageIndexInfo"]
        mail = {"from": SOMEBODY, "parts": [{"content_type": "image/png", "name": "map.png", "data": "UE5H"}]}
        self._asked("POST", "/_sim/state", json={"service": "att-inapp", "do": "receive", "with": mail})
        (message,) = self._asked("GET", "/myMessages/v2/messages")["messageResultSet"]["messages"]
        shown = self._asked("GET", f"/myMessages/v2/messages/{message['messageId']}")["message"]
        part = shown["mmsContent"][0]["contentUrl"].rpartition("/")[2]
        ids = {"id": message["messageId"], "messageIds": message["messageId"], "messageId": message["messageId"]}
        self.values |= {**ids, "part": part, "state": index["state"]}

    def _granted(self, service: str, grant: Mapping[str, str]) -> str:
        app = dict(zip(("client_id", "client_secret"), APPS[service], strict=True))
        good: str = self._asked("POST", "/oauth/v4/token", data={**app, **grant})["access_token"]
        return good

    def _asked(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        answer = requests.request(method, self._base_url + path, headers=headers, timeout=10, **body)
        assert answer.ok, answer.text
        return answer.json()

    def introduce(self, case: Case[Any], *, known: bool) -> None:
        """Give a request its token; and, where wanted, what is known in place of what was made up."""
        if self.token is not None:
            case.headers["Authorization"] = f"Bearer {self.token}"
        if known:
            for fields in (case.path_parameters, case.query, case.body):
                self._put_into(fields)

    def _put_into(self, fields: Any) -> None:
        if isinstance(fields, dict):
            for name, value in fields.items():
                if name in self.values:
                    fields[name] = self.values[name]
                else:
                    self._put_into(value)
        elif isinstance(fields, list):
            for value in fields:
                self._put_into(value)


def can_be_asked_wrongly(operation: Any) -> bool:
    """Whether a request to it could be other than described: any text in a path is a text."""
    raw = operation.definition.raw
    return "requestBody" in raw or any(one["in"] == "query" for one in raw.get("parameters", ()))


# Of what is known nothing else decides whether these are done: a grant, an action, a kind of file.
CHANCE = re.compile(r"POST /oauth/v4/\w+|GET /oauth/v4/authorize|POST /_sim/state|POST /messaging/send|\w+ /user/\w+")
WAYS = {
    "rightly": (GenerationMode.POSITIVE, False),
    "rightly, of what is known": (GenerationMode.POSITIVE, True),
    "wrongly": (GenerationMode.NEGATIVE, False),
}
ALL = [
    pytest.param(operation, *way, id=f"{operation.label} {how}")
    for operation in OPERATIONS
    for how, way in WAYS.items()
    if how != "wrongly" or can_be_asked_wrongly(operation)
]


@pytest.mark.parametrize(("operation", "mode", "known"), ALL)
def test_an_operation_is_as_described(operation: Any, mode: GenerationMode, known: bool) -> None:
    """Asked as described, of what is there and of what is not; and not as described."""
    scopes = [scope for one in operation.definition.raw.get("security", ()) for scope in one["oauth2"]]
    seen: set[int] = set()
    with running() as simulator, requests.Session() as session:
        acquaintance = Acquaintance(simulator.base_url, operation.path, scopes)

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
        def ask(case: Case[Any]) -> None:
            acquaintance.introduce(case, known=known)
            answer = case.call(base_url=simulator.base_url, session=session, allow_redirects=False, timeout=10)
            case.validate_response(answer, checks=CHECKS)
            seen.add(answer.status_code)

        ask()
    done = any(status < 400 for status in seen)
    assert done or not known or CHANCE.fullmatch(operation.label), seen


def test_every_service_is_described() -> None:
    """Of all that there are."""
    paths = {operation.path for operation in OPERATIONS}
    assert {"/sms/v3/messaging/outbox", "/myMessages/v2/delta", "/message/send", "/_sim/faults"} <= paths

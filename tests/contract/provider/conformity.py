"""Looks at everything that passes between relay and the simulator, and holds it against AT&T's OpenAPI documents.

Every request to an operation that they describe has to be as described, and so has every answer while the simulator
answers as documented. They are taken strictly: a field that they do not name is a deviation as well. Where the wire
facts say that AT&T is different in fact, the deviation is listed in `TOLERATED`, with its section.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml
from aiohttp import web
from aiohttp.typedefs import Middleware
from jsonschema_path import SchemaPath
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.request import V30RequestValidator
from openapi_core.validation.response import V30ResponseValidator
from werkzeug.datastructures import ImmutableMultiDict

from relay.simulator.app import Simulator

HOST = "https://api.att.com"
FOLDER = Path(__file__).with_name("openapi")
DOCUMENTS = {"att-sms": "att-sms-v3.yaml", "att-inapp": "att-in-app-messaging-v2.yaml"}

# Modes in which an answer differs from the documents on purpose, with the value in which it does not.
SHAPING = {
    "shape": "documented",
    "format": "documented",
    "errors": "upper",
    "expires_in_form": "int",
    "oauth_errors": "rfc",
    "single_object": False,
    "empty_counts": False,
    "forgotten": "404",
    "index_answer": "shape",
    "not_ready": "SVC0001",
    "bad_state": "SVC0002",
    "empty_lists": "empty",
    "gone": "404",
    "times": "shape",
    "incoming_as": "bool",
    "withdrawn_as": "403",
}


class Tolerated(NamedTuple):
    """A deviation that is right: where, what, and which section of the wire facts says so."""

    operation: str
    what: str
    section: str


_UNNAMED = r"Additional properties are not allowed \({} unexpected\)"
_NO_SUCH_STATUS = "ResponseNotFound: Unknown response http status: {}"
_ANY = ".*"
TOLERATED = (
    # The token endpoint refuses in RFC 6749's words as well.
    Tolerated(
        "getAccessToken",
        "answer 40[01]: the body: " + _UNNAMED.format("'error', 'error_description' were"),
        "1.5",
    ),
    # A policy's code comes in a PolicyException; the documents' schema has the ServiceException alone.
    Tolerated(_ANY, r"answer 4\d\d: RequestError: " + _UNNAMED.format("'PolicyException' was"), "2.8"),
    # Too many requests, a scope that is not enough, a consent that is withdrawn, a short code that is not polled.
    Tolerated("getInboundSms|getSmsDeliveryStatus", "answer 403: " + _NO_SUCH_STATUS.format(403), "1.5, 2.6, 2.8"),
    Tolerated("getInboundSms|getSmsDeliveryStatus", "answer 429: " + _NO_SUCH_STATUS.format(429), "2.8"),
    Tolerated("listMessages", "answer 403: " + _NO_SUCH_STATUS.format(403), "1.5"),
    # The group flag is called `isGroup` by all clients, and so relay sends both; MMS goes as multipart/related.
    Tolerated("sendMessage", "request: messageRequest: " + _UNNAMED.format("'isGroup' was"), "3.2"),
    Tolerated("sendMessage", "request: MediaTypeNotFound: .*: multipart/related; .*", "3.3"),
    # What an MMS and a part of a long text consist of is in no document.
    Tolerated("getMessage", "answer 200: message: " + _UNNAMED.format("'(mmsContent|typeMetaData)' was"), "3.4"),
    # Without an index a list fails with SVC0001.
    Tolerated("listMessages", "answer 400: " + _NO_SUCH_STATUS.format(400), "3.6"),
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Described:
    """One operation of a document."""

    name: str
    method: str
    pattern: re.Pattern[str]
    with_token: bool
    request: V30RequestValidator
    response: V30ResponseValidator


@cache
def described() -> tuple[Described, ...]:
    """Every operation of both documents; a path without ids goes before one with ids."""
    found = [one for file in DOCUMENTS.values() for one in _operations(file)]
    return tuple(sorted(found, key=lambda one: one.pattern.pattern.count("[^/]")))


def _operations(file: str) -> Iterator[Described]:
    document = yaml.safe_load((FOLDER / file).read_text())
    operations = [
        (path, method, item[method])
        for path, item in document["paths"].items()
        for method in ("get", "post", "put", "delete")
        if method in item
    ]
    # OAuth is no scheme that openapi-core can look at: whether there is a token is looked at here.
    secured = {operation["operationId"]: bool(operation.pop("security", None)) for _, _, operation in operations}
    specification = SchemaPath.from_dict(_without_all_of(document, document))
    request = V30RequestValidator(specification, forbid_unspecified_additional_properties=True)
    response = V30ResponseValidator(specification, forbid_unspecified_additional_properties=True)
    for path, method, operation in operations:
        pattern = re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path))
        name = operation["operationId"]
        yield Described(name, method.upper(), pattern, secured[name], request, response)


def _without_all_of(node: Any, document: Mapping[str, Any]) -> Any:
    """The same schemas with each allOf as one object: looked at strictly, its parts would refuse one another."""
    if isinstance(node, list):
        return [_without_all_of(one, document) for one in node]
    if not isinstance(node, dict):
        return node
    if "allOf" not in node:
        return {name: _without_all_of(value, document) for name, value in node.items()}
    parts = [_resolved(part, document) for part in node["allOf"]]
    properties = {name: value for part in parts for name, value in part["properties"].items()}
    return {"type": "object", "properties": _without_all_of(properties, document)}


def _resolved(part: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/") if "$ref" in part else ():
        found = found[name]
    return found if "$ref" in part else part


class Watch:
    """A middleware for the simulator that looks at what passes.

    Attributes:
        deviations: what it found, one sentence each.
        seen: how often each operation was looked at: requests under its name, answers under `<name> answer`.
    """

    def __init__(self) -> None:
        self.deviations: list[str] = []
        self.seen: Counter[str] = Counter()
        self._simulator: Simulator | None = None

    def attend(self, simulator: Simulator) -> None:
        """Whose modes and faults say whether an answer is as documented."""
        self._simulator = simulator

    def check(self) -> None:
        """Raises AssertionError, with every deviation."""
        if self.deviations:
            raise AssertionError("not as AT&T's OpenAPI documents have it:\n" + "\n".join(sorted(set(self.deviations))))

    @property
    def middleware(self) -> Middleware:
        """For the simulator's options."""

        @web.middleware
        async def look(request: web.Request, handler: Handler) -> web.StreamResponse:
            operation = operation_of(request.method, request.rel_url.raw_path)
            if operation is None:
                return await handler(request)
            asked = await _as_read(request)
            self._look_at_request(operation, asked)
            faults = self._faults()
            answer = await handler(request)
            if faults == self._faults() and self._answers_as_documented(operation):
                self._look_at_answer(operation, asked, answer)
            return answer

        return look

    def _look_at_request(self, operation: Described, asked: MockRequest) -> None:
        self.seen[operation.name] += 1
        for error in operation.request.iter_errors(asked):
            self._note(operation, "request", error)
        token = asked.parameters.header.get("Authorization", "")
        if operation.with_token and not re.fullmatch(r"Bearer [\x21-\x7e]+", token):
            self._say(operation, "request", "there is no bearer token")

    def _look_at_answer(self, operation: Described, asked: MockRequest, answer: web.StreamResponse) -> None:
        self.seen[f"{operation.name} answer"] += 1
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        told = MockResponse(body, answer.status, dict(answer.headers), answer.content_type)
        for error in operation.response.iter_errors(asked, told):
            self._note(operation, f"answer {answer.status}", error)

    def _note(self, operation: Described, what: str, error: BaseException) -> None:
        for detail in _details(error):
            self._say(operation, what, detail)

    def _say(self, operation: Described, what: str, detail: str) -> None:
        said = f"{operation.name} {what}: {detail}"
        if not any(_fits(one, operation.name, f"{what}: {detail}") for one in TOLERATED):
            self.deviations.append(said)

    def _faults(self) -> int:
        lines = self._simulator.world.ledger.lines() if self._simulator else []
        return sum(line["what"] == "fault" for line in lines)

    def _answers_as_documented(self, operation: Described) -> bool:
        services = DOCUMENTS if operation.name == "getAccessToken" else (_service(operation),)
        modes = [self._simulator.modes(name).model_dump() for name in services] if self._simulator else []
        return bool(modes) and all(
            SHAPING[name] == mode[name] for mode in modes for name in SHAPING.keys() & mode.keys()
        )


def _fits(one: Tolerated, operation: str, what: str) -> bool:
    return bool(re.fullmatch(one.operation, operation) and re.fullmatch(one.what, what))


def _service(operation: Described) -> str:
    return "att-inapp" if "myMessages" in operation.pattern.pattern else "att-sms"


def operation_of(method: str, path: str) -> Described | None:
    """The operation that a request makes; None for one that neither document describes."""
    fitting = [one for one in described() if one.pattern.fullmatch(path)]
    return next((one for one in fitting if one.method == method), None)


async def _as_read(request: web.Request) -> MockRequest:
    """The request as openapi-core takes it; its body is put back for whoever reads it next."""
    body = await request._payload.read()
    reader = aiohttp.StreamReader(request.protocol, len(body) + 1)
    reader.feed_data(body)
    reader.feed_eof()
    request._payload = reader
    read = MockRequest(
        HOST,
        request.method,
        request.rel_url.raw_path,
        headers=dict(request.headers),
        data=body,
        content_type=request.headers.get("Content-Type", ""),
    )
    read.parameters.query = ImmutableMultiDict(list(request.query.items()))
    return read


def _details(error: BaseException) -> Iterator[str]:
    """What is wrong, and where; never a value."""
    found = error
    while found.__cause__ is not None:
        found = found.__cause__
    for schema_error in getattr(found, "schema_errors", None) or ():
        place = "/".join(map(str, schema_error.absolute_path))
        yield f"{place or 'the body'}: {_shown(schema_error)}"
    if not getattr(found, "schema_errors", None):
        yield f"{type(found).__name__}: {found}"


def _shown(error: Any) -> str:
    if error.validator in ("properties", "additionalProperties"):
        return str(error.message)  # names only
    return f"{error.validator} {error.validator_value!r} is not kept"

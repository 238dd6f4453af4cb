"""The refusals of api.att.com's services: GSMA's exceptions, in both of the spellings that were seen."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from relay.domain.errors import ErrorCode
from tests.contract.provider.conformance.known import Code, Reply


def refused(
    call: Callable[[Any], Awaitable[Any]], name: str, status: int, error: type[Any], leads_to: ErrorCode, **more: str
) -> list[Code]:
    """A code of the errors page as the answer to a call, in both spellings."""
    kind = "PolicyException" if name.startswith("POL") else "ServiceException"
    told = {"MessageId": name, "Text": more.get("text", "An error has occurred."), "Variables": more.get("about", "")}
    upper = {"RequestError": {kind: told}}
    lower = {"requestError": {kind[0].lower() + kind[1:]: {key[0].lower() + key[1:]: told[key] for key in told}}}
    return [Code(name, call, Reply(status, json.dumps(body).encode()), error, leads_to) for body in (upper, lower)]

"""Words for a service's OpenAPI 3.0 description, so that it reads shorter than the JSON that it makes."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.providerkit.simulated.envelope import TEXTS

Node = dict[str, Any]


def text(**more: Any) -> Node:
    """A string."""
    return {"type": "string", **more}


def array(items: Node, **more: Any) -> Node:
    """A list of these."""
    return {"type": "array", "items": items, **more}


def either(*schemas: Node) -> Node:
    """Any of these."""
    return {"anyOf": list(schemas)}


def object_of(named: Mapping[str, Node] | None = None, /, *, _optional: Sequence[str] = (), **more: Node) -> Node:
    """An object with these fields, all of them required but the optional ones."""
    fields = {**(named or {}), **more}
    required = [name for name in fields if name not in _optional]
    described: Node = {"type": "object", "properties": fields}
    return {**described, "required": required} if required else described


def parameter(name: str, meaning: str, *, where: str = "path", **more: Any) -> Node:
    """A required parameter that is a string; `example` and other words of a schema may follow."""
    return {"name": name, "in": where, "required": True, "description": meaning, "schema": text(minLength=1, **more)}


def body(schema: Node, *, kind: str = "application/json") -> Node:
    """A request's body."""
    return {"required": True, "content": {kind: {"schema": schema}}}


def json_answer(meaning: str, schema: Node | None = None) -> Node:
    """An answer with JSON; without a schema, one that says nothing of its body."""
    return {"description": meaning, "content": {"application/json": {"schema": schema}}} if schema else empty(meaning)


def json_and_xml(meaning: str, schema: Node) -> Node:
    """An answer with JSON of this schema, or the same fields in XML."""
    answer = json_answer(meaning, schema)
    answer["content"]["application/xml"] = {"schema": {}}
    return answer


def empty(meaning: str) -> Node:
    """An answer whose body says nothing."""
    return {"description": meaning}


def error_answer(meaning: str) -> Node:
    """AT&T's envelope, in both spellings."""
    codes = sorted(TEXTS)
    upper = object_of(MessageId=text(enum=codes), Text=text(), Variables=text())
    lower = object_of(messageId=text(enum=codes), text=text(), variables=text())
    upper = object_of(ServiceException=upper, PolicyException=upper, _optional=("ServiceException", "PolicyException"))
    lower = object_of(serviceException=lower, policyException=lower, _optional=("serviceException", "policyException"))
    return json_and_xml(meaning, either(object_of(RequestError=upper), object_of(requestError=lower)))


def operation(
    summary: str, parameters: Sequence[Node], answers: Mapping[str, Node], *, scope: str | None = None
) -> Node:
    """An operation; with `scope`, one that needs an access token with it."""
    described: Node = {"summary": summary, "responses": dict(answers)}
    if parameters:
        described["parameters"] = list(parameters)
    if scope is not None:
        described["security"] = [{"oauth2": [scope]}]
    return described

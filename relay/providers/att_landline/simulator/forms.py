"""A request's fields and files, and what of them the document forbids."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from multidict import MultiDict

from relay.providerkit.simulated import World
from relay.providers.att_landline.formdata import FilePart


@dataclass(frozen=True, slots=True)
class Form:
    """What a request carries: the fields of its query and its form together, and files."""

    fields: MultiDict[str]
    files: Sequence[FilePart] = ()


@dataclass(frozen=True, slots=True)
class Documented:
    """The fields that the document lists for an operation."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()


def _fields(required: str, optional: str = "") -> Documented:
    return Documented(frozenset(required.split()), frozenset(optional.split()))


DOCUMENTED: Mapping[str, Documented] = {
    "send": _fields("session contacts body", "scheduledDate"),
    "mms": _fields("session to", "body"),
    "webhook-add": _fields("session type event url", "method"),
    "webhook-list": _fields("session"),
    "webhook-update": _fields("session webhookId", "url method"),
    "webhook-delete": _fields("session webhookId"),
    "attachments": _fields("session messageId"),
    "content": _fields("session storageKey"),
    "login": _fields("username password"),
    "logout": _fields("session"),
}
"""By operation."""

_FORM = "application/x-www-form-urlencoded"
_SECRETS = ("session", "password")
_REPEATABLE = ("contacts",)
_NAMED_LIKE_A_FIELD = re.compile(r"[A-Za-z]{1,20}")


async def read_form(request: web.Request) -> Form:
    """All that the request carries; raises HTTPBadRequest, HTTPRequestEntityTooLarge."""
    fields, files = MultiDict(request.query), []
    try:
        form = await request.post()
    except (ValueError, BadHttpMessage) as error:
        raise web.HTTPBadRequest from error
    for name, value in form.items():
        if isinstance(value, str):
            fields.add(name, value)
        elif isinstance(value, web.FileField):
            value.file.seek(0)
            files.append(FilePart(name, value.filename, value.content_type, value.file.read()))
    return Form(fields, files)


def check_form(world: World, operation: str, request: web.Request, form: Form) -> None:
    """Record what the document forbids, or what tells everybody a secret that need not be told."""
    for what in _found(operation, request, form):
        world.violations.record("att-landline", operation, what)


def _found(operation: str, request: web.Request, form: Form) -> list[str]:
    documented, names = DOCUMENTED[operation], set(form.fields)
    known = documented.required | documented.optional
    found = [f"no {name}; right is to send it" for name in sorted(documented.required - names)]
    found += [
        f"the field {_shown(name)}; right is none but {', '.join(sorted(known))}" for name in sorted(names - known)
    ]
    found += [
        f"{name} {len(form.fields.getall(name))} times; right is once"
        for name in sorted(names & known)
        if name not in _REPEATABLE and len(form.fields.getall(name)) > 1
    ]
    if operation == "mms":
        in_form = sorted(name for name in names & known if name not in request.query)
        return found + [f"{name} in the form; right is the query" for name in in_form]
    found += [f"{name} in the query; right is the body of a POST" for name in _SECRETS if name in request.query]
    if form.files:
        found.append("a file; right is none")
    if request.method == "POST" and request.content_type != _FORM and request.body_exists:
        found.append(f"a body that is no form; right is {_FORM}")
    return found


def _shown(name: str) -> str:
    return name if _NAMED_LIKE_A_FIELD.fullmatch(name) else "(odd name)"

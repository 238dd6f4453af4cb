"""AT&T's OAuth in OpenAPI 3, as the simulator serves it."""

from collections.abc import Mapping
from typing import Any

from relay.providerkit.simulated.describing import body, either, error_answer, json_answer, object_of, operation, text

_FORM = "application/x-www-form-urlencoded"
_GRANTS = ["client_credentials", "authorization_code", "refresh_token"]
_APP = {"client_id": text(), "client_secret": text()}


def paths() -> Mapping[str, Any]:
    """OpenAPI's `paths`."""
    return {
        "/oauth/v4/token": {"post": _form("Get Access Token", _token_form(), json_answer("a token", _token()))},
        "/oauth/v4/revoke": {"post": _form("Revoke Token", _revoke_form(), {"description": "it is no longer good"})},
        "/oauth/v4/authorize": {"get": _authorize(), "post": _decide()},
    }


def _form(summary: str, schema: dict[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    answers = {"200": done, "400": _refused("the form is wrong"), "401": _refused("the app or its secret is unknown")}
    return {**operation(summary, (), answers), "requestBody": body(schema, kind=_FORM)}


def _token_form() -> dict[str, Any]:
    more = {name: text() for name in ("scope", "code", "refresh_token", "redirect_uri")}
    return object_of({**_APP, **more}, grant_type=text(enum=_GRANTS), _optional=tuple(more))


def _revoke_form() -> dict[str, Any]:
    return object_of(_APP, token=text(), token_type_hint=text(enum=["access_token", "refresh_token"]))


def _token() -> dict[str, Any]:
    life = either({"type": "integer", "minimum": 0}, text(pattern="^[0-9]+$"))
    fields = {"access_token": text(), "token_type": text(), "expires_in": life, "refresh_token": text()}
    return object_of(fields, _optional=("refresh_token",))


def _refused(meaning: str) -> dict[str, Any]:
    answer = error_answer(meaning)
    envelope = answer["content"]["application/json"]["schema"]
    return json_answer(meaning, either(object_of(error=text(), error_description=text()), envelope))


_ASKED = ("client_id", "scope", "redirect_uri", "custom_param", "state")


def _authorize() -> dict[str, Any]:
    asked = [{"name": name, "in": "query", "required": name in _ASKED[:2], "schema": text()} for name in _ASKED]
    return operation("Obtain consent", asked, {"200": _page("the consent page"), **_ANSWERS})


def _decide() -> dict[str, Any]:
    fields = {name: text() for name in _ASKED}
    schema = object_of(fields, decision=text(enum=["give", "refuse"]), _optional=_ASKED[2:])
    return {**operation("Press a button of the consent page", (), _ANSWERS), "requestBody": body(schema, kind=_FORM)}


def _page(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"text/html": {"schema": text()}}}


_ANSWERS = {"302": {"description": "back to the app"}, "400": _page("there is no app to go back to")}

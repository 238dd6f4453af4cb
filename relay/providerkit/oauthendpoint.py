"""A grant -> a token: the provider's token endpoint, OAuth 2.0 as AT&T speaks it.

Source: SMS documentation, OAuth; OpenAPI of SMS v3, getAccessToken. Tokens are opaque, the scheme's case does not
matter, `expires_in` may be text, and 0 stands for a token that does not expire.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from relay.clock import Clock
from relay.domain.errors import (
    ErrorCode,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    ProviderDetail,
    Refused,
    TryLater,
)
from relay.ids import Ids
from relay.providerkit.envelope import complaint, said
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.outcome import judge
from relay.providerkit.parse import Unreadable, as_id, as_int, as_object, understood

TOKEN_PATH = "/oauth/v4/token"  # noqa: S105 - a path, and no secret
REVOKE_PATH = "/oauth/v4/revoke"
AUTHORIZE_PATH = "/oauth/v4/authorize"

_USUAL_LIFE = 172_800  # seconds, where the answer names none (OpenAPI of SMS v3, TokenResponse)
_RENEW_AT = 0.8  # of its life
_JITTER = 0.1
_LONGEST_LIFE = 10 * 365 * 86_400
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,8192}")
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_SECRET_FIELDS = ("code", "refresh_token", "token")
_BAD_REQUEST, _NOT_FOUND = 400, 404


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """The application as the provider knows it. `scope` is as AT&T wants it spelled, comma-separated."""

    client_id: str
    client_secret: SecretStr
    scope: str


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, with what renews it. Without `renew_at` and `expires_at` it does not expire.

    `since`: when a subscriber agreed to it; `renewable_until`: how long its refresh token is good. `ended` is set in
    place of the tokens once there is no consent any more, and says why. `shown_by`: the node that shows the refresh
    token to the provider and has not said yet what came of it: it may be void.
    """

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    renew_at: datetime | None = None
    expires_at: datetime | None = None
    since: datetime | None = None
    renewable_until: datetime | None = None
    ended: str | None = None
    shown_by: str | None = None


class OAuthEndpoint:
    """The token endpoint, asked in the name of one app.

    Args:
        http: to its host.
        app: who asks; its credentials travel in the body.
        clock: measures a token's life.
        ids: spreads the renewals of many lines.
    """

    def __init__(self, http: Http, app: OAuthApp, *, clock: Clock, ids: Ids) -> None:
        self._http = http
        self._app = app
        self._clock = clock
        self._ids = ids

    async def exchange(self, form: Mapping[str, str]) -> Token:
        """The token that the grant in `form` gives.

        The scope goes with every grant (OpenAPI of SMS v3, TokenRequest: required).

        Raises:
            Refused: 400; the grant is not taken.
            NotAuthorized: the provider refuses the app.
            TryLater: the endpoint cannot be reached or does not answer sensibly. A token that was made and not
                received harms nobody; a refresh token that was replaced by it may be void.
        """
        answer = await self._post(TOKEN_PATH, {**form, "scope": self._app.scope})
        detail = said(answer, complaint(answer)) or ProviderDetail(http=answer.status)
        if answer.status == _BAD_REQUEST:
            raise Refused(refusal(detail))
        # A missing token endpoint is a wrong address or a gateway that has lost its way: nothing about the credentials.
        judge(answer, effect=answer.status == _NOT_FOUND, now=self._clock.now(), said=detail)
        try:
            return understood(answer.body, "a token answer", self._read)
        except Malformed as error:
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, error.problem.detail)) from None

    async def revoke(self, token: Token) -> None:
        """Give a token back; with its refresh token its access token ends too. One that is void already is fine.

        Raises:
            TryLater: the provider did not hear.
            NotAuthorized: the provider refuses the app.
        """
        hint = "refresh_token" if token.refresh else "access_token"
        answer = await self._post(REVOKE_PATH, {"token": token.refresh or token.access, "token_type_hint": hint})
        if answer.status != _BAD_REQUEST or answer.is_page:
            detail = said(answer, complaint(answer))
            judge(answer, effect=answer.status == _NOT_FOUND, now=self._clock.now(), said=detail)

    async def _post(self, path: str, form: Mapping[str, str]) -> HttpAnswer:
        secret = self._app.client_secret.get_secret_value()
        body = urlencode({"client_id": self._app.client_id, "client_secret": secret, **form})
        hidden = (secret, *(form[name] for name in _SECRET_FIELDS if name in form))
        try:
            return await self._http.call("POST", path, headers=_FORM, body=body.encode(), hidden=hidden)
        except OutcomeUnknown as error:
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, f"token endpoint: {error.problem.detail}")) from None

    def _read(self, value: Any) -> Token:
        answer = as_object(value, "the body")
        access = as_id(answer.get("access_token")) or ""
        if not _PRINTABLE.fullmatch(access):
            raise Unreadable("access_token must be printable ASCII")
        refresh = as_id(answer.get("refresh_token"))
        named = answer.get("expires_in")
        life = _USUAL_LIFE if named is None or named == "" else as_int(named, "expires_in")
        if life <= 0:
            return Token(access, refresh)
        now, life = self._clock.now(), min(life, _LONGEST_LIFE)
        renew_in = self._ids.jitter(life * _RENEW_AT, _JITTER)
        return Token(access, refresh, now + timedelta(seconds=renew_in), now + timedelta(seconds=life))


def refusal(detail: ProviderDetail | None) -> Problem:
    """The problem of an app that is not let in."""
    return Problem(ErrorCode.UNAUTHORIZED, "the provider refuses the app key, the app secret or the scope", detail)


def refused_app(error: Refused | NotAuthorized) -> NotAuthorized:
    """A refusal that is about the app, as the error that parks the line."""
    return error if isinstance(error, NotAuthorized) else NotAuthorized(refusal(error.problem.provider))

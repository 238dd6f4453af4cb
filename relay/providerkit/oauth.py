"""Credentials -> an access token that is good now: OAuth 2.0 as AT&T speaks it, one request for many callers.

Source: SMS documentation, OAuth; OpenAPI of SMS v3, getAccessToken. Tokens are opaque, the scheme's case does not
matter, `expires_in` may be text, and 0 stands for a token that does not expire.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import structlog
from pydantic import SecretStr
from pydantic_core import to_json

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
from relay.providerkit.parse import Unreadable, as_id, as_int, as_object, as_time, understood
from relay.providerkit.spec import ProviderState

log = structlog.get_logger()

_KEY = "oauth.token"
_PATH = "/oauth/v4/token"
_USUAL_LIFE = 172_800  # seconds, where the answer names none (OpenAPI of SMS v3, TokenResponse)
_RENEW_AT = 0.8  # of its life
_JITTER = 0.1
_RENEW_AGAIN = 60.0  # seconds until another early renewal after one that failed
_LONGEST_LIFE = 10 * 365 * 86_400
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """The application as the provider knows it. `scope` is as AT&T wants it spelled, comma-separated."""

    client_id: str
    client_secret: SecretStr
    scope: str


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, with what renews it. Without `renew_at` and `expires_at` it does not expire."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    renew_at: datetime | None = None
    expires_at: datetime | None = None


class TokenSource:
    """A line's access token: fetched when first wanted, renewed early, and kept over restarts.

    Args:
        http: to the host of the token endpoint.
        app: whose token it is; a kept token of another app, secret or scope is not used.
        state: where the token is kept.
        clock: measures its life.
        ids: spreads the renewals of many lines.
        anew: the form fields that get a token without a refresh token, `{"grant_type": "client_credentials"}`; None
            where only a person can give consent again, so that a refused refresh ends in `consent_required`.
    """

    def __init__(
        self,
        http: Http,
        app: OAuthApp,
        *,
        state: ProviderState,
        clock: Clock,
        ids: Ids,
        anew: Mapping[str, str] | None,
    ) -> None:
        self._http = http
        self._app = app
        self._state = state
        self._clock = clock
        self._ids = ids
        self._anew = anew
        self._token: Token | None = None
        self._loaded = False
        self._flight: asyncio.Task[Token] | None = None

    async def token(self) -> str:
        """An access token that is good now, as far as can be known.

        Raises:
            NotAuthorized: the provider refuses the credentials, or consent has to be given again.
            TryLater: the token endpoint cannot be reached or does not answer sensibly.
        """
        token = self._token
        if token is None or self._is_due(token):
            token = await self._together()
        return token.access

    def invalidate(self, used: str) -> None:
        """`used` was refused (401): get another one, unless another caller has already."""
        if self._token is not None and self._token.access == used:
            now = self._clock.now()
            self._token = Token("", self._token.refresh, now, now)

    async def authorized(self, call: Callable[[Mapping[str, str]], Awaitable[HttpAnswer]]) -> HttpAnswer:
        """What `call` answers when given the Authorization header; a 401 gets a new token and one repeat.

        The gateway refuses before anything is done, so that the repeat is safe for every request.
        """
        used = await self.token()
        answer = await call(_bearer(used))
        if answer.status != 401:  # noqa: PLR2004 - HTTP's own number
            return answer
        self.invalidate(used)
        return await call(_bearer(await self.token()))

    async def anew(self) -> Token:
        """Get a token with the app's credentials alone, and keep it. Raises as `token` does."""
        if self._anew is None:
            raise NotAuthorized(Problem(ErrorCode.CONSENT_REQUIRED, "consent has to be given again"))
        try:
            return await self.exchange({**self._anew, "scope": self._app.scope})
        except Refused as error:
            raise NotAuthorized(_refusal(error.problem.provider)) from None

    async def exchange(self, form: Mapping[str, str]) -> Token:
        """Get a token by the grant in `form`, and keep it. Raises as `token` does, and Refused for a 400."""
        body = urlencode(
            {"client_id": self._app.client_id, "client_secret": self._app.client_secret.get_secret_value(), **form}
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            answer = await self._http.call("POST", _PATH, headers=headers, body=body.encode())
        except OutcomeUnknown as error:
            # A token that was made and not received harms nobody.
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, f"token endpoint: {error.problem.detail}")) from None
        return await self._keep(self._granted(answer))

    async def aclose(self) -> None:
        """Give up a request that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def _is_due(self, token: Token) -> bool:
        return token.renew_at is not None and self._clock.now() >= token.renew_at

    async def _together(self) -> Token:
        # A task of its own: the caller that began it may be cancelled, and the others still want the token.
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._current(), name="oauth")
            self._flight.add_done_callback(_retrieved)
        return await asyncio.shield(self._flight)

    async def _current(self) -> Token:
        if not self._loaded:
            self._token = self._token or await self._load()
            self._loaded = True
        token = self._token
        if token is not None and not self._is_due(token):
            return token
        try:
            return await self._renewed(token)
        except (TryLater, NotAuthorized) as error:
            now = self._clock.now()
            if token is None or token.expires_at is None or now >= token.expires_at:
                raise
            log.warning("oauth.renewal.failed", code=error.problem.code.value, expires_at=_iso(token.expires_at))
            self._token = Token(token.access, token.refresh, now + timedelta(seconds=_RENEW_AGAIN), token.expires_at)
            return self._token

    async def _renewed(self, token: Token | None) -> Token:
        if token is not None and token.refresh:
            try:
                return await self.exchange({"grant_type": "refresh_token", "refresh_token": token.refresh})
            except (Refused, NotAuthorized) as error:
                log.info("oauth.refresh.refused", code=error.problem.code.value)
                self._token = replace(token, refresh=None)
        return await self.anew()

    def _granted(self, answer: HttpAnswer) -> Token:
        detail = said(answer, complaint(answer))
        if answer.status == 400:  # noqa: PLR2004 - HTTP's own number
            raise Refused(_refusal(detail or ProviderDetail(http=400)))
        # A missing token endpoint is a wrong address or a gateway that has lost its way: nothing about the credentials.
        judge(answer, effect=answer.status == 404, now=self._clock.now(), said=detail)  # noqa: PLR2004 - as above
        try:
            return understood(answer.body, "a token answer", self._read)
        except Malformed as error:
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, error.problem.detail)) from None

    def _read(self, value: Any) -> Token:
        answer = as_object(value, "the body")
        access = as_id(answer.get("access_token")) or ""
        if not _PRINTABLE.fullmatch(access):
            raise Unreadable("access_token must be printable ASCII")
        refresh = as_id(answer.get("refresh_token")) or (self._token.refresh if self._token else None)
        named = answer.get("expires_in")
        life = _USUAL_LIFE if named is None or named == "" else as_int(named, "expires_in")
        if life <= 0:
            return Token(access, refresh)
        now, life = self._clock.now(), min(life, _LONGEST_LIFE)
        renew_in = self._ids.jitter(life * _RENEW_AT, _JITTER)
        return Token(access, refresh, now + timedelta(seconds=renew_in), now + timedelta(seconds=life))

    async def _keep(self, token: Token) -> Token:
        kept = {"app": self._fingerprint(), "access": token.access, "refresh": token.refresh}
        times = {"renew_at": _iso(token.renew_at), "expires_at": _iso(token.expires_at)}
        # It is good whether or not it can be kept; the next caller need not ask for another one.
        self._token, self._loaded = token, True
        await self._state.put(_KEY, to_json({**kept, **times}))
        log.debug("oauth.token.kept", expires_at=times["expires_at"])
        return token

    async def _load(self) -> Token | None:
        kept = await self._state.get(_KEY)
        try:
            return understood(kept, "the kept token", self._recalled) if kept else None
        except Malformed:
            log.warning("oauth.token.unreadable")
            return None

    def _recalled(self, value: Any) -> Token | None:
        kept = as_object(value, "the token")
        if kept.get("app") != self._fingerprint() or not as_id(kept.get("access")):
            return None
        renew_at, expires_at = as_time(kept.get("renew_at")), as_time(kept.get("expires_at"))
        return Token(str(kept["access"]), as_id(kept.get("refresh")), renew_at, expires_at)

    def _fingerprint(self) -> str:
        app = self._app
        parts = (app.client_id, app.client_secret.get_secret_value(), app.scope)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _refusal(detail: ProviderDetail | None) -> Problem:
    return Problem(ErrorCode.UNAUTHORIZED, "the provider refuses the app key, the app secret or the scope", detail)


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _retrieved(flight: "asyncio.Task[Token]") -> None:
    # Its callers may all have been cancelled; then nobody else looks at how it ended.
    if not flight.cancelled():
        flight.exception()

"""Credentials -> an access token that is good now: one request for many callers, renewed early, kept over restarts."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic_core import to_json

from relay.boundaries import Boundary, reached
from relay.clock import Clock
from relay.domain.errors import ConsentRequired, Malformed, NotAuthorized, Refused, TryLater
from relay.ids import Ids
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauthendpoint import OAuthApp, OAuthEndpoint, Token, refused_app
from relay.providerkit.parse import as_id, as_object, as_time, understood
from relay.providerkit.spec import ProviderState

__all__ = ["OAuthApp", "Token", "TokenSource"]

log = structlog.get_logger()

_KEY = "oauth.token"
_RENEW_AGAIN = 60.0  # seconds until another early renewal after one that failed
_UNAUTHORIZED = 401


class TokenSource:
    """A line's access token: fetched when first wanted, renewed early, and kept over restarts.

    Args:
        http: to the host of the token endpoint.
        app: whose token it is; a kept token of another app, secret or scope is not used.
        state: where the token is kept.
        clock: measures its life.
        ids: spreads the renewals of many lines.
        anew: the form fields that get a token without a refresh token, `{"grant_type": "client_credentials"}`.
    """

    def __init__(
        self,
        http: Http,
        app: OAuthApp,
        *,
        state: ProviderState,
        clock: Clock,
        ids: Ids,
        anew: Mapping[str, str],
    ) -> None:
        self._app = app
        self._endpoint = OAuthEndpoint(http, app, clock=clock, ids=ids)
        self._state = state
        self._clock = clock
        self._anew = anew
        self._token: Token | None = None
        self._loaded = False
        self._is_unkept = False
        self._changing = asyncio.Lock()
        self._flight: asyncio.Task[Token] | None = None

    async def token(self) -> str:
        """An access token that is good now, as far as can be known.

        Raises:
            NotAuthorized: the provider refuses the credentials, or consent has to be given again.
            TryLater: the token endpoint cannot be reached or does not answer sensibly.
        """
        token = self._token
        if token is None or self._is_unkept or self._is_due(token):
            token = await self._together()
        return token.access

    def invalidate(self, used: str) -> None:
        """`used` was refused (401): get another one, unless another caller has already."""
        if self._token is not None and self._token.access == used:
            now = self._clock.now()
            self._token = replace(self._token, access="", renew_at=now, expires_at=now)

    async def authorized(self, call: Callable[[Mapping[str, str]], Awaitable[HttpAnswer]]) -> HttpAnswer:
        """What `call` answers when given the Authorization header; a 401 gets a new token and one repeat.

        The gateway refuses before anything is done, so that the repeat is safe for every request.
        """
        used = await self.token()
        answer = await call(bearer(used))
        if answer.status == _UNAUTHORIZED:
            self.invalidate(used)
            used = await self.token()
            answer = await call(bearer(used))
        await self._look_at(answer, used)
        return answer

    async def anew(self) -> Token:
        """Get a token with the app's credentials alone, and keep it. Raises as `token` does."""
        try:
            return await self._keep(await self._endpoint.exchange(self._anew))
        except Refused as error:
            raise refused_app(error) from None

    async def aclose(self) -> None:
        """Give up a request that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    async def _look_at(self, answer: HttpAnswer, used: str) -> None:
        """See what an API's answer to a call with the token `used` says about the token."""

    async def _renewed(self, token: Token | None) -> Token:
        """A token in place of one that is due, or of none; kept."""
        if token is not None and token.refresh:
            try:
                return await self._refreshed(token, token.refresh)
            except (Refused, NotAuthorized) as error:
                log.info("oauth.refresh.refused", code=error.problem.code.value)
                self._token = replace(token, refresh=None)
        return await self.anew()

    async def _refreshed(self, token: Token, refresh: str) -> Token:
        fresh = await self._endpoint.exchange({"grant_type": "refresh_token", "refresh_token": refresh})
        return await self._keep(self._inherited(token, fresh))

    def _inherited(self, before: Token, fresh: Token) -> Token:
        # Whether a refresh token is replaced is up to the provider: one that is not named stays good.
        return replace(fresh, refresh=fresh.refresh or before.refresh)

    def _is_due(self, token: Token) -> bool:
        return token.renew_at is not None and self._clock.now() >= token.renew_at

    async def _together(self) -> Token:
        # A task of its own: the caller that began it may be cancelled, and the others still want the token.
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._current(), name="oauth")
            self._flight.add_done_callback(_retrieved)
        return await asyncio.shield(self._flight)

    async def _current(self) -> Token:
        async with self._changing:
            token = await self._known()
            if token is not None and self._is_unkept:
                await self._keep(token)
            if token is not None and not self._is_due(token):
                return token
            try:
                return await self._renewed(token)
            except ConsentRequired:
                raise
            except (TryLater, NotAuthorized) as error:
                now = self._clock.now()
                if token is None or token.expires_at is None or now >= token.expires_at:
                    raise
                log.warning("oauth.renewal.failed", code=error.problem.code.value, expires_at=_iso(token.expires_at))
                self._token = replace(self._token or token, renew_at=now + timedelta(seconds=_RENEW_AGAIN))
                return self._token

    async def _known(self) -> Token | None:
        """The token in use, or else the kept one."""
        if not self._loaded:
            self._token = self._token or await self._load()
            self._loaded = True
        return self._token

    async def _keep(self, token: Token) -> Token:
        # It is good whether or not it can be kept: the next caller need not ask for another one, and tries to keep it.
        self._token, self._loaded, self._is_unkept = token, True, True
        # One record: a refresh token and the access token beside it are never of two answers.
        names = ("renew_at", "expires_at", "since", "renewable_until")
        times = {name: _iso(getattr(token, name)) for name in names}
        reached(Boundary.TOKEN_FETCHED)
        kept = {"app": self._fingerprint(), "access": token.access, "refresh": token.refresh, "ended": token.ended}
        await self._state.put(_KEY, to_json({**kept, **times}))
        self._is_unkept = False
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
        access, ended = as_id(kept.get("access")), as_id(kept.get("ended"))
        if kept.get("app") != self._fingerprint() or not (access or ended):
            return None
        return Token(
            access or "",
            as_id(kept.get("refresh")),
            renew_at=as_time(kept.get("renew_at")),
            expires_at=as_time(kept.get("expires_at")),
            since=as_time(kept.get("since")),
            renewable_until=as_time(kept.get("renewable_until")),
            ended=ended,
        )

    def _fingerprint(self) -> str:
        app = self._app
        return fingerprint(app.client_id, app.client_secret.get_secret_value(), app.scope)


def bearer(token: str) -> Mapping[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def fingerprint(*parts: str) -> str:
    """A text by which a kept token is recognised as one of these."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _retrieved(flight: "asyncio.Task[Token]") -> None:
    # Its callers may all have been cancelled; then nobody else looks at how it ended.
    if not flight.cancelled():
        flight.exception()

"""Credentials -> an access token that is good now: one request for many callers, renewed early, kept over restarts.

Nodes that share a journal share the token: one of them gets it, in its turn, and the others use what it has kept.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from relay.boundaries import Boundary, reached
from relay.clock import Clock
from relay.domain.errors import ConsentRequired, NotAuthorized, Refused, TryLater
from relay.ids import Ids
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauthendpoint import OAuthApp, OAuthEndpoint, Token, refused_app
from relay.providerkit.oauthkept import KeptToken, Yields
from relay.providerkit.sharing import Alone, Sharing
from relay.providerkit.spec import ProviderState

__all__ = ["OAuthApp", "Token", "TokenSource"]

log = structlog.get_logger()

_TURN = "token"
_RENEW_AGAIN = 60.0  # seconds until another early renewal after one that failed, or that another node is at
_TO_KEEP = 5.0  # real seconds to keep what was answered
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
        sharing: how the token is shared with other nodes; None: there are none.
    """

    def __init__(  # noqa: PLR0913 - what a line has, by name
        self,
        http: Http,
        app: OAuthApp,
        *,
        state: ProviderState,
        clock: Clock,
        ids: Ids,
        anew: Mapping[str, str],
        sharing: Sharing | None = None,
    ) -> None:
        self._app = app
        self._endpoint = OAuthEndpoint(http, app, clock=clock, ids=ids)
        self._sharing: Sharing = sharing or Alone(state)
        self._kept = KeptToken(self._sharing, self._fingerprint)
        # Longer than the one request that a turn is for: a node that dies in it holds the others up for no longer.
        self._turn_seconds = 2 * http.timeout_seconds + _TO_KEEP
        self._clock = clock
        self._anew = anew
        self._token: Token | None = None
        self._refused = ""  # the access token that was refused last
        self._loaded = False
        self._unkept: Yields | None = None  # to what the token in use, which is not kept yet, gives way
        self._changing = asyncio.Lock()
        self._flight: asyncio.Task[Token] | None = None

    async def token(self) -> str:
        """An access token that is good now, as far as can be known.

        Raises:
            NotAuthorized: the provider refuses the credentials, or consent has to be given again.
            TryLater: the token endpoint cannot be reached or does not answer sensibly.
        """
        token = self._token
        if token is None or self._unkept or self._is_due(token) or self._sharing.has_news():
            token = await self._together()
        return token.access

    @property
    def expires_at(self) -> datetime | None:
        """When the access token in use expires; None where there is none, or it does not."""
        return self._token.expires_at if self._token is not None and self._token.access else None

    def invalidate(self, used: str) -> None:
        """`used` was refused (401): get another one, unless another caller has already."""
        if self._token is not None and self._token.access == used:
            self._refused = used
            self._token = self._unusable(self._token)

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

    def _refuse_unasked(self, token: Token | None) -> None:
        """Raise where no request can bring a token in place of this one."""

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

    def _is_spent(self, token: Token | None) -> bool:
        """Whether there is no access token that is still good."""
        return token is None or not token.access or token.expires_at is None or self._clock.now() >= token.expires_at

    async def _together(self) -> Token:
        # A task of its own: the caller that began it may be cancelled, and the others still want the token.
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._current(), name="oauth")
            self._flight.add_done_callback(_retrieved)
        return await asyncio.shield(self._flight)

    async def _current(self) -> Token:
        async with self._changing:
            token = await self._known()
            if token is not None and self._unkept:
                token = await self._keep(token, self._unkept)
            if token is not None and not self._is_due(token):
                return token
            self._refuse_unasked(token)
            try:
                return await self._in_turn(token)
            except ConsentRequired:
                raise
            except (TryLater, NotAuthorized) as error:
                if token is None or self._is_spent(token):
                    raise
                log.warning("oauth.renewal.failed", code=error.problem.code.value, expires_at=_iso(token.expires_at))
                return self._postponed(self._token or token)

    async def _in_turn(self, token: Token | None) -> Token:
        """A token in place of one that is due: another node's, where one has got it meanwhile."""
        is_spent = self._is_spent(token)
        async with self._sharing.turn(_TURN, self._turn_seconds, patient=is_spent) as is_mine:
            if token is not None and not is_mine:
                return self._postponed(token)
            token = await self._known()
            if token is not None and not self._is_due(token):
                return token
            self._refuse_unasked(token)
            return await self._renewed(token)

    def _postponed(self, token: Token) -> Token:
        self._token = replace(token, renew_at=self._clock.now() + timedelta(seconds=_RENEW_AGAIN))
        return self._token

    async def _known(self) -> Token | None:
        """The token in use, or else the kept one; what another node has kept meanwhile takes its place."""
        if not self._loaded:
            self._token = self._token or await self._kept.read()
            self._loaded = True
        elif self._sharing.is_shared and not self._unkept:
            # Where nobody can say what other nodes have kept, the one in use is as good as it was.
            with suppress(TryLater):
                self._take_up(await self._kept.news())
        return self._token

    def _take_up(self, fresh: Token | None) -> None:
        if fresh is not None:
            self._token = self._unusable(fresh) if fresh.access and fresh.access == self._refused else fresh

    def _unusable(self, token: Token) -> Token:
        now = self._clock.now()
        return replace(token, access="", renew_at=now, expires_at=now)

    async def _keep(self, token: Token, yields: Yields | None = None) -> Token:
        """Keep a token that was got, and use it; gives the one that is kept then."""
        yields = yields or self._is_better
        # It is good whether or not it can be kept: the next caller need not ask for another one, and tries to keep it.
        self._token, self._loaded, self._unkept = token, True, yields
        reached(Boundary.TOKEN_FETCHED)
        self._token = await self._kept.keep(token, yields)
        self._unkept, self._refused = None, ""
        self._sharing.tell()
        log.debug("oauth.token.kept", expires_at=_iso(self._token.expires_at))
        return self._token

    def _is_better(self, other: Token) -> bool:
        """Whether what another node has kept meanwhile is used in place of a token that was got."""
        return bool(other.access) and other.access != self._refused and not self._is_due(other)

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

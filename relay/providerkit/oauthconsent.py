"""A subscriber's agreement -> an access token that is good now, for as long as the agreement lasts.

Its end is written down, whoever tells of it: a refresh that is refused, an answer that says so, an operator. From
then on every caller gets `ConsentRequired`, and nobody is asked, until the subscriber agrees again.

A crash between the provider's answer to a refresh and the record of it leaves the former pair on disk. Where the
provider had replaced the refresh token, the subscriber has to agree again: nothing on this side can prevent that.

Of several nodes one refreshes, in its turn, and says so in the record before it asks. Should it be paused beyond its
turn, its refresh token may be void and its successor in its hands alone: the others then live on the access token for
as long as that is good, and what it keeps when it is back stands over their finding that the refresh token was void.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import structlog

from relay.clock import Clock
from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    NotAuthorized,
    Problem,
    ProviderDetail,
    Refused,
    TryLater,
)
from relay.ids import Ids
from relay.providerkit.envelope import complaint, said
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauth import TokenSource, fingerprint
from relay.providerkit.oauthendpoint import AUTHORIZE_PATH, OAuthApp, Token, refused_app
from relay.providerkit.sharing import Sharing
from relay.providerkit.spec import ConsentStanding, ProviderState

log = structlog.get_logger()

NEVER_GIVEN, REFUSED, WITHDRAWN, EXPIRED, REVOKED = "never_given", "refused", "withdrawn", "expired", "revoked"
_DETAILS = {
    NEVER_GIVEN: "the subscriber has not agreed yet",
    REFUSED: "the provider refused to renew the subscriber's consent",
    WITHDRAWN: "the subscriber's consent was withdrawn",
    EXPIRED: "the subscriber's consent has expired",
    REVOKED: "the subscriber's consent was given back",
}
_REFRESH_LIFE = timedelta(days=90)  # SMS documentation, OAuth; not named in any answer
_LAST_WAIT = 5.0  # real seconds for a refresh to end when relay stops
_BAD_REQUEST = 400
_OF_THE_GRANT = frozenset({"invalid_grant", "POL0002"})
_OF_THE_APP = re.compile(r"client|invalid_scope|invalid_request|unsupported_grant_type", re.IGNORECASE)


class ConsentedTokens(TokenSource):
    """The access token of a subscriber who agreed; see `TokenSource`.

    Args:
        http: to the host of the token endpoint.
        app: who asks; a consent outlives a change of the app's secret, and not one of its key or scope.
        alias: the line's, for the log.
        subscriber: the line's own number; a consent that was given for another is not used.
        withdrawn: whether an API's answer says that the subscriber's consent is no more.
        state: where the tokens are kept.
        clock: measures their life.
        ids: spreads the renewals of many lines.
        sharing: how the consent is shared with other nodes; None: there are none.
    """

    def __init__(  # noqa: PLR0913 - as many parts as TokenSource has, and whose consent it is
        self,
        http: Http,
        app: OAuthApp,
        *,
        alias: str,
        subscriber: str,
        withdrawn: Callable[[HttpAnswer], bool],
        state: ProviderState,
        clock: Clock,
        ids: Ids,
        sharing: Sharing | None = None,
    ) -> None:
        super().__init__(http, app, state=state, clock=clock, ids=ids, anew={}, sharing=sharing)
        self._alias = alias
        self._subscriber = subscriber
        self._withdrawn = withdrawn

    async def anew(self) -> Token:
        """Raises ConsentRequired: only the subscriber can give a token."""
        raise _needed(NEVER_GIVEN)

    async def granted(self, code: str) -> Token:
        """The token that the code from the browser stands for; it is not kept yet.

        Raises:
            Refused: the code is not taken, or not any more.
            NotAuthorized: the provider refuses the app.
            TryLater: the provider cannot be asked.
        """
        try:
            token = await self._endpoint.exchange({"grant_type": "authorization_code", "code": code})
        except Refused as error:
            detail = "the provider does not take the code from the browser, or not any more: begin again"
            raise Refused(Problem(ErrorCode.PROVIDER_REFUSED, detail, error.problem.provider)) from None
        now = self._clock.now()
        return replace(token, since=now, renewable_until=now + _REFRESH_LIFE if token.refresh else token.expires_at)

    async def adopt(self, token: Token) -> None:
        """Keep a token that was granted, in place of what there was."""
        async with self._changing:
            await self._keep(token, _stands)
        until = token.renewable_until.isoformat() if token.renewable_until else None
        log.info("consent.kept", line=self._alias, renewable_until=until)

    async def give_back(self, token: Token) -> None:
        """Revoke a token that was granted and is not wanted; raises as `OAuthEndpoint.revoke` does."""
        await self._endpoint.revoke(token)

    async def revoke(self) -> None:
        """Give the tokens in use back and forget them; fine where there are none.

        Raises:
            TryLater: the provider did not hear: they are still in use.
            NotAuthorized: the provider refuses the app.
        """
        async with self._changing, self._sharing.turn("token", self._turn_seconds):
            token = await self._known()
            # Again for a pair that another node has kept meanwhile.
            while token is not None and token.ended is None:
                await self._endpoint.revoke(token)
                token = await self._end(REVOKED, token)

    async def standing(self) -> ConsentStanding:
        """How consent stands, from what is kept. Where there is none, `since` is when it ended."""
        token = await self._shared() if self._sharing.is_shared and not self._unkept else await self._known()
        if token is None:
            return ConsentStanding(given=False, reason=NEVER_GIVEN)
        if token.ended is not None:
            return ConsentStanding(given=False, since=token.expires_at, reason=token.ended)
        return ConsentStanding(given=True, since=token.since, renewable_until=token.renewable_until)

    async def aclose(self) -> None:
        """Let a refresh that is under way end: its answer may have the only refresh token that is good."""
        if self._flight is not None:
            await asyncio.wait([self._flight], timeout=_LAST_WAIT)
        await super().aclose()

    async def _shared(self) -> Token | None:
        """What is kept; not what is in use, for whoever uses it may be just changing it."""
        try:
            return await self._kept.peek()
        except TryLater:
            return await self._known()

    async def _look_at(self, answer: HttpAnswer, used: str) -> None:
        if not self._withdrawn(answer):
            return
        async with self._changing:
            if self._token is not None and self._token.access == used:
                await self._end(WITHDRAWN, self._token)
        raise _needed(WITHDRAWN, said(answer, complaint(answer)))

    def _refuse_unasked(self, token: Token | None) -> None:
        if token is None:
            raise _needed(NEVER_GIVEN)
        if token.ended is not None:
            raise _needed(token.ended)

    async def _renewed(self, token: Token | None) -> Token:
        self._refuse_unasked(token)
        if token is None or not token.refresh:
            return await self._used_up(token or Token(""))
        if self._sharing.is_shared and not await self._show(token):
            return self._postponed(token)
        try:
            return await self._refreshed(token, token.refresh)
        except TryLater:
            await self._unshow()
            raise
        except (Refused, NotAuthorized) as error:
            if not _ends_consent(error.problem.provider):
                await self._unshow()
                raise _about_the_app(error) from None
            return await self._void(token, error)

    async def _show(self, token: Token) -> bool:
        """Keep that this node shows the refresh token; not so where another did, and the access token is good yet.

        Raises:
            TryLater: it is not the one that is kept, any more.
        """
        node, there = self._sharing.node, await self._kept.read()
        if there is not None and there.shown_by not in (None, node) and not self._is_spent(token):
            log.info("consent.renewal.left", line=self._alias)
            return False
        shown = replace(there, shown_by=node) if there is not None and there.refresh == token.refresh else None
        kept = await self._kept.keep(shown, _gives_way) if shown else there
        if kept is None or kept is not shown:
            self._take_up(kept)
            raise TryLater(Problem(ErrorCode.INTERNAL, "another node has just changed the subscriber's tokens"))
        return True

    async def _unshow(self) -> None:
        there = await self._kept.read() if self._sharing.is_shared else None
        if there is not None and there.shown_by == self._sharing.node:
            await self._kept.keep(replace(there, shown_by=None), _gives_way)

    async def _refreshed(self, token: Token, refresh: str) -> Token:
        answered = await self._endpoint.exchange({"grant_type": "refresh_token", "refresh_token": refresh})
        fresh = self._inherited(token, answered)
        kept = await self._keep(fresh, lambda other: not _is_succeeded(other, token))
        if kept.ended == REVOKED:
            with suppress(TryLater, NotAuthorized, Refused):
                await self._endpoint.revoke(fresh)
        self._refuse_unasked(kept)
        return kept

    async def _void(self, token: Token, refused: Refused | NotAuthorized) -> Token:
        """The refresh token was refused for its own sake: another node's pair, or the end of the consent."""
        kept = await self._kept.read()
        if kept is None or kept.refresh == token.refresh:
            is_late = token.renewable_until is not None and self._clock.now() >= token.renewable_until
            reason = EXPIRED if is_late else REFUSED
            kept = await self._end(reason, token)
            if kept.ended == reason:
                raise _needed(reason, refused.problem.provider)
        # Another process has renewed it, and this one's refresh token was void for that reason.
        self._token = kept
        return await self._renewed(kept) if self._is_due(kept) else kept

    async def _used_up(self, token: Token) -> Token:
        if token.expires_at is not None and self._clock.now() < token.expires_at:
            self._token = replace(token, renew_at=token.expires_at)
            return self._token
        await self._end(EXPIRED, token)
        raise _needed(EXPIRED)

    def _inherited(self, before: Token, fresh: Token) -> Token:
        is_replaced = fresh.refresh is not None and fresh.refresh != before.refresh
        until = self._clock.now() + _REFRESH_LIFE if is_replaced else before.renewable_until
        return replace(super()._inherited(before, fresh), since=before.since, renewable_until=until)

    async def _end(self, reason: str, token: Token) -> Token:
        """Keep that there is no consent any more, unless another node has kept another pair; gives what is kept."""
        now = self._clock.now()
        # Due at once and for ever: whoever wants the token comes by `_refuse_unasked`, and is told.
        ended = Token("", renew_at=now, expires_at=now, since=token.since, ended=reason)
        kept = await self._keep(ended, lambda other: other.refresh != token.refresh)
        if kept is ended:
            log.warning("consent.ended", line=self._alias, reason=reason)
        return kept

    def _fingerprint(self) -> str:
        return fingerprint(self._app.client_id, self._app.scope, self._subscriber)


def authorize_url(base_url: str, query: Mapping[str, str]) -> str:
    """The address of the provider's page on which a subscriber agrees; every reserved character is encoded."""
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    return f"{base_url}{AUTHORIZE_PATH}?{encoded}"


def _needed(reason: str, provider: ProviderDetail | None = None) -> ConsentRequired:
    detail = f"{_DETAILS.get(reason, _DETAILS[REFUSED])}: `relay auth login` asks for it"
    return ConsentRequired(Problem(ErrorCode.CONSENT_REQUIRED, detail, provider))


def _stands(_: Token) -> bool:
    """A token that stays whatever was kept meanwhile."""
    return False


def _gives_way(_: Token) -> bool:
    """A token that gives way to whatever was kept meanwhile."""
    return True


def _is_succeeded(other: Token, before: Token) -> bool:
    """Whether what came of a refresh of `before` succeeds to `other` too.

    That is so where `other` is the same pair, or the finding that its refresh token is void: it had been replaced.
    """
    was_void = other.ended in (REFUSED, EXPIRED) and other.since == before.since
    return was_void or (other.ended is None and other.refresh == before.refresh)


def _ends_consent(detail: ProviderDetail | None) -> bool:
    """Whether a refused refresh was refused for the refresh token's sake: `invalid_grant`, or AT&T's envelope at 400.

    A 401 is about the app, unless it says otherwise; and what is not understood ends nothing.
    """
    if detail is None or detail.code is None:
        return False
    if detail.code in _OF_THE_GRANT:
        return True
    return detail.http == _BAD_REQUEST and not _OF_THE_APP.search(f"{detail.code} {detail.text or ''}")


def _about_the_app(error: Refused | NotAuthorized) -> NotAuthorized | TryLater:
    detail = error.problem.provider
    if isinstance(error, Refused) and (detail is None or detail.code is None):
        return TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the token endpoint does not answer sensibly", detail))
    return refused_app(error)

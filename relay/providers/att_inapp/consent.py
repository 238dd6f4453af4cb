"""A subscriber's agreement, from AT&T's page to kept tokens: whose store it opens is looked at in between."""

from contextlib import suppress

from relay.domain.errors import (
    ErrorCode,
    Malformed,
    NotAuthorized,
    NotReady,
    OutcomeUnknown,
    Problem,
    Refused,
    TryLater,
)
from relay.providerkit.http import Http
from relay.providerkit.oauth import bearer
from relay.providerkit.oauthconsent import ConsentedTokens, authorize_url
from relay.providerkit.oauthendpoint import Token
from relay.providers.att_inapp import mail, operations
from relay.providers.att_inapp.calls import JSON, Calls
from relay.providers.att_inapp.refusals import Asked
from relay.providers.att_inapp.settings import AttInAppSettings

_LOOKED_AT = 100  # messages


class Consent:
    """Takes a subscriber's agreement for a line.

    Args:
        settings: the line's.
        http: to AT&T.
        tokens: where the agreement is kept.
        calls: judges AT&T's answers.
    """

    def __init__(self, settings: AttInAppSettings, http: Http, tokens: ConsentedTokens, calls: Calls) -> None:
        self._settings = settings
        self._http = http
        self._tokens = tokens
        self._calls = calls

    def url(self, redirect_uri: str, state: str) -> str:
        """AT&T's page; the browser comes back to `redirect_uri` (OpenAPI of In-App Messaging v2, securitySchemes)."""
        settings = self._settings
        query = {"client_id": settings.app_key, "scope": settings.scope, "redirect_uri": redirect_uri, "state": state}
        bypasses = {"custom_param": ",".join(settings.custom_param)} if settings.custom_param else {}
        return authorize_url(settings.base_url, {**query, **bypasses})

    async def take(self, code: str) -> str:
        """Exchange the code and keep the tokens, unless the store that they open is another subscriber's.

        Says in a few words what was found. A crash before the tokens are kept loses them, and AT&T takes no code
        twice: the subscriber has to begin again.

        Raises:
            Refused: AT&T does not take the code, or the subscriber is another; the tokens were given back.
            NotAuthorized, TryLater: AT&T refuses the app or the scope, or cannot be asked; likewise.
        """
        token = await self._tokens.granted(code)
        try:
            found = await self._whose(token)
        except (Refused, NotAuthorized, TryLater):
            # What matters is why they are not kept: AT&T lets them run out if it does not hear.
            with suppress(TryLater, NotAuthorized, Refused):
                await self._tokens.give_back(token)
            raise
        await self._tokens.adopt(token)
        return found

    async def _whose(self, token: Token) -> str:
        if not self._settings.may_read:
            return "the subscriber agrees; whether the number is the line's cannot be seen without MIM in scope"
        try:
            owners = await self._owners(token)
        except NotReady:
            owners = frozenset()
        if not owners:
            return "the subscriber agrees; the message store shows nothing yet that tells its number"
        if self._settings.number not in owners:
            detail = "the subscriber who agreed has another number than the line: the tokens were given back"
            raise Refused(Problem(ErrorCode.UNAUTHORIZED, detail))
        return "the subscriber agrees, and the message store is that of the line's number"

    async def _owners(self, token: Token) -> frozenset[str]:
        operation = operations.LIST
        params = {"limit": str(_LOOKED_AT), "offset": "0"}
        headers = {"Accept": JSON, **bearer(token.access)}
        try:
            answer = await self._http.call(operation.method, operation.path, params=params, headers=headers)
            self._calls.check(answer, Asked.STORE)
            return mail.whose_store(answer.body) if answer.body else frozenset()
        except (OutcomeUnknown, Malformed) as error:
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, error.problem.detail)) from None

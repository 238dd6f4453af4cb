"""The OAuth server without its HTTP: gives tokens for credentials, codes and refresh tokens, and knows each one.

Sources: SMS documentation, OAuth; OpenAPI of SMS v3, getAccessToken; RFC 6749 and 7009 where those are silent.
"""

import re
from dataclasses import replace
from typing import Any

from aiohttp import web

from relay.clock import Clock
from relay.ids import Ids
from relay.providerkit.simulated.ledger import Ledger, Violations
from relay.providerkit.simulated.oauth.apps import (
    CONSENTED,
    Form,
    Grant,
    OAuthClient,
    OAuthModes,
    OAuthRefusal,
    TokenError,
)
from relay.providerkit.simulated.oauth.books import NEVER, Code, Shelf, Standing

_CHALLENGE = 'Bearer realm="api.att.com", error="invalid_token", error_description="The token is not valid"'
_HINTS = ("access_token", "refresh_token")


class OAuthServer:
    """Apps, and all grants that they hold."""

    def __init__(self, clock: Clock, ids: Ids, ledger: Ledger, violations: Violations) -> None:
        self._ledger = ledger
        self._violations = violations
        self._apps: dict[str, tuple[OAuthClient, OAuthModes]] = {}
        self._access = Shelf[Standing](clock, ids, "ACSI")
        self._refresh = Shelf[Standing](clock, ids, "RFSH")
        self._codes = Shelf[Code](clock, ids, "CODE")

    def register(self, app: OAuthClient, modes: OAuthModes) -> None:
        """Make an app known, or add to one that is; the service's `modes` are read at every request.

        Raises ValueError where the app key is known with another secret or for another service.
        """
        known, _ = self._apps.get(app.app_key, (app, modes))
        if (known.app_secret, known.service) != (app.app_secret, app.service):
            raise ValueError("an app_key has one app_secret, and one service")
        both = replace(
            app,
            scopes=known.scopes | app.scopes,
            subscribers=tuple(dict.fromkeys(known.subscribers + app.subscribers)),
            redirect_uris=tuple(dict.fromkeys(known.redirect_uris + app.redirect_uris)),
        )
        self._apps[app.app_key] = (both, modes)

    def app(self, app_key: str) -> OAuthClient | None:
        """The app of that key."""
        return self._apps[app_key][0] if app_key in self._apps else None

    def modes(self, app_key: str) -> OAuthModes:
        """How tokens of that app behave; where nobody has that key, as those of any whose errors are not usual."""
        if app_key in self._apps:
            return self._apps[app_key][1]
        each = [modes for _, modes in self._apps.values()]
        return next((modes for modes in each if modes.oauth_errors != "rfc"), each[0] if each else OAuthModes())

    def holder(self, request: web.Request, scope: str, service: str, operation: str = "") -> Grant:
        """Whose request this is.

        Raises:
            OAuthRefusal: as AT&T answers: 400 where there is no token, 401 where it is bad, 403 where it lacks
                `scope` (POL0001) or the subscriber's consent (POL0002).
        """
        if "access_token" in request.query:
            what = "a token in the address, where it is logged; right is the Authorization header"
            self._violations.record(service, operation, what)
        header = request.headers.get("Authorization")
        if not header:
            raise OAuthRefusal(400, "POL0001", "Invalid Request")
        standing = self._bearer(header)
        if standing is None or not self._is_told_apart(standing):
            raise OAuthRefusal(401, "POL0001", "UnAuthorized Request", {"WWW-Authenticate": _CHALLENGE})
        if standing.withdrawn:
            raise OAuthRefusal(403, "POL0002", standing.line)
        if scope not in standing.scopes:
            raise OAuthRefusal(403, "POL0001", "Insufficient scope")
        return Grant(standing.app.app_key, standing.subscriber, standing.scopes)

    def _bearer(self, header: str) -> Standing | None:
        scheme, _, token = header.partition(" ")
        return self._access.find(token.strip()) if scheme.lower() == "bearer" else None

    async def line_of(self, request: web.Request) -> str | None:
        """For `Operations`: the subscriber, or the app's line, by the request's token, good for it or not."""
        standing = self._bearer(request.headers.get("Authorization", ""))
        return standing.line or None if standing else None

    def _is_told_apart(self, standing: Standing) -> bool:
        """Whether the token is still known as one: a withdrawn consent's may be, by the mode `withdrawn_as`."""
        told = standing.withdrawn and self.modes(standing.app.app_key).withdrawn_as == "403"
        return not standing.revoked and (told or not standing.withdrawn)

    def token(self, form: Form) -> dict[str, Any]:
        """POST /oauth/v4/token: the answer to a form; raises TokenError."""
        app = self.authenticated(form)
        match form.get("grant_type", ""):
            case "client_credentials":
                standing = Standing(app, self.scopes(app, form.get("scope", "")))
                if standing.scopes & CONSENTED:
                    raise TokenError("invalid_scope")
            case "authorization_code":
                standing = self._exchanged(app, form)
            case "refresh_token":
                standing = self._renewed(app, form.get("refresh_token", ""))
            case "":
                raise TokenError("invalid_request")
            case _:
                raise TokenError("unsupported_grant_type")
        return self._answer(standing, form["grant_type"])

    def authenticated(self, form: Form) -> OAuthClient:
        """The app whose key and secret are in the form; raises TokenError."""
        app = self.app(form.get("client_id", ""))
        if app is None or app.app_secret != form.get("client_secret"):
            raise TokenError("invalid_client")
        return app

    def scopes(self, app: OAuthClient, asked: str) -> frozenset[str]:
        """The scopes in `asked`, separated by commas (AT&T's kits) or blanks (OpenAPI); raises TokenError."""
        scopes = frozenset(filter(None, re.split(r"[ ,]+", asked)))
        if not scopes or scopes - app.scopes:
            raise TokenError("invalid_scope")
        return scopes

    def _exchanged(self, app: OAuthClient, form: Form) -> Standing:
        code = self._codes.find(form.get("code", ""))
        if code is not None and code.used:
            self._violations.record(app.service, "token", "a code was exchanged again; right is once")
        if code is None or code.used or code.standing.app.app_key != app.app_key or not code.standing.is_good:
            raise TokenError("invalid_grant")
        if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            raise TokenError("invalid_grant")
        code.used = True
        return code.standing

    def _renewed(self, app: OAuthClient, token: str) -> Standing:
        standing = self._refresh.find(token)
        if standing is None or standing.app.app_key != app.app_key or not standing.is_good:
            raise TokenError("invalid_grant")
        if self.modes(app.app_key).rotate:
            self._refresh.drop(token)
        return standing

    def _answer(self, standing: Standing, grant: str) -> dict[str, Any]:
        modes = self.modes(standing.app.app_key)
        body: dict[str, Any] = {
            "access_token": self._access.issue(standing, modes.expires_in or NEVER),
            "token_type": modes.token_type,
            "expires_in": str(modes.expires_in) if modes.expires_in_form == "string" else modes.expires_in,
        }
        if modes.refresh_tokens and (modes.rotate or grant != "refresh_token"):
            body["refresh_token"] = self._refresh.issue(standing, modes.refresh_seconds)
        self._ledger.record("token", {"service": standing.app.service, "line": standing.line, "grant": grant})
        return body

    def code(self, app: OAuthClient, subscriber: str, scopes: frozenset[str], redirect_uri: str) -> str:
        """A subscriber gives consent: the code that is worth a token, once and for a short while."""
        standing = Standing(app, scopes, subscriber)
        return self._codes.issue(Code(standing, redirect_uri), self.modes(app.app_key).code_seconds)

    def line(self, form: Form) -> str | None:
        """Whom a form of the token endpoint is about: the subscriber of its token or code, or the app's own line."""
        code = self._codes.find(form.get("code", ""))
        token = self._refresh.find(form.get("refresh_token", "")) or self._refresh.find(form.get("token", ""))
        standing = code.standing if code else token or self._access.find(form.get("token", ""))
        app = self.app(form.get("client_id", ""))
        return standing.line if standing else (app.line or None if app else None)

    def revoke_token(self, form: Form) -> None:
        """POST /oauth/v4/revoke: a refresh token's end ends its access tokens too; raises TokenError."""
        app, hint, token = self.authenticated(form), form.get("token_type_hint", ""), form.get("token", "")
        if not token:
            raise TokenError("invalid_request")
        if hint not in _HINTS:
            raise TokenError("unsupported_token_type" if hint else "invalid_request")
        refreshing, accessing = self._refresh.find(token), self._access.find(token)
        if refreshing is not None and refreshing.app.app_key == app.app_key:
            refreshing.revoked = True
        if accessing is not None and accessing.app.app_key == app.app_key:
            self._access.drop(token)
        self._ledger.record("token-revoked", {"service": app.service, "line": self.line(form), "hint": hint})

    def expire(self, service: str) -> None:
        """Make every access token of a service expire now."""
        for secret, standing in self._access:
            if standing.app.service == service:
                self._access.drop(secret)

    def revoke(self, service: str) -> None:
        """Make every access and refresh token of a service invalid."""
        for _, standing in (*self._access, *self._refresh):
            if standing.app.service == service:
                standing.revoked = True

    def withdraw(self, subscriber: str) -> None:
        """A subscriber takes back all consent: what is refreshed is invalid_grant, what is called is refused."""
        for _, standing in (*self._access, *self._refresh):
            standing.withdrawn = standing.withdrawn or standing.subscriber == subscriber
        for _, code in self._codes:
            code.standing.withdrawn = code.standing.withdrawn or code.standing.subscriber == subscriber
        self._ledger.record("consent-withdrawn", {"line": subscriber})

"""OAuth at AT&T: POST /oauth/v4/token, and what an access token is good for (SMS documentation, OAuth)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from aiohttp import web

from relay.providerkit.simulated import World
from relay.providers.att_sms.simulator.errors import SmsError, envelope
from relay.providers.att_sms.simulator.modes import SmsModes

_NEVER = float("inf")
_REFRESH_LIFE = 90 * 86_400.0
_KEPT = 10_000
_FORM = "application/x-www-form-urlencoded"
_RFC = {"invalid_request": 400, "invalid_scope": 400, "invalid_grant": 400, "invalid_client": 401}


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """One app account of AT&T's, with its short code."""

    app_key: str
    app_secret: str
    short_code: str
    registration_id: str

    @classmethod
    def of(cls, account: Mapping[str, str]) -> "SmsAccount":
        """The account that the fields describe; raises ValueError, naming what is right."""
        names = {field.name for field in fields(cls)}
        if account.keys() != names:
            raise ValueError(f"an account has {', '.join(sorted(names))}")
        return cls(**account)


@dataclass(frozen=True, slots=True)
class _Grant:
    account: SmsAccount
    scopes: frozenset[str]
    expires: float


class _OAuthError(Exception):
    """RFC 6749's error code is the one argument."""


class Tokens:
    """Issues tokens, and tells whose a token is."""

    def __init__(self, world: World, accounts: Mapping[str, SmsAccount], modes: SmsModes) -> None:
        self._world = world
        self._accounts = accounts
        self._modes = modes
        self._access: dict[str, _Grant] = {}
        self._refresh: dict[str, _Grant] = {}

    async def issue(self, request: web.Request) -> web.Response:
        """POST /oauth/v4/token."""
        try:
            if request.content_type != _FORM:
                raise _OAuthError("invalid_request")  # noqa: TRY301 - one way out
            form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
            return self._answer(self._grant(form), form)
        except UnicodeDecodeError:
            return self._refusal("invalid_request")
        except _OAuthError as error:
            return self._refusal(str(error))

    def _grant(self, form: Mapping[str, str]) -> _Grant:
        account = self._accounts.get(form.get("client_id", ""))
        if account is None or account.app_secret != form.get("client_secret"):
            raise _OAuthError("invalid_client")
        match form.get("grant_type"):
            case "client_credentials":
                return self._new_grant(account, form)
            case "refresh_token":
                return self._renewed_grant(account, form.get("refresh_token", ""))
            case _:
                raise _OAuthError("invalid_request")

    def _new_grant(self, account: SmsAccount, form: Mapping[str, str]) -> _Grant:
        scopes = frozenset(filter(None, re.split(r"[ ,]+", form.get("scope", ""))))
        if not scopes:
            raise _OAuthError("invalid_scope")
        return _Grant(account, scopes, 0)

    def _renewed_grant(self, account: SmsAccount, token: str) -> _Grant:
        grant = self._refresh.get(token)
        if grant is None or grant.account != account or grant.expires <= self._world.now():
            raise _OAuthError("invalid_grant")
        if self._modes.rotate:
            del self._refresh[token]
        return grant

    def _answer(self, grant: _Grant, form: Mapping[str, str]) -> web.Response:
        modes, now = self._modes, self._world.now()
        life = modes.expires_in or _NEVER
        access = self._keep(self._access, _Grant(grant.account, grant.scopes, now + life))
        body: dict[str, str | int] = {
            "access_token": access,
            "token_type": "BEARER" if modes.shape == "documented" else "bearer",
            "expires_in": str(modes.expires_in) if modes.expires_in_form == "string" else modes.expires_in,
        }
        renewed = form["grant_type"] == "refresh_token"
        if modes.refresh_tokens and (modes.rotate or not renewed):
            refresh = _Grant(grant.account, grant.scopes, now + _REFRESH_LIFE)
            body["refresh_token"] = self._keep(self._refresh, refresh)
        facts = {"service": "att-sms", "line": grant.account.short_code, "grant": form["grant_type"]}
        self._world.ledger.record("token", facts)
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    def _keep(self, store: dict[str, _Grant], grant: _Grant) -> str:
        stamp = self._world.clock.now().strftime("%Y%m%d%H%M%S")
        token = f"SIM-ACSI~4~{stamp}~{self._world.ids.chance.getrandbits(160):040x}"
        while len(store) >= _KEPT:
            del store[next(iter(store))]
        store[token] = grant
        return token

    def _refusal(self, error: str) -> web.Response:
        if self._modes.oauth_errors == "envelope":
            return web.json_response(envelope("POL0001", error, self._modes.errors), status=_RFC[error])
        return web.json_response({"error": error, "error_description": "see the documentation"}, status=_RFC[error])

    def holder(self, request: web.Request) -> SmsAccount:
        """Whose request this is.

        Raises:
            SmsError: as AT&T answers: 400 where there is no token, 401 where it is bad, 403 where it lacks the scope.
        """
        header = request.headers.get("Authorization")
        if not header:
            raise SmsError(400, "POL0001", "Invalid Request")
        scheme, _, token = header.partition(" ")
        grant = self._access.get(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None or grant.expires <= self._world.now():
            challenge = 'Bearer realm="api.att.com", error="invalid_token", error_description="The token is not valid"'
            raise SmsError(401, "POL0001", "UnAuthorized Request", {"WWW-Authenticate": challenge})
        if "SMS" not in grant.scopes:
            raise SmsError(403, "POL0001", "Insufficient scope")
        return grant.account

    async def line_of(self, request: web.Request) -> str | None:
        """The short code that a request is for, for the faults: by its token, or by its client id."""
        if request.content_type == _FORM:
            asking = self._accounts.get(str((await request.post()).get("client_id", "")))
            return asking.short_code if asking else None
        try:
            return self.holder(request).short_code
        except SmsError:
            return None

    def expire(self) -> None:
        """Make every access token expire now."""
        self._access.clear()

    def revoke(self) -> None:
        """Make every access and refresh token invalid."""
        self._access.clear()
        self._refresh.clear()

"""The session key that every call needs: given by the settings, or got by logging in.

A session does not expire (Landline documentation, MMS Send), and can be revoked; a login gives a new one. The key is a
password: it is kept in the line's state and is in no log and no error.

Nodes that share a journal share the session: whether a login ends the sessions before it is not documented.
"""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from relay.domain.errors import ErrorCode, Malformed, NotAuthorized, OutcomeUnknown, Problem, Refused, TryLater
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.parse import Unreadable, as_id, as_time, folded_json
from relay.providerkit.sharing import Alone, Sharing
from relay.providerkit.spec import LineContext
from relay.providers.att_landline import wire
from relay.providers.att_landline.operations import LOGIN
from relay.providers.att_landline.settings import AttLandlineSettings

log = structlog.get_logger()

_KEPT_AS = "session"
_BAD_LOGIN = 400
_TURN = "token"
_TO_KEEP = 5.0  # real seconds to keep what was answered
_REFUSED_FOR = timedelta(seconds=30)  # less than the stages' own pause, more than all calls in flight take to fail


class Session(Protocol):
    """Where the key comes from."""

    async def key(self) -> str:
        """The key to use."""

    async def renewed(self, refused: str) -> str | None:
        """Another key, after `refused` was; None where there is none to be had."""


class GivenSession:
    """A key from the settings: when it is refused, somebody has to get another."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def key(self) -> str:
        """The key."""
        return self._key

    async def renewed(self, refused: str) -> str | None:  # noqa: ARG002 - there is no other, whatever was refused
        """None."""
        return None


class LoginSession:
    """A key that is got by logging in, once; whoever comes while that is under way waits for it.

    A login that was refused is not tried again at once, however many calls of however many nodes want one: accounts
    are locked for that.
    Both methods raise TryLater where nobody can be asked, and NotAuthorized where the login is refused.
    """

    def __init__(self, context: LineContext, http: Http, username: str, password: str) -> None:
        settings: AttLandlineSettings = context.settings
        self._alias = context.alias
        self._state = context.state
        self._sharing: Sharing = context.sharing or Alone(context.state)
        self._clock = context.clock
        self._http = http
        self._account = {"base_url": settings.base_url, "username": username}
        self._password = password
        self._lock = asyncio.Lock()
        self._key: str | None = None
        self._refusal: tuple[datetime, NotAuthorized] | None = None

    async def key(self) -> str:
        """The key that is kept for this account, or else a new one."""
        async with self._lock:
            self._key = self._key or await self._kept() or await self._another(None)
            return self._key

    async def renewed(self, refused: str) -> str | None:
        """A key that was not refused yet."""
        async with self._lock:
            if self._key is None or self._key == refused:
                self._key = await self._another(refused)
            return self._key

    async def _another(self, refused: str | None) -> str:
        """Another key than the refused one: another node's, where one has logged in meanwhile."""
        async with self._sharing.turn(_TURN, 2 * self._http.timeout_seconds + _TO_KEEP):
            kept = await self._kept()
            return kept if kept and kept != refused else await self._log_in()

    async def _kept(self) -> str | None:
        return as_id((await self._record()).get("session"))

    async def _record(self) -> dict[str, Any]:
        """What is kept of this account."""
        kept = await self._sharing.get(_KEPT_AS)
        try:
            value = folded_json(kept) if kept else None
        except Unreadable:
            return {}
        if not isinstance(value, dict) or any(value.get(name) != known for name, known in self._account.items()):
            return {}
        return value

    async def _check_refused(self, now: datetime) -> None:
        """Raise where a login was refused just now, here or on another node."""
        if self._refusal and now < self._refusal[0] + _REFUSED_FOR:
            raise NotAuthorized(self._refusal[1].problem)
        elsewhere = as_time((await self._record()).get("refused_at")) if self._sharing.is_shared else None
        if elsewhere is not None and now - elsewhere < _REFUSED_FOR:
            raise NotAuthorized(Problem(ErrorCode.UNAUTHORIZED, "the provider refused the login of another node"))

    async def _log_in(self) -> str:
        now = self._clock.now()
        await self._check_refused(now)
        fields = [("username", self._account["username"]), ("password", self._password)]
        try:
            key = _key_in(await self._asked(fields))
        except NotAuthorized as error:
            self._refusal = (now, error)
            if self._sharing.is_shared:
                await self._keep({"refused_at": now.isoformat()})
            raise
        self._refusal = None
        await self._keep({"session": key})
        log.info("session.opened", line=self._alias)
        return key

    async def _keep(self, fact: dict[str, str]) -> None:
        await self._state.put(_KEPT_AS, json.dumps({**self._account, **fact}).encode())

    async def _asked(self, fields: list[tuple[str, str]]) -> Any:
        headers = {"Content-Type": wire.FORM_TYPE, "Accept": "application/json"}
        hidden = [value for _, value in fields]
        try:
            answer = await self._http.call(LOGIN.method, LOGIN.path, headers=headers, body=wire.form(fields))
            return wire.response_of(_judged(answer), now=self._clock.now(), effect=False, hidden=hidden)
        except (OutcomeUnknown, Malformed):
            # Not the call's fate, which waits for the session: a login that was not answered did no harm.
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the login was not answered usably")) from None
        except Refused as error:
            detail = "the provider refused the user name or the password"
            raise NotAuthorized(Problem(ErrorCode.UNAUTHORIZED, detail, error.problem.provider)) from None


def session_of(context: LineContext, http: Http) -> Session:
    """The line's session, as its settings have it."""
    settings: AttLandlineSettings = context.settings
    if settings.username and settings.password:
        return LoginSession(context, http, settings.username, settings.password.get_secret_value())
    return GivenSession(settings.session.get_secret_value() if settings.session else "")


def _judged(answer: HttpAnswer) -> HttpAnswer:
    """A wrong password was seen to be answered 500, with the failure in JSON (wire facts, 4.1): no reason to repeat."""
    return replace(answer, status=_BAD_LOGIN) if wire.says_failure(answer.body) and answer.status == 500 else answer  # noqa: PLR2004 - HTTP's own number


def _key_in(response: Any) -> str:
    """The key is the response itself; an object around it is tolerated."""
    inner = response.get("session") or response.get("sessionkey") if isinstance(response, dict) else response
    key = as_id(inner) if isinstance(inner, str) else None
    if key is None:
        raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the login's answer has no session in it"))
    return key

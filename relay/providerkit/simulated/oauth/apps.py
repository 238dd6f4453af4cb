"""The words of OAuth: an app, how its service's tokens behave, a grant, a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from relay.providerkit.simulated.envelope import ApiError, Spelling
from relay.providerkit.simulated.modes import Modes

CONSENTED = frozenset(("IMMN", "MIM"))
"""Scopes that a subscriber gives; an app alone cannot have them (In-App FAQ; OpenAPI of In-App Messaging v2)."""
RFC = {
    "invalid_request": 400,
    "invalid_scope": 400,
    "invalid_grant": 400,
    "unsupported_grant_type": 400,
    "unsupported_token_type": 400,
    "invalid_client": 401,
}
"""RFC 6749's errors (7009's for revoking), with AT&T's HTTP status (OpenAPI of SMS v3, getAccessToken)."""


class OAuthModes(Modes):
    """How tokens and consent behave; a service's own modes begin with these."""

    errors: Spelling = "upper"  # RequestError, or requestError
    expires_in: int = Field(default=172_800, ge=0)  # seconds that a token lives; 0: it does not expire
    expires_in_form: Literal["int", "string"] = "int"
    token_type: Literal["BEARER", "bearer"] = "BEARER"  # noqa: S105 - no secret
    refresh_tokens: bool = True  # off: none is issued
    refresh_seconds: float = Field(default=90 * 86_400.0, gt=0)  # that a refresh token lives
    rotate: bool = True  # a refresh token is good for one use
    oauth_errors: Literal["rfc", "envelope"] = "rfc"  # RFC 6749's, or RequestError
    consent: Literal["give", "refuse", "page", "twice"] = "give"  # what the subscriber does at the consent page
    consent_as: str = ""  # who it is; the app's first subscriber where it is empty
    code_seconds: float = Field(default=300, gt=0)  # that an authorization code lives
    state_comes_back: bool = False  # AT&T's kits send no `state`
    withdrawn_as: Literal["403", "401"] = "403"  # calls after a consent is withdrawn: POL0002, or a bad token


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An app as AT&T knows it.

    Attributes:
        app_key: OAuth's client_id.
        app_secret: OAuth's client_secret.
        service: whose modes and faults are for its tokens.
        scopes: that it is registered for.
        subscribers: the numbers (E.164) whose owners may give consent.
        redirect_uris: where consent may come back to; anywhere where there is none.
        line: what ledger and faults call it where no subscriber is bound: a short code.
    """

    app_key: str
    app_secret: str
    service: str
    scopes: frozenset[str]
    subscribers: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    line: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good access token stands for; `subscriber` (E.164) where one gave consent."""

    app_key: str
    subscriber: str | None
    scopes: frozenset[str]


class OAuthRefusal(ApiError):  # noqa: N818 - it says what happened
    """A request's token is not good enough: how AT&T answers it."""


class TokenError(Exception):
    """A key of RFC is the one argument: how the token endpoint refuses."""


Form = Mapping[str, str]

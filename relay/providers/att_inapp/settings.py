"""What can be set for a line of AT&T's In-App Messaging: a consenting subscriber's number."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from relay.domain.addresses import AddressKind, outbound
from relay.providerkit.duration import Duration
from relay.providerkit.http import checked_base_url
from relay.providerkit.linesettings import CallsPerMonth
from relay.providerkit.spec import LineSettings

_SEPARATORS = re.compile(r"[,\s]+")
_CALLS_PER_MONTH = 1_000_000  # as for SMS (OpenAPI of SMS v3, its description); In-App documents name none
_SENDING, _STORE = "IMMN", "MIM"  # In-App FAQ, "What is the difference between IMMN and MIM?"


def _as_e164(number: str) -> str:
    address = outbound(number)
    if address.kind is not AddressKind.E164:
        raise ValueError("must be a phone number: ten digits, or E.164 such as +1 and ten digits")
    return address.value


class AttInAppSettings(LineSettings):
    """A subscriber of AT&T's who lets relay send and read in their name.

    `group_flag`: how a group is marked; the OpenAPI file says `group`, every client that was ever published
    `isGroup`. `sync`: follow the message store; without it the line only sends.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["att-inapp"] = "att-inapp"
    base_url: Annotated[str, AfterValidator(checked_base_url)] = "https://api.att.com"
    number: Annotated[str, AfterValidator(_as_e164)] = Field(description="the subscriber's own number")
    app_key: str = Field(min_length=1, description="the App Key from the account's page")
    app_secret: SecretStr = Field(min_length=1, description="the App Secret from the account's page")
    scope: str = Field(
        f"{_SENDING},{_STORE}", description="what the subscriber is asked for: IMMN to send, MIM to read the store"
    )
    sync: bool = Field(default=True, description="follow the message store")
    sync_interval: Duration = Field(60.0, ge=5.0, le=86_400.0, description="5s to 1d between looks at what changed")
    history: bool = Field(default=False, description="also publish what is older than the consent")
    group_flag: Literal["group", "isGroup", "both"] = "both"
    calls_per_month: CallsPerMonth = _CALLS_PER_MONTH
    custom_param: tuple[Literal["bypass_onnetwork_auth", "suppress_landing_page"], ...] = Field(
        default=(), description="goes with the address that the subscriber opens"
    )

    @property
    def may_send(self) -> bool:
        """Whether the scope has the right to send."""
        return _SENDING in _names(self.scope)

    @property
    def may_read(self) -> bool:
        """Whether the scope has the right to the message store."""
        return _STORE in _names(self.scope)

    @model_validator(mode="after")
    def _scope_fits(self) -> "AttInAppSettings":
        if not (self.may_send or self.may_read):
            raise ValueError('scope must have IMMN (to send), MIM (to read the store) or both, as in "IMMN,MIM"')
        if self.sync and not self.may_read:
            raise ValueError("sync needs MIM in scope: add it, or set sync to false")
        return self


def _names(scope: str) -> list[str]:
    return _SEPARATORS.split(scope.strip().upper())

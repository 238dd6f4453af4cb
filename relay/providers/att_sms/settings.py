"""What can be set for a line of AT&T's SMS service: a short code."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from relay.providerkit.duration import Duration, spoken
from relay.providerkit.http import checked_base_url
from relay.providerkit.linesettings import CallsPerMonth
from relay.providerkit.spec import LineSettings

LOSS_AFTER = 1800.0  # seconds; "automatically removed from the server after every 30 minutes" (SMS documentation)
_SOONEST_POLL, _LATEST_POLL = 300.0, 1740.0
_CALLS_PER_MONTH = 1_000_000  # OpenAPI of SMS v3, its description: "up to 1 million messaging API calls monthly"
_MOST_RECIPIENTS = 50  # SMS documentation, Considerations


def _poll_interval(seconds: float) -> float:
    if not seconds >= _SOONEST_POLL:
        raise ValueError(f"must be {spoken(_SOONEST_POLL)} or more: AT&T asks for no more than one poll in 5 minutes")
    if seconds > _LATEST_POLL:
        raise ValueError(
            f"must be {spoken(_LATEST_POLL)} or less: AT&T deletes the messages that were not fetched for 30 minutes"
        )
    return seconds


class AttSmsSettings(LineSettings):
    """A short code of AT&T's SMS service.

    `registration_id` is the short code where it is not set. `receive` and `receipts`: "poll" asks AT&T for texts that
    came in, or for delivery status; "callback" waits for AT&T to call the address that is registered on the account's
    page; "off" does neither. AT&T supports only one way for a short code. `oneapi_…` is for the dialect `oneapi`.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["att-sms"] = "att-sms"
    base_url: Annotated[str, AfterValidator(checked_base_url)] = "https://api.att.com"
    short_code: str = Field(pattern=r"^[0-9]{3,8}$", description="3 to 8 digits")
    registration_id: str = Field("", max_length=128, validate_default=True, description="as on the account's page")
    app_key: str = Field(min_length=1, description="the App Key from the account's page")
    app_secret: SecretStr = Field(min_length=1, description="the App Secret from the account's page")
    scope: str = Field("SMS", min_length=1, description="the OAuth scope that the app is registered for")
    dialect: Literal["v3", "rest2", "oneapi"] = "v3"
    oneapi_version: int = Field(2, ge=2, le=3, description="2 or 3: the first part of OneAPI's paths")
    oneapi_body: Literal["gsma", "att"] = Field(
        "gsma", description="gsma: outboundSMSMessageRequest; att: outboundSMSRequest, as in version 3"
    )
    oneapi_status_path: Literal["resource", "example", "gsma"] = Field(
        "resource", description="which path of Get SMS Delivery Status: the Resource line's, the example's or GSMA's"
    )
    receive: Literal["poll", "callback", "off"] = "poll"
    poll_interval: Annotated[Duration, AfterValidator(_poll_interval)] = Field(
        _SOONEST_POLL,
        description="5m to 29m: AT&T asks for no more than one poll in 5 minutes, and deletes what was not fetched"
        " for 30 minutes",
    )
    receipts: Literal["poll", "callback", "off"] = "poll"
    recipients_per_call: int = Field(_MOST_RECIPIENTS, ge=1, le=_MOST_RECIPIENTS, description="1 to 50")
    calls_per_month: CallsPerMonth = _CALLS_PER_MONTH
    oneapi_notify_url: SecretStr | None = Field(
        None,
        validate_default=True,
        description="where AT&T is to call delivery status back: the address that `relay webhooks list` prints",
    )

    @field_validator("short_code", "registration_id", mode="before")
    @classmethod
    def _digits(cls, value: object) -> object:
        # TOML has numbers, and a short code looks like one.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("registration_id")
    @classmethod
    def _registration(cls, value: str, others: ValidationInfo) -> str:
        return value or others.data.get("short_code", "")

    @field_validator("oneapi_notify_url")
    @classmethod
    def _where_to_call(cls, url: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        chosen = {name: others.data.get(name) for name in ("dialect", "oneapi_body", "receipts")}
        if url is None and chosen == {"dialect": "oneapi", "oneapi_body": "gsma", "receipts": "callback"}:
            raise ValueError(
                "must be set: GSMA's request says where delivery status is called back; give the address that"
                ' `relay webhooks list` prints, or oneapi_body = "att" for the one that is registered at AT&T'
            )
        return url and SecretStr(checked_base_url(url.get_secret_value()))

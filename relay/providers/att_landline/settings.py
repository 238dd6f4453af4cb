"""A Landline Texting line's settings: the number, the session and the web hooks (contract, section 7)."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from relay.domain.addresses import AddressKind, outbound
from relay.providerkit.http import checked_base_url
from relay.providerkit.spec import LineSettings

Event = Literal["receive", "send", "progress", "read", "delete"]

MOST_RECIPIENTS = 15  # Landline documentation, Message/Send To Multiple Recipients

_BLANK = re.compile(r"\s")


def _as_e164(number: str) -> str:
    address = outbound(number)
    if address.kind is not AddressKind.E164:
        raise ValueError("must be a phone number: ten digits, or E.164 such as +1 and ten digits")
    return address.value


def _session(session: SecretStr | None) -> SecretStr | None:
    if session is not None and (not session.get_secret_value() or _BLANK.search(session.get_secret_value())):
        raise ValueError("must be the session key from AT&T's e-mail, without blanks")
    return session


def _password(password: SecretStr | None) -> SecretStr | None:
    if password is not None and not password.get_secret_value():
        raise ValueError("must be the password of `username`")
    return password


def _each_once(events: tuple[Event, ...]) -> tuple[Event, ...]:
    if len(set(events)) < len(events):
        raise ValueError("must name each event once")
    return events


class AttLandlineSettings(LineSettings):
    """What a line of Landline Texting needs.

    `session` does not expire (Landline documentation, MMS Send); AT&T sends it by e-mail. An account that has a user
    name and a password has `username` and `password` instead. `events` are the web hooks that relay installs.
    `contacts_as`: how recipients are written; the documentation's table asks for ten digits and all its samples use
    E.164. `scheduled_date_shift`: the documentation wants a scheduled time "converted to Pacific Time"; nobody has
    shown what that does to milliseconds since 1970, which are the same everywhere.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["att-landline"] = "att-landline"
    base_url: Annotated[str, AfterValidator(checked_base_url)] = "https://api-landlinetexting.att.com"
    number: Annotated[str, AfterValidator(_as_e164)]
    session: Annotated[SecretStr | None, AfterValidator(_session)] = Field(
        None, description="the session key from AT&T's e-mail"
    )
    username: str | None = Field(None, min_length=1, description="the account's user name, in place of a session")
    password: Annotated[SecretStr | None, AfterValidator(_password)] = Field(
        None, description="the password of `username`"
    )
    events: Annotated[tuple[Event, ...], AfterValidator(_each_once)] = ("receive", "send", "progress", "read", "delete")
    recipients_per_call: int = Field(default=MOST_RECIPIENTS, ge=1, le=MOST_RECIPIENTS)
    contacts_as: Literal["e164", "10digits"] = "e164"
    mms: bool = Field(
        default=True,
        description="media, and texts of over 250 bytes, are sent; false where AT&T has not enabled MMS on the line",
    )
    scheduling: Literal["relay", "provider"] = Field(
        "relay", description='"provider": a text with `send_at` is given to AT&T at once; it cannot be canceled then'
    )
    scheduled_date_shift: Literal["none", "pacific"] = Field(
        "none", description='"pacific": scheduled times are moved by the offset of Pacific Time'
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.session and (self.username or self.password):
            raise _unfit("session", "is given beside a user name or password", "keep one of the two ways in")
        if not self.session and not self.username and not self.password:
            raise _unfit("session", "is missing", "set session_file, or username and password_file")
        if not self.session and not self.username:
            raise _unfit("username", "is missing", "set the user name that the password belongs to")
        if not self.session and not self.password:
            raise _unfit("password", "is missing", "set password_file")
        return self


def _unfit(key: str, what: str, cure: str) -> PydanticCustomError:
    return PydanticCustomError("unfit", "{what}", {"key": key, "what": what, "cure": cure})

"""A Landline Texting line's settings: the number, the session and the web hooks (contract, section 7)."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

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


def _session(session: SecretStr) -> SecretStr:
    if not session.get_secret_value() or _BLANK.search(session.get_secret_value()):
        raise ValueError("must be the session key from AT&T's e-mail, without blanks")
    return session


def _each_once(events: tuple[Event, ...]) -> tuple[Event, ...]:
    if len(set(events)) < len(events):
        raise ValueError("must name each event once")
    return events


class AttLandlineSettings(LineSettings):
    """What a line of Landline Texting needs.

    `session` does not expire (Landline documentation, MMS Send); AT&T sends it by e-mail. `events` are the web hooks
    that relay installs. `contacts_as`: how recipients are written; the documentation's table asks for ten digits and
    all its samples use E.164.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["att-landline"] = "att-landline"
    base_url: Annotated[str, AfterValidator(checked_base_url)] = "https://api-landlinetexting.att.com"
    number: Annotated[str, AfterValidator(_as_e164)]
    session: Annotated[SecretStr, AfterValidator(_session)]
    events: Annotated[tuple[Event, ...], AfterValidator(_each_once)] = ("receive", "send", "progress", "read", "delete")
    recipients_per_call: int = Field(default=MOST_RECIPIENTS, ge=1, le=MOST_RECIPIENTS)
    contacts_as: Literal["e164", "10digits"] = "e164"

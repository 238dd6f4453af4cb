"""What every line's settings have: how its provider is called, and the rules that it sends by."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
)

from relay.domain.keywords import Keyword, keyword
from relay.providerkit.duration import Duration
from relay.rules.hours import SendingHours

# No name may look like a phone number: names stand in topics.
ALIAS = re.compile(r"(?!\d{10,}$)[a-z0-9][a-z0-9-]{0,31}")

_PATH_SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}")
_MOST_CALLS = 1_000_000_000


def _fits_into_a_path(secret: SecretStr) -> SecretStr:
    if not _PATH_SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("must be 16 to 128 of A-Z, a-z, 0-9, - and _: it stands in a path")
    return secret


def _group_name(group: str) -> str:
    if not ALIAS.fullmatch(group):
        raise ValueError("must be 1 to 32 of a-z, 0-9 and -, a letter or digit first, and no phone number")
    return group


def _hours_of(value: Any) -> SendingHours:
    if isinstance(value, SendingHours):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a text such as "mon-fri 08:00-21:00, sat 09:00-18:00"')  # noqa: TRY004 - pydantic tells ValueErrors
    return SendingHours.parse(value)


def _zone_of(value: Any) -> ZoneInfo:
    zone = value if isinstance(value, ZoneInfo) else _zone_named(str(value))
    if zone is None:
        raise ValueError(f"must be the name of a time zone: {_nearest_zone(str(value))}")
    return zone


def _zone_named(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such name, no name of a file, or a folder's
        return None


def _nearest_zone(name: str) -> str:
    """The cure for a name that no zone has; its city alone is enough to find it by."""
    known = {zone.casefold(): zone for zone in available_timezones()}
    known |= {zone.rpartition("/")[2].casefold(): zone for zone in sorted(known.values(), reverse=True)}
    close = get_close_matches(name.strip().replace(" ", "_").casefold(), known, n=1, cutoff=0.7)
    return f'did you mean "{known[close[0]]}"?' if close else 'IANA\'s, such as "America/New_York"'


def _worth_sending(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty: leave it out where nothing is to be answered")
    if keyword(text):
        raise ValueError("must be more than a keyword: two machines would answer each other for ever")
    return text


CallsPerMonth = Annotated[
    int | None,
    Field(ge=1, le=_MOST_CALLS, description="1 or more: at most so many calls a calendar month (UTC)"),
]
Reply = Annotated[str, AfterValidator(_worth_sending)]


class Replies(BaseModel):
    """The operator's answers to keywords, each sent to whoever texted one. Without any, relay answers nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stop: Reply | None = Field(None, repr=False, description="the one confirmation of an opt-out")
    start: Reply | None = Field(None, repr=False, description="the confirmation that they are texted again")
    help: Reply | None = Field(None, repr=False, description="who texts, and how to end it")

    @property
    def given(self) -> Mapping[Keyword, str]:
        """The texts that there are, by the keyword that they answer."""
        texts: dict[Keyword, str | None] = {"stop": self.stop, "start": self.start, "help": self.help}
        return {word: text for word, text in texts.items() if text is not None}


class LineSettings(BaseModel):
    """What every line's settings have; each provider adds its own (section 7 of the contract)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str
    base_url: str
    timeout: Duration = Field(15.0, ge=1.0, le=300.0, description="1s to 5m for a call and its answer")
    window: int = Field(8, ge=1, le=200, description="1 to 200 calls in flight at once")
    webhook_secret: Annotated[SecretStr, AfterValidator(_fits_into_a_path)] | None = Field(
        None, description="the secret level of web hooks' addresses; made and kept in the journal where none is given"
    )
    group: Annotated[str, AfterValidator(_group_name)] | None = Field(
        None, description='the lines that share opt-outs with this one, where optout.scope is "group"'
    )
    hours: Annotated[SendingHours, PlainValidator(_hours_of), PlainSerializer(str)] | None = Field(
        None, description="when the line may send, in the recipient's own time"
    )
    urgent_any_time: bool = Field(default=False, description='whether texts with "class": "urgent" pass the hours')
    zone: Annotated[ZoneInfo, BeforeValidator(_zone_of)] | None = Field(
        None, description="the time zone of recipients whose own is not known"
    )
    calls_per_second: float | None = Field(
        None, ge=0.01, le=1000, description="0.01 to 1000: at most so many calls begin in a second"
    )
    calls_per_day: int | None = Field(
        None, ge=1, le=_MOST_CALLS, description="1 or more: at most so many calls a day (UTC)"
    )
    calls_per_month: CallsPerMonth = None
    company: Duration = Field(
        0.0, ge=0, le=60, description="0s to 60s: how long a text waits for others with the same words"
    )
    replies: Replies = Replies()

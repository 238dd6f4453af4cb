"""The bodies of commands: what a client may write, field by field, and how a mistake is explained to it."""

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from relay.bus.payloads import as_json
from relay.domain.messages import MessageClass, OnUncertain, Priority

T = TypeVar("T")

METADATA_BYTES = 2048
MOST_MEDIA = 50  # attachments of a request: more than any provider takes
LONGEST_TTL = 366 * 86_400.0  # seconds
FARTHEST = timedelta(seconds=LONGEST_TTL)  # ahead of now that a time may lie: far beyond it the calendar ends

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}$"


def _wrong(words: str) -> PydanticCustomError:
    """A mistake in words of our own, which follow the field's name. They never hold what the client wrote."""
    return PydanticCustomError("relay", words)


def _one_or_many(value: Any) -> Any:
    if not isinstance(value, (str, list)):
        raise _wrong("should be a text or a list of texts")
    return [value] if isinstance(value, str) else value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise _wrong("should have printable characters only")
    return value


def _moment(value: Any, info: ValidationInfo) -> datetime:
    wrong = _wrong("should be a time with a zone, such as 2026-11-21T09:00:00-08:00")
    try:
        moment = datetime.fromisoformat(value)
        in_utc = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    if info.context is None or in_utc > info.context["now"] + FARTHEST:
        raise _wrong("should be at most 366 days ahead")
    return in_utc


def _duration(value: Any) -> float:
    wrong = _wrong("should be over 0 and at most 366d: seconds as a number, or text such as 30s, 10m, 2h, 1d")
    seconds = float("nan")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if value <= LONGEST_TTL else seconds
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds <= LONGEST_TTL:
        raise wrong
    return seconds


def _past(value: Any, info: ValidationInfo) -> datetime:
    wrong = _wrong("should be a time with a zone, such as 2026-11-21T09:00:00-08:00, or so long ago, such as 2h or 3d")
    now: datetime = (info.context or {})["now"]
    try:
        if isinstance(value, str) and not _DURATION.fullmatch(value):
            return min(_moment(value, info), now)
        return now - timedelta(seconds=_duration(value))
    except PydanticCustomError:
        raise wrong from None


def _base64(value: Any) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise _wrong("should be base64") from None


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(as_json(value)) > METADATA_BYTES:
        raise _wrong(f"should have at most {METADATA_BYTES} bytes as JSON")
    return value


RequestId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Ref = Annotated[str, Field(max_length=256), AfterValidator(_printable)]
Metadata = Annotated[dict[str, Any], AfterValidator(_small)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Past = Annotated[datetime, BeforeValidator(_past)]
Recipients = Annotated[list[str], BeforeValidator(_one_or_many), Field(min_length=1)]


class Body(BaseModel):
    """What every command's body has in common: no unknown field, no conversion, `null` means not given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    ref: Ref | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        known = set(field_names(cls))
        if not isinstance(value, dict):
            return value
        return {name: each for name, each in value.items() if each is not None or name not in known}


class MediaBody(BaseModel):
    """One attachment: its bytes, or the name of a file below the setting `media.folder`."""

    model_config = Body.model_config

    content_type: Annotated[str, Field(pattern=_MEDIA_TYPE)]
    filename: Annotated[str, Field(max_length=255), AfterValidator(_printable)] | None = None
    data: Annotated[bytes, BeforeValidator(_base64)] | None = None
    file: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_printable)] | None = None

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.data is None) is (self.file is None):
            raise _wrong("should have either `data` (base64) or `file` (below the setting `media.folder`)")
        return self


class SendBody(Body):
    """A send request (section 4 of the contract). Its validation's context is `{"now": …}`, an aware time."""

    id: RequestId | None = None
    to: Recipients
    text: str | None = None
    subject: str | None = None
    media: Annotated[list[MediaBody], Field(max_length=MOST_MEDIA)] = []
    group: bool = False
    send_at: Moment | None = None
    expires_at: Moment | None = None
    ttl: Annotated[float, BeforeValidator(_duration)] | None = None
    priority: Annotated[Priority, Field(strict=False)] = Priority.NORMAL
    receipts: bool = True
    on_uncertain: Annotated[OnUncertain, Field(strict=False)] = OnUncertain.HOLD
    message_class: Annotated[MessageClass, Field(strict=False, alias="class")] = MessageClass.NORMAL
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not (self.text and self.text.strip()) and not self.media:
            raise _wrong("`text` should have something to say, or `media` at least one attachment")
        if self.expires_at and self.ttl is not None:
            raise _wrong("`expires_at` and `ttl` exclude one another: give one of them")
        return self


class AboutBody(Body):
    """A command about an earlier request: `cancel`, `lookup`."""

    id: RequestId


class ListBody(Body):
    """A command to show a page of a subscriber's messages."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    unread: bool = False


class MailBody(Body):
    """A command about one message that the provider keeps: `get`, `delete`."""

    message_id: Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_printable)]


class UpdateBody(MailBody):
    """A command to mark a message."""

    is_unread: bool


class ReplayBody(Body):
    """A command to publish again: a time is one with a zone, or so long ago."""

    since: Past
    until: Past | None = None
    kinds: Annotated[list[Literal["result", "receipt", "message", "event"]], Field(max_length=4)] = []


def usable_id(value: Any) -> str | None:
    """`value`, if it may be a request's id."""
    return _checked(_REQUEST_ID, value)


def usable_ref(value: Any) -> str | None:
    """`value`, if it may be a `ref`."""
    return _checked(_REF, value)


def usable_metadata(value: Any) -> dict[str, Any] | None:
    """`value`, if it may be metadata."""
    return _checked(_METADATA, value)


def field_names(model: type[BaseModel]) -> list[str]:
    """The names that clients write."""
    return [field.alias or name for name, field in model.model_fields.items()]


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One mistake, by its field and what would be right; never what the client wrote in it."""
    mistakes = error.errors(include_url=False, include_input=False, include_context=False)
    # A misspelt name before all others: it is also why another field is missing.
    first = next((each for each in mistakes if each["type"] == "extra_forbidden"), mistakes[0])
    return _sentence(first, MediaBody if len(first["loc"]) > 1 else model)


_REQUEST_ID: TypeAdapter[str] = TypeAdapter(RequestId)
_REF: TypeAdapter[str] = TypeAdapter(Ref)
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)


def _checked(adapter: TypeAdapter[T], value: Any) -> T | None:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        return None


def _sentence(mistake: ErrorDetails, model: type[BaseModel]) -> str:
    *above, last = mistake["loc"] or ("",)
    if mistake["type"] == "extra_forbidden":
        near = get_close_matches(str(last), field_names(model), n=1)
        meant = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(field_names(model))}"
        return f"unknown field {_path([*above, last])}: {meant}"
    if mistake["type"] == "missing":
        return f"{_path([*above, last])} is required"
    words = re.sub(r"^(?:Input|String|List|Dictionary|Value) | after validation.*$", "", mistake["msg"])
    return f"{_path([*above, last])} {words}".lstrip()


def _path(places: list[int | str]) -> str:
    path = "".join(f"[{place}]" if isinstance(place, int) else f".{place}" for place in places).removeprefix(".")
    shown = "".join(char if char.isprintable() and char != "`" else "\ufffd" for char in path[:80])
    return f"`{shown}`" if shown else ""

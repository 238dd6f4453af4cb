"""The bodies of commands: what a client may write, field by field, and how a mistake is explained to it.

The JSON Schemas that clients are given (`relay schema send`) are made from these models.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
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
    WithJsonSchema,
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
_DURATION_SCHEMA: dict[str, Any] = {
    "type": ["string", "number"],
    "pattern": f"^{_DURATION.pattern}$",
    "exclusiveMinimum": 0,
    "maximum": LONGEST_TTL,
}
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


def _alike(json_schema: dict[str, Any]) -> WithJsonSchema:
    """How what a validator takes looks to a client."""
    return WithJsonSchema(json_schema, mode="validation")


_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}

RequestId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Ref = Annotated[str, Field(max_length=256), AfterValidator(_printable)]
Metadata = Annotated[dict[str, Any], AfterValidator(_small)]
Moment = Annotated[datetime, BeforeValidator(_moment), _alike({"type": "string", "format": "date-time"})]
Past = Annotated[datetime, BeforeValidator(_past), _alike({"type": "string"})]
Seconds = Annotated[float, BeforeValidator(_duration), _alike(_DURATION_SCHEMA)]
Bytes = Annotated[bytes, BeforeValidator(_base64), _alike({"type": "string", "contentEncoding": "base64"})]
Recipients = Annotated[
    list[str], BeforeValidator(_one_or_many), Field(min_length=1), _alike({"anyOf": [{"type": "string"}, _TEXTS]})
]


def _given(name: str, *types: str, **more: Any) -> dict[str, Any]:
    """The condition of a JSON Schema that a field is there; null is not."""
    return {"required": [name], "properties": {name: {"type": list(types), **more}}}


class Body(BaseModel):
    """What every command's body has in common: no unknown field, no conversion, `null` means not given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    ref: Ref | None = Field(None, description="Comes back in the result, for correlation.", examples=["my-ref-1"])

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict) or all(each is not None for each in value.values()):
            return value
        known = set(field_names(cls))
        return {name: each for name, each in value.items() if each is not None or name not in known}


class MediaBody(BaseModel):
    """One attachment: its bytes, or the name of a file below the setting `media.folder`."""

    model_config = Body.model_config | ConfigDict(
        json_schema_extra={"oneOf": [_given("data", "string"), _given("file", "string")]}
    )

    content_type: Annotated[str, Field(pattern=_MEDIA_TYPE)] = Field(
        description="Its media type.", examples=["image/png"]
    )
    filename: Annotated[str, Field(max_length=255), AfterValidator(_printable)] | None = Field(
        None, description="Its name for the recipient; that of `file` where it is not given.", examples=["map.png"]
    )
    data: Bytes | None = Field(None, description="Its bytes in base64.", examples=["aGVsbG8="])
    file: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_printable)] | None = Field(
        None, description="A file below the setting `media.folder`, in place of `data`.", examples=["maps/1234.png"]
    )

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.data is None) is (self.file is None):
            raise _wrong("should have either `data` (base64) or `file` (below the setting `media.folder`)")
        return self


class SendBody(Body):
    """A send request (section 4 of the contract). Its validation's context is `{"now": …}`, an aware time."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [_given("text", "string", pattern=r"\S"), _given("media", "array", minItems=1)],
            "not": {"allOf": [_given("expires_at", "string"), _given("ttl", "string", "number")]},
        }
    )

    id: RequestId | None = Field(
        None,
        description="The idempotency key, unique per line and client: published again, it sends nothing again.",
        examples=["order-1234-shipped"],
    )
    to: Recipients = Field(
        description="One recipient, or a list of them: E.164, ten digits of a US number, or `tel:` and these. In-App"
        " lines also take e-mail addresses and `short:` with a short code.",
        examples=[["+12065550123"], "2065550123"],
    )
    text: str | None = Field(
        None, description="The text. It is never altered or cut.", examples=["Your order is on its way."]
    )
    subject: str | None = Field(None, description="The subject, where the line sends any.", examples=["Lunch"])
    media: Annotated[list[MediaBody], Field(max_length=MOST_MEDIA)] = Field([], description="Attachments.")
    group: bool = Field(default=False, description="One conversation of all recipients (In-App).")
    send_at: Moment | None = Field(
        None, description="When to send; with its zone.", examples=["2026-11-21T09:00:00-08:00"]
    )
    expires_at: Moment | None = Field(
        None,
        description="What is not handed over by then is not sent; with its zone.",
        examples=["2026-11-21T18:00:00-08:00"],
    )
    ttl: Seconds | None = Field(
        None,
        description="In place of `expires_at`, counted from acceptance: seconds, or text such as 30s, 10m, 2h, 1d.",
        examples=["10m", 600],
    )
    priority: Annotated[Priority, Field(strict=False)] = Field(Priority.NORMAL, description="The lane in the queue.")
    receipts: bool = Field(default=True, description="Every receipt, or only the final one of each copy.")
    on_uncertain: Annotated[OnUncertain, Field(strict=False)] = Field(
        OnUncertain.HOLD,
        description="What to do where the provider may or may not have taken a copy: `hold` it for a person, `resend`"
        " it, or `fail` it.",
    )
    message_class: Annotated[MessageClass, Field(strict=False, alias="class")] = Field(
        MessageClass.NORMAL,
        description="`urgent` may pass the sending hours, where the line allows it; `compliance` lets one confirmation"
        " of an opt-out through.",
    )
    metadata: Metadata | None = Field(
        None,
        description=f"Comes back in every result and receipt; at most {METADATA_BYTES} bytes as JSON.",
        examples=[{"campaign": "42"}],
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not (self.text and self.text.strip()) and not self.media:
            raise _wrong("`text` should have something to say, or `media` at least one attachment")
        if self.expires_at and self.ttl is not None:
            raise _wrong("`expires_at` and `ttl` exclude one another: give one of them")
        return self


class AboutBody(Body):
    """A command about an earlier request: `cancel`, `lookup`."""

    id: RequestId = Field(description="The request's `id`.", examples=["order-1234-shipped"])


class ListBody(Body):
    """A command to show a page of a subscriber's messages."""

    limit: Annotated[int, Field(ge=1, le=500)] = Field(50, description="How many at most.")
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = Field(0, description="How many to leave out, from the newest.")
    unread: bool = Field(default=False, description="Only those that are unread.")


class MailBody(Body):
    """A command about one message that the provider keeps: `get`, `delete`."""

    message_id: Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_printable)] = Field(
        description="relay's id of the message, as published, or the provider's.", examples=["WU124"]
    )


class UpdateBody(MailBody):
    """A command to mark a message."""

    is_unread: bool = Field(description="Mark it as unread, or as read.", examples=[False])


class ReplayBody(Body):
    """A command to publish again: a time is one with a zone, or so long ago."""

    since: Past = Field(
        description="From when on: a time with its zone, or so long ago.", examples=["2h", "2026-11-21T09:00:00Z"]
    )
    until: Past | None = Field(None, description="Until when; now, where it is not given.", examples=["30m"])
    kinds: Annotated[list[Literal["result", "receipt", "message", "event"]], Field(max_length=4)] = Field(
        [], description="Of which kinds; of all, where none is given.", examples=[["message"]]
    )


BODIES: Mapping[str, type[Body]] = MappingProxyType(
    {
        "send": SendBody,
        "check": SendBody,
        "cancel": AboutBody,
        "lookup": AboutBody,
        "list": ListBody,
        "get": MailBody,
        "update": UpdateBody,
        "delete": MailBody,
        "replay": ReplayBody,
    }
)


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

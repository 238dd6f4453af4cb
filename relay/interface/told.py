"""What all models of relay's own words have in common: every field known, none converted, each with an example."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema


class Told(BaseModel):
    """Something that relay says. Closed, so that tests see what no model has; its schema is open to readers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Time = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

NOON, LATER = "2026-11-21T12:00:00.000Z", "2026-11-21T12:00:04.250Z"
MESSAGE_ID = "019abcde-7f00-7abc-8def-0123456789ab"
COPY_ID = f"{MESSAGE_ID}-0"


def says(description: str, *examples: Any, flag: bool | None = None) -> Any:
    """A field that is always there, with examples; `flag` is that of a yes or no."""
    return Field(description=description, examples=_shown(examples, flag))


def may_say(description: str, *examples: Any, flag: bool | None = None) -> Any:
    """A field that may be missing."""
    return Field(default=None, description=description, examples=_shown(examples, flag))


def _shown(examples: tuple[Any, ...], flag: bool | None) -> list[Any] | None:  # noqa: FBT001 - it is an example of one
    return [*examples, *([] if flag is None else [flag])] or None

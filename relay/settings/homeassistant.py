"""Whether Home Assistant is told of relay's lines, and whom it may text."""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from relay.settings.section import Section, unfit
from relay.settings.types import TopicBase, separated

_RECIPIENT = re.compile(r"(?P<name>[a-z0-9][a-z0-9_]{0,31})=(?P<number>\+[1-9][0-9]{6,14})")


def recipient(value: str) -> str:
    """A name and a number. Neither is repeated in an error.

    Raises:
        ValueError: it is none.
    """
    if not _RECIPIENT.fullmatch(value):
        raise ValueError('must be a name of a-z, 0-9 and _ and a number in full, such as "alice=+12065550123"')
    return value


_Recipients = Annotated[tuple[Annotated[str, AfterValidator(recipient)], ...], BeforeValidator(separated)]


class HomeAssistant(Section):
    """A device of Home Assistant for each line, by the discovery messages of its MQTT integration."""

    discovery: bool = Field(default=False, description="whether relay publishes them; false takes them away again")
    prefix: TopicBase = Field("homeassistant", max_length=64, description="Home Assistant's discovery prefix")
    recipients: _Recipients = Field(
        (),
        max_length=50,
        description='whom Home Assistant may text, such as "alice=+12065550123": a notify entity of every line that'
        " sends. The number stands in the retained discovery message, for whoever may read that",
    )

    @property
    def numbers(self) -> Mapping[str, str]:
        """Each recipient's number, by name."""
        found = (_RECIPIENT.fullmatch(each) for each in self.recipients)
        return {each["name"]: each["number"] for each in found if each}

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len(self.numbers) < len(self.recipients):
            raise unfit("recipients", "has a name twice", "give each recipient a name of its own")
        return self

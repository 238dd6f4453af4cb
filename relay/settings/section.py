"""What every table of the settings file is: closed to what is not listed, with refusals that name the cure."""

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A table of the settings file. What is not listed is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def unfit(key: str, what: str, cure: str) -> PydanticCustomError:
    """The refusal of the setting `key`, below the table that is being checked."""
    return PydanticCustomError("unfit", "{what}", {"key": key, "what": what, "cure": cure})

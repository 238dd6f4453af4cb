"""Durations in settings: "5m", "1h30m", "90s" or a number of seconds -> seconds."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")


def seconds_of(value: Any) -> float:
    """Seconds from a number, or from text such as "5m" or "1h30m".

    Raises:
        ValueError: it is neither; the text says what would be right.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text):  # the environment has no numbers but as text
        return float(text)
    if not _WHOLE.fullmatch(text):
        raise ValueError('must be a duration such as "30s", "5m" or "1h30m", or a number of seconds')
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def spoken(seconds: float) -> str:
    """Seconds as people write them in settings: "5m", "1h30m"."""
    parts, rest = [], round(seconds)
    for unit in "dhms":
        count, rest = divmod(rest, int(_UNITS[unit]))
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts) or "0s"


Duration = Annotated[float, BeforeValidator(seconds_of)]

"""Numbers as AT&T's services take them: one canonical form for the simulator's own books."""

import re
from urllib.parse import unquote

_SCHEME = re.compile(r"^(?:tel:|ptn:/?)", re.IGNORECASE)
_US = re.compile(r"^(?:\+?1)?(\d{10})$")
_ABROAD = re.compile(r"^\+(?!1)\d{8,15}$")


def e164(address: str) -> str | None:
    """`+1…` for any form of a US number that the documents show, E.164 for others; None for what is neither.

    Percent-encoding, `tel:` and `ptn:/` are taken off first.
    """
    bare = _SCHEME.sub("", unquote(address).strip())
    if us := _US.match(bare):
        return f"+1{us[1]}"
    return bare if _ABROAD.match(bare) else None


def ten_digits(number: str) -> str:
    """A US number without `+1`; others without their `+`."""
    return number.removeprefix("+1") if number.startswith("+1") else number.removeprefix("+")

"""How long a text is in the air: GSM-7, Latin-1 or UCS-2, and the segments it is cut into.

The tables and the sizes are those of 3GPP TS 23.038 and TS 23.040.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Encoding(StrEnum):
    """A character set that a text can travel in."""

    GSM7 = "gsm-7"
    LATIN1 = "latin-1"
    UCS2 = "ucs-2"


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A text as SMS: `units` are septets in GSM-7 and 16-bit units in UCS-2; `segments` is what carriers bill."""

    encoding: Encoding
    units: int
    segments: int


def segmentation(text: str) -> Segmentation:
    """How `text` goes out: in GSM-7 if every character fits, else in UCS-2. An empty text is one segment."""
    if not _GSM7.issuperset(text):
        utf16 = text.encode("utf-16-be", "surrogatepass")
        units = len(utf16) // 2
        return Segmentation(Encoding.UCS2, units, _segments(units, 70, 67, lambda at: _is_pair(utf16, at)))
    septets = text.translate(_ESCAPED)
    segments = _segments(len(septets), 160, 153, lambda at: septets[at] == _ESCAPE)
    return Segmentation(Encoding.GSM7, len(septets), segments)


def fits_latin1(text: str) -> bool:
    """Whether every character of `text` is in ISO 8859-1."""
    return max(text, default="") <= "\xff"


def one_byte_units(text: str) -> int:
    """The length of `text` in the "one-byte characters" that AT&T limits to 4096 (SMS documentation, Send SMS).

    A character of Latin-1 counts one, one of GSM-7 its septets; a text that fits neither counts two for each
    16-bit unit, the plain characters in it included.
    """
    if fits_latin1(text):
        return len(text)
    in_air = segmentation(text)
    return in_air.units if in_air.encoding is Encoding.GSM7 else 2 * in_air.units


def has_lone_surrogate(text: str) -> bool:
    """Whether `text` holds half a character, which no provider and no UTF-8 can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


_ESCAPE = "\x1b"
# The default alphabet in the order of its codes, 0x00 to 0x7F, without the escape at 0x1B.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"  # each goes out as an escape and a second septet
_GSM7 = frozenset(_BASIC + _EXTENSION)
_ESCAPED = str.maketrans({char: _ESCAPE + char for char in _EXTENSION})


def _segments(units: int, alone: int, part: int, joined_to_next: Callable[[int], bool]) -> int:
    """Into how many parts `units` are cut, where two that are joined stay together."""
    if units <= alone:
        return 1
    count, start = 0, 0
    while start < units:
        start += part
        if start < units and joined_to_next(start - 1):
            start -= 1
        count += 1
    return count


def _is_pair(utf16: bytes, at: int) -> bool:
    """Whether the 16-bit units at `at` and after it are the halves of one character."""
    return utf16[2 * at] & 0xFC == 0xD8 and utf16[2 * at + 2] & 0xFC == 0xDC  # noqa: PLR2004 - UTF-16's own marks

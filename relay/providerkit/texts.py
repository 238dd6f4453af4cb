"""An MMS with its parts fetched -> the same with its text: what was written is a part of it like any other."""

from dataclasses import replace

from relay.domain.mailbox import Mail
from relay.domain.messages import Part

_TEXT = "text/plain"
_USUAL = "utf-8"


def with_text(mail: Mail) -> Mail:
    """The message; where it has no text of its own, the text of its plain text parts, one line each.

    The parts stay what they are. A part that is kept elsewhere, or could not be had, says nothing here.
    """
    if mail.text:
        return mail
    texts = [_decoded(part) for part in mail.parts if is_text(part) and part.data is not None]
    return replace(mail, text="\n".join(texts)) if texts else mail


def is_text(part: Part) -> bool:
    """Whether a part is a plain text."""
    return part.content_type.partition(";")[0].strip().lower() == _TEXT


def _decoded(part: Part) -> str:
    data = part.data or b""
    try:
        return data.decode(_charset(part), errors="replace")
    except (LookupError, ValueError):
        return data.decode(_USUAL, errors="replace")


def _charset(part: Part) -> str:
    for parameter in part.content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"') or _USUAL
    return _USUAL

"""What is checked before an MMS is taken (Landline document, MMS Send)."""

import re
from collections.abc import Callable, Sequence

from relay.providerkit.simulated import Fate, World
from relay.providerkit.simulated.numbers import e164
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.simulator.failures import MmsError, TooLarge
from relay.providers.att_landline.simulator.forms import Form
from relay.providers.att_landline.simulator.sending import Asked

_TYPES = frozenset(("image/bmp", "image/gif", "image/jpeg", "image/png", "text/plain"))
_FILE_FIELD = re.compile(r"(?:image|file)\d{0,2}")
_E164 = re.compile(r"\+\d{8,15}")
_MOST_BYTES = 700
_MOST_PAYLOAD = 600_000

Forbidden = Callable[[str], None]


def read_mms(form: Form, world: World, *, enabled: bool) -> Asked:
    """What the request asks for; raises MmsError, TooLarge, and records what the document forbids."""

    def forbidden(what: str) -> None:
        world.violations.record("att-landline", "mms", what)

    body = form.fields.get("body", "")
    size = len(body.encode(errors="surrogatepass"))
    payload = size + sum(len(file.data) for file in form.files)
    if payload > _MOST_PAYLOAD:
        forbidden(f"a payload of {payload} bytes; right is 600 kB at most")
        raise TooLarge
    if size > _MOST_BYTES:
        forbidden(f"a body of {size} bytes; right is 700 at most")
        raise MmsError("Message body is too long.")
    if not enabled:
        raise MmsError("MMS is not enabled for this line.")
    if not body and not form.files:
        raise MmsError("Message must have a body or an attachment.")
    _check_files(form.files, forbidden)
    return Asked([_number(form.fields.getall("to", []), world, forbidden)], body, None, form.files)


def _check_files(files: Sequence[FilePart], forbidden: Forbidden) -> None:
    for file in files:
        if not _FILE_FIELD.fullmatch(file.name):
            forbidden("a file in a field of another name; right is image, image1 and on, or file")
        if file.content_type.partition(";")[0].strip().lower() not in _TYPES:
            forbidden(f"a file of a type that is not sent; right is {', '.join(sorted(_TYPES))}")
            raise MmsError("Unsupported attachment type.")


def _number(asked: Sequence[str], world: World, forbidden: Forbidden) -> str:
    to = asked[0] if asked else ""
    number = e164(to) if _E164.fullmatch(to) else None
    if len(asked) != 1 or not number:
        forbidden("`to` is no number; right is one number in E.164")
    if len(asked) != 1 or not number or world.handset.fate(number) is Fate.INVALID:
        # The document's sample, with the line break that it has in the text.
        raise MmsError(
            f"Invalid recipients. Invalid phone numbers: {', '.join(asked)}.\n      "
            "Phone numbers should be in e164 format."
        )
    return number

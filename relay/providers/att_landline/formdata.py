"""Files -> a `multipart/form-data` body (RFC 7578). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})  # as browsers do, and the HTML standard says


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file under the name of its form field."""

    name: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)


def form_data(files: Sequence[FilePart]) -> tuple[str, bytes]:
    """The Content-Type and the body that carry `files`, in their order."""
    boundary = _boundary(files)
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, _head(file), file.data) for file in files)
    return f"multipart/form-data; boundary={boundary.decode()}", body + b"--%s--\r\n" % boundary


def _boundary(files: Sequence[FilePart]) -> bytes:
    # A digest of all that is in the files cannot be in one of them, for all that anybody can do.
    digest = sha256()
    for file in files:
        digest.update(file.data)
    return b"relay-" + digest.hexdigest()[:40].encode()


def _head(file: FilePart) -> bytes:
    disposition = f'form-data; name="{file.name}"; filename="{file.filename.translate(_ESCAPES)}"'
    return f"Content-Disposition: {disposition}\r\nContent-Type: {file.content_type}".encode(errors="replace")

"""`GET /media/<token>`: a kept attachment, handed out to whoever knows its address, for as long as it is kept."""

import asyncio
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from aiohttp import web

from relay.journal import KeptMedia
from relay.mediastore import PATH, MediaStore

_PIECE = 64 * 1024  # bytes that are read and written at once
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_LONGEST_NAME = 120  # characters
_TYPES = mimetypes.MimeTypes()  # Python's own table: the system's would be read in the event loop
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._()+-]")
_HEADERS = {
    # An attachment is somebody else's: no browser is to show it as a page of ours, or to guess what it is.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private",
}


@dataclass(frozen=True, slots=True)
class MediaRoute:
    """Answers requests for attachments.

    Args:
        media: what is kept.
        within: seconds that a caller may take to receive one.
    """

    media: MediaStore
    within: float = 120.0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer; None where this is not the address of anything that is kept."""
        path = request.rel_url.raw_path
        if request.method not in {"GET", "HEAD"} or not path.startswith(PATH):
            return None
        found = await self.media.find(path.removeprefix(PATH))
        file = await asyncio.to_thread(_opened, found[1]) if found else None
        if not found or not file:
            return None
        try:
            return await self._sent(request, found[0], file)
        finally:
            await asyncio.to_thread(file.close)

    async def _sent(self, request: web.BaseRequest, kept: KeptMedia, file: IO[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={**_HEADERS, **_described(kept)})
        response.content_length = kept.bytes
        try:
            async with asyncio.timeout(self.within):
                await response.prepare(request)
                while request.method == "GET" and (piece := await asyncio.to_thread(file.read, _PIECE)):
                    await response.write(piece)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response


def _opened(file: Path) -> IO[bytes] | None:
    try:
        return file.open("rb")
    except FileNotFoundError:  # it has expired this very moment
        return None


def _described(kept: KeptMedia) -> dict[str, str]:
    content_type = kept.content_type if _TYPE.fullmatch(kept.content_type) else "application/octet-stream"
    return {"Content-Type": content_type, "Content-Disposition": f"attachment{_named(kept.filename, content_type)}"}


def _named(filename: str | None, content_type: str) -> str:
    """The name to save it under: the sender's, without whatever could lead elsewhere (RFC 6266)."""
    name = re.split(r"[/\\]", filename or "")[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip(" .")[-_LONGEST_NAME:]
    name = name or f"attachment{_TYPES.guess_extension(content_type) or ''}"
    return f"; filename=\"{_UNSAFE.sub('_', name)}\"; filename*=UTF-8''{quote(name, safe='')}"

"""The folder that requests may take attachments from, by name."""

import asyncio
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Media


@dataclass(frozen=True, slots=True)
class MediaFolder:
    """The setting `media.folder`, and how large a file in it may be.

    Attributes:
        path: the folder; None: requests have to bring their attachments themselves.
        most_bytes: of one file, and of all files of a request together.
    """

    path: Path | None = None
    most_bytes: int = 10 * 1024 * 1024

    async def filled(self, media: Sequence[Media]) -> tuple[Media, ...]:
        """The attachments with their bytes; raises Refused where a file cannot be taken."""
        if all(each.file is None for each in media):
            return tuple(media)
        return tuple(await asyncio.to_thread(self._all, tuple(media)))

    def _all(self, media: Sequence[Media]) -> list[Media]:
        found, left = [], self.most_bytes
        for place, each in enumerate(media):
            filled = each if each.file is None else self._one(place, each, each.file, left)
            left -= 0 if each.file is None else len(filled.data)
            found.append(filled)
        return found

    def _one(self, place: int, media: Media, name: str, most: int) -> Media:
        field = f"`media[{place}].file`"
        if self.path is None:
            detail = f"{field}: no folder is set for it (media.folder); send the attachment as `data`"
            raise _refused(ErrorCode.UNSUPPORTED_MEDIA, detail)
        try:
            data = _content(self.path.resolve(), name, most + 1)
        except (OSError, RuntimeError, ValueError):  # Python has one for a link to itself, and one for a NUL
            detail = f"{field}: there is no such file below media.folder, or relay's user may not read it"
            raise _refused(ErrorCode.INVALID_REQUEST, detail) from None
        if len(data) > most:
            whose = "has" if most == self.most_bytes else "and the files before it have"
            raise _refused(ErrorCode.TOO_LARGE, f"{field}: {whose} more than {self.most_bytes} bytes (media.max_part)")
        return replace(media, data=data, file=None, filename=media.filename or Path(name).name)


def _content(root: Path, name: str, most: int) -> bytes:
    """The beginning of the file `name` below `root`; raises OSError where there is none."""
    # Resolved, so that neither `..` nor a link leads out of the folder ...
    found = (root / name).resolve()
    if not found.is_relative_to(root):
        raise FileNotFoundError
    here = _opened(root, found.relative_to(root).parts)
    try:
        if not stat.S_ISREG(os.fstat(here).st_mode):
            raise FileNotFoundError
        with os.fdopen(here, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(here)


def _opened(root: Path, parts: Sequence[str]) -> int:
    """A descriptor of the file with this path, opened step by step and never through a link.

    Whoever may write into the folder could put one there after it was looked at, or a pipe that nobody writes to.
    """
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        try:
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))

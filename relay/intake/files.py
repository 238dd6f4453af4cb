"""The folder that requests may take attachments from, by name."""

import asyncio
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
        most_bytes: of one file.
    """

    path: Path | None = None
    most_bytes: int = 10 * 1024 * 1024

    async def filled(self, media: Sequence[Media]) -> tuple[Media, ...]:
        """The attachments with their bytes; raises Refused where a file cannot be taken."""
        if all(each.file is None for each in media):
            return tuple(media)
        return tuple(await asyncio.to_thread(self._all, tuple(media)))

    def _all(self, media: Sequence[Media]) -> list[Media]:
        return [each if each.file is None else self._one(place, each, each.file) for place, each in enumerate(media)]

    def _one(self, place: int, media: Media, name: str) -> Media:
        field = f"`media[{place}].file`"
        if self.path is None:
            detail = f"{field}: no folder is set for it (media.folder); send the attachment as `data`"
            raise _refused(ErrorCode.UNSUPPORTED_MEDIA, detail)
        try:
            data = _content(self.path.resolve(), name, self.most_bytes + 1)
        except OSError:
            detail = f"{field}: there is no such file below media.folder, or relay's user may not read it"
            raise _refused(ErrorCode.INVALID_REQUEST, detail) from None
        if len(data) > self.most_bytes:
            raise _refused(ErrorCode.TOO_LARGE, f"{field}: has more than {self.most_bytes} bytes (media.max_part)")
        return replace(media, data=data, file=None, filename=media.filename or Path(name).name)


def _content(root: Path, name: str, most: int) -> bytes:
    """The beginning of the file `name` below `root`; raises OSError where there is none."""
    # Resolved, so that neither `..` nor a link leads out of the folder.
    found = (root / name).resolve()
    if not found.is_relative_to(root) or not found.is_file():
        raise FileNotFoundError
    with found.open("rb") as file:
        return file.read(most)


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))

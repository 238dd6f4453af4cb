"""Attachments of messages that came in: fetched, and kept in files below a folder where they are too large for the bus.

A file's name is the secret part of its address, and the journal knows until when it may be had. What the journal does
not know, after a crash in between, is deleted.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from relay.clock import Clock
from relay.domain.errors import ErrorCode, NotAuthorized, OutcomeUnknown, Problem, Refused, RelayError, TryLater
from relay.domain.mailbox import Mail
from relay.domain.messages import Part
from relay.ids import unguessable
from relay.journal import Journal, JournalError, KeptMedia
from relay.providerkit.spec import FetchesParts, Line
from relay.providerkit.texts import is_text, with_text

log = structlog.get_logger()

PATH = "/media/"
PURGED_AT_ONCE = 200
_SWEEP_AGAIN = timedelta(hours=1)
LONGEST_TEXT = 16 * 1024  # bytes of a plain text part that is read as the message's own, however little travels inline
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_UNFINISHED = ".part"  # how the name of a file ends that is still being written
_UNKNOWN_TYPE = "application/octet-stream"


class PartsLine(Line, FetchesParts, Protocol):
    """A line whose attachments are fetched."""


@dataclass(slots=True)
class MediaStore:
    """Fetches attachments and keeps the large ones.

    Args:
        directory: where their files are; only relay's user may enter it.
        journal: knows what is kept, and until when.
        clock: relay's time.
        inline_max: bytes of an attachment that is still carried in its message.
        max_part: bytes of an attachment that is taken at all.
        lifetime: seconds for which a file is kept.
        address: the beginning of the addresses that files are handed out under, without a slash at its end.
        spares: seconds of age below which a file that the journal does not know may be one that another node writes.
    """

    directory: Path
    journal: Journal
    clock: Clock
    inline_max: int = field(kw_only=True)
    max_part: int = field(kw_only=True)
    lifetime: float = field(kw_only=True)
    address: str = field(kw_only=True)
    spares: float = field(kw_only=True, default=0.0)
    _being_kept: set[str] = field(default_factory=set, init=False, repr=False)
    _swept_at: datetime | None = field(default=None, init=False)
    _strangers: frozenset[str] = field(default=frozenset(), init=False, repr=False)

    async def gather(self, line: PartsLine, mail: Mail, *, patient: bool = True) -> Mail:
        """The message with every attachment fetched, kept, or said to be lost, and with its text (see `with_text`).

        Args:
            line: whose message it is.
            mail: the message.
            patient: whether what cannot be had now may come later; otherwise it is given up, with its problem.

        Raises:
            TryLater: some of it may come later; nothing is kept until then.
            NotAuthorized: nothing is to be asked of the provider now.
        """
        gathering = _Gathering(self, line, mail, is_patient=patient)
        try:
            parts = tuple(await gathering.parts())
            text = with_text(replace(mail, parts=tuple(gathering.texts))).text
            return replace(mail, parts=parts, has_parts=False, text=text)
        except (RelayError, JournalError, asyncio.CancelledError):
            await self.drop(gathering.kept)
            raise

    async def keep(self, line: str, part: Part, data: bytes) -> Part:
        """Keep the bytes of a line's attachment in a file; gives it with its address.

        Raises:
            TryLater: they cannot be kept now, as when the disk is full.
        """
        token = unguessable()
        whole = replace(part, token=token, href=f"{self.address}{PATH}{token}")
        self._being_kept.add(token)
        try:
            await asyncio.to_thread(_write, self.directory, token, data)
            await self.journal.media.keep(line, whole, self.clock.now() + timedelta(seconds=self.lifetime))
        except OSError as error:
            log.error("media.unkept", line=line, reason=os.strerror(error.errno or 0))
            raise TryLater(Problem(ErrorCode.INTERNAL, "relay cannot keep the attachment: see its log")) from None
        except JournalError:
            # A disk that is full must not be filled with what nobody will ever ask for.
            await asyncio.to_thread(_delete, self.directory, [token])
            raise
        finally:
            self._being_kept.discard(token)
        return whole

    async def find(self, token: str) -> tuple[KeptMedia, Path] | None:
        """What is kept under `token`, and its file; None where there is nothing, or nothing any more."""
        kept = await self.journal.media.find(token) if _TOKEN.fullmatch(token) else None
        if kept is None or kept.expires_at <= self.clock.now():
            return None
        file = self.directory / token
        return (kept, file) if await asyncio.to_thread(file.is_file) else None

    async def purge(self) -> int:
        """Delete what has expired, and at the first call what nobody knows; as long as it gives not 0, more may be.

        Among nodes what nobody knows is looked for again and again: another node may have dropped it from the journal.
        """
        now, swept = self.clock.now(), 0
        if self._swept_at is None or (self._is_shared and now - self._swept_at >= _SWEEP_AGAIN):
            self._swept_at, swept = now, await self._sweep()
        expired = await self.journal.media.expired(PURGED_AT_ONCE)
        await self.drop(expired)
        return swept + len(expired)

    async def drop(self, tokens: Sequence[str]) -> None:
        """Delete these, whatever their time; those that are gone already are no matter."""
        tokens = [token for token in tokens if _TOKEN.fullmatch(token)]
        if tokens:
            # The files first: a row without its file is found again, a file without its row only at the next start.
            await asyncio.to_thread(_delete, self.directory, tokens)
            await self.journal.media.drop(tokens)

    async def _sweep(self) -> int:
        """Delete the files that the journal does not know: relay fell before it could write them down."""
        names = await asyncio.to_thread(_names, self.directory, self.spares)
        orphans = [name for name in names if not await self._is_known(name)]
        if self._is_shared:
            # Where nodes share the folder, another one may be about to write it down: it has the time of two looks.
            orphans, self._strangers = [name for name in orphans if name in self._strangers], frozenset(orphans)
        await asyncio.to_thread(_delete, self.directory, orphans)
        if orphans:
            log.info("media.swept", files=len(orphans))
        return len(orphans)

    @property
    def _is_shared(self) -> bool:
        return self.journal.nodes.is_shared

    async def _is_known(self, name: str) -> bool:
        if name.removesuffix(_UNFINISHED) in self._being_kept:
            return True
        return bool(_TOKEN.fullmatch(name)) and await self.journal.media.find(name) is not None


@dataclass(slots=True)
class _Gathering:
    """The attachments of one message, one after the other; `kept` are the files that were made for them."""

    store: MediaStore
    line: PartsLine
    mail: Mail
    is_patient: bool
    kept: list[str] = field(default_factory=list)
    texts: list[Part] = field(default_factory=list)  # that are the message's own, wherever they are kept

    async def parts(self) -> list[Part]:
        return [await self._had(part) for part in await self._listed()]

    async def _listed(self) -> Sequence[Part]:
        if not self.mail.has_parts:
            return self.mail.parts
        try:
            return await self.line.list_parts(self.mail.ref or "")
        except RelayError as error:
            return [Part(_UNKNOWN_TYPE, problem=self._given_up(error))]

    async def _had(self, part: Part) -> Part:
        if part.ref is None:
            self.texts.append(part)
            return part
        try:
            data = await self._fetched(part)
            return await self._placed(replace(part, ref=None, size=len(data)), data)
        except RelayError as error:
            return replace(part, ref=None, problem=self._given_up(error))

    async def _fetched(self, part: Part) -> bytes:
        most = self.store.max_part
        data = b"" if (part.size or 0) > most else await self.line.fetch_part(self.mail.ref or "", part)
        if max(part.size or 0, len(data)) > most:
            raise Refused(Problem(ErrorCode.TOO_LARGE, f"the attachment has more than {most} bytes (media.max_part)"))
        return data

    async def _placed(self, part: Part, data: bytes) -> Part:
        whole = replace(part, data=data)
        if is_text(part) and len(data) <= max(self.store.inline_max, LONGEST_TEXT):
            self.texts.append(whole)
        if len(data) <= self.store.inline_max:
            return whole
        placed = await self.store.keep(self.line.alias, part, data)
        self.kept.append(placed.token or "")
        return placed

    def _given_up(self, error: RelayError) -> Problem:
        """Why something cannot be had; raises the error where that is not said yet."""
        if isinstance(error, NotAuthorized) or (self.is_patient and isinstance(error, TryLater)):
            raise error
        if self.is_patient and isinstance(error, OutcomeUnknown):
            raise TryLater(error.problem)
        return error.problem


def _write(directory: Path, name: str, data: bytes) -> None:
    """Write a file as a whole, on disk when this returns: under another name first, so that no half of it is seen."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = directory / f"{name}{_UNFINISHED}"
    try:
        with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123 - pathlib cannot open a file that only its owner may read
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(directory / name)
        _sync(directory)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def _sync(directory: Path) -> None:
    """Have the names in a folder on disk."""
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _delete(directory: Path, names: Sequence[str]) -> None:
    for name in names:
        (directory / name).unlink(missing_ok=True)


def _names(directory: Path, spares: float) -> list[str]:
    """The files of a folder that are the store's own by their names, and older than so many seconds."""
    found = [file for file in directory.iterdir() if file.is_file()] if directory.is_dir() else []
    own = [file for file in found if _TOKEN.fullmatch(file.name.removesuffix(_UNFINISHED))]
    return [file.name for file in (_older(own, spares) if spares else own)]


def _older(files: Sequence[Path], seconds: float) -> list[Path]:
    """Those that are older than the newest, by so many seconds of the clock of their own file system."""
    written: dict[Path, float] = {}
    for file in files:
        with suppress(FileNotFoundError):  # another node may delete them
            written[file] = file.stat().st_mtime
    newest = max(written.values(), default=0.0)
    return [file for file, at in written.items() if at <= newest - seconds]

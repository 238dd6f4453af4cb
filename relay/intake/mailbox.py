"""command -> provider -> answer: a subscriber's messages are listed, shown, marked and deleted.

Unlike a text, such a command may be done twice: so it is done first and answered then, and one that the broker
delivers again after a crash is simply done again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, assert_never

from relay.bus.payloads import timestamp
from relay.bus.requests import DeleteCommand, GetCommand, ListCommand, MailboxCommand, UpdateCommand
from relay.domain.errors import ErrorCode, Problem, Refused, RelayError
from relay.domain.mailbox import MailEntry, MailPage, StoredMail
from relay.journal import Answer, Journal, message_body
from relay.lines import Doings
from relay.mediastore import MediaStore
from relay.providerkit.spec import Line, ManagesMailbox

AT_ONCE = 8  # commands of one line: a provider that hangs holds up no other line's commands


class ManagedLine(Line, ManagesMailbox, Protocol):
    """A line whose messages can be looked at and changed on request."""


class MailboxDesk:
    """Does what is asked of the message stores.

    Args:
        lines: every line, by alias.
        journal: where answers are written down.
        store: keeps attachments that are too large for an answer.
        doings: what is done with lines meanwhile.
    """

    def __init__(
        self, lines: Mapping[str, Line], journal: Journal, store: MediaStore, doings: Doings | None = None
    ) -> None:
        self._doings = doings or Doings()
        self._lines = lines
        self._journal = journal
        self._store = store
        self._busy: Counter[str] = Counter()

    async def take(self, command: MailboxCommand) -> Answer:
        """Do it, and answer; what goes wrong is the answer."""
        asked, commands = command.asked, self._journal.commands
        try:
            with self._room(asked.line):
                async with self._doings.on(asked.line):
                    known = await self._done(self._line(asked.line), command)
        except RelayError as error:
            return await commands.reject(asked.line, asked.client, None, asked.ref, error.problem, asked.reply)
        outcome = "found" if isinstance(command, ListCommand | GetCommand) else "done"
        return await commands.told(asked.line, asked.client, asked.ref, asked.reply, outcome, **known)

    def _line(self, alias: str) -> ManagedLine:
        line = self._lines.get(alias)
        if line is None:
            detail = "there is no such line here; `relay status` lists the lines"
            raise Refused(Problem(ErrorCode.UNKNOWN_LINE, detail))
        if not isinstance(line, ManagesMailbox):
            detail = "this line has no message store to ask: its messages are only published as they come"
            raise Refused(Problem(ErrorCode.UNSUPPORTED, detail))
        return line

    @contextmanager
    def _room(self, line: str) -> Iterator[None]:
        if self._busy[line] >= AT_ONCE:
            detail = f"{AT_ONCE} commands about this line's messages are under way: try again"
            raise Refused(Problem(ErrorCode.QUEUE_FULL, detail))
        self._busy[line] += 1
        try:
            yield
        finally:
            self._busy[line] -= 1

    async def _done(self, line: ManagedLine, command: MailboxCommand) -> dict[str, Any]:
        alias = command.asked.line
        self._journal.limits.count(alias, "mailbox")
        match command:
            case ListCommand():
                return {"page": _page(await line.list_mail(command.offset, command.limit, unread=command.unread))}
            case GetCommand():
                found = await line.get_mail(await self._ref(alias, command))
                whole = await self._store.gather(line, found.mail, patient=False)
                return {"message": _message(replace(found, mail=whole))}
            case UpdateCommand():
                await line.update_mail(await self._ref(alias, command), is_unread=command.is_unread)
            case DeleteCommand():
                await line.delete_mail(await self._ref(alias, command))
            case _:
                assert_never(command)
        return {}

    async def _ref(self, line: str, command: GetCommand | UpdateCommand | DeleteCommand) -> str:
        """The provider's id: users may say relay's, which they know from what was published."""
        return await self._journal.mailbox.ref_of(line, command.message_id) or command.message_id


def _page(page: MailPage) -> dict[str, Any]:
    entries = [_entry(entry) for entry in page.entries]
    return {"messages": entries, "total": page.total, "offset": page.offset}


def _entry(entry: MailEntry) -> dict[str, Any]:
    time = timestamp(entry.time) if entry.time else None
    return {"message_id": entry.ref, "is_unread": entry.is_unread, "is_incoming": entry.is_incoming, "time": time}


def _message(found: StoredMail) -> dict[str, Any]:
    entry = found.entry
    shown = message_body(entry.ref, found.mail)
    return {**shown, "is_unread": entry.is_unread, "is_incoming": entry.is_incoming}

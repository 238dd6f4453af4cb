"""command -> journal: each kind of command to the one who does it; whatever goes wrong is the command's answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from relay.bus.commands import read_command, unanswered
from relay.bus.delivery import Delivery
from relay.bus.requests import (
    BadCommand,
    CancelCommand,
    CheckCommand,
    CommandRules,
    LookupCommand,
    SendCommand,
)
from relay.clock import Clock
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import SendRequest
from relay.intake.files import MediaFolder
from relay.intake.mailbox import MailboxDesk
from relay.intake.sending import judged
from relay.journal import Answer, Journal
from relay.mediastore import MediaStore
from relay.providerkit.spec import Line

# A copy ends even where nobody set an expiry and its line never comes back: after as long as AT&T itself would try.
UNASKED_TTL = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Intake:
    """Understands commands and writes them down.

    Args:
        lines: every line, by alias.
        journal: where commands and their answers are written down.
        clock: relay's time.
        rules: the limits of a command.
        store: keeps the attachments of messages that are shown.
        folder: where requests may take attachments from.
    """

    lines: Mapping[str, Line]
    journal: Journal
    clock: Clock
    rules: CommandRules
    store: MediaStore
    folder: MediaFolder = field(default_factory=MediaFolder)
    _mailboxes: MailboxDesk = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mailboxes", MailboxDesk(self.lines, self.journal, self.store))

    async def take(self, delivery: Delivery) -> Answer:
        """The answer to a command; it is on disk, and on its way to the bus, when this returns."""
        commands = self.journal.commands
        match read_command(delivery, self.clock.now(), self.rules):
            case SendCommand() as asked:
                return await self._send(asked)
            case CheckCommand() as asked:
                return await self._check(asked)
            case LookupCommand() as asked:
                return await commands.lookup(asked.line, asked.client, asked.key, asked.ref, asked.reply)
            case CancelCommand() as asked:
                return await commands.cancel(asked.line, asked.client, asked.key, asked.ref, asked.reply)
            case BadCommand() as bad:
                return await self._answer(bad)
            case mailbox:
                return await self._mailboxes.take(mailbox)

    async def give_up(self, delivery: Delivery) -> Answer:
        """Answer a command that relay itself fails at, so that it is not delivered again, to fail again."""
        problem = Problem(ErrorCode.INTERNAL, "relay failed at this command: its log says how")
        return await self._answer(unanswered(delivery, self.clock.now(), problem))

    async def _answer(self, bad: BadCommand) -> Answer:
        return await self.journal.commands.reject(
            bad.line, bad.client, bad.request_id, bad.ref, bad.problem, bad.reply, bad.metadata
        )

    async def _send(self, asked: SendCommand) -> Answer:
        try:
            request = await self._filled(_ending(asked.request))
            plan, refusals = judged(self.lines, request, asked.refusals)
        except Refused as refusal:
            return await self._reject(asked.request, refusal.problem)
        return await self.journal.commands.accept(request, plan, refusals, raw_digest=asked.raw_digest)

    async def _check(self, asked: CheckCommand) -> Answer:
        try:
            request = await self._filled(asked.request)
            plan, refusals = judged(self.lines, request, asked.refusals)
        except Refused as refusal:
            return await self._reject(asked.request, refusal.problem)
        return await self.journal.commands.checked(request, plan, refusals)

    async def _filled(self, request: SendRequest) -> SendRequest:
        return replace(request, media=await self.folder.filled(request.media)) if request.media else request

    async def _reject(self, request: SendRequest, problem: Problem) -> Answer:
        return await self.journal.commands.reject(
            request.line, request.client, request.key, request.ref, problem, request.reply, request.metadata
        )


def _ending(request: SendRequest) -> SendRequest:
    """The request with an expiry, where it has none of its own."""
    if request.expires_at is not None or request.ttl is not None:
        return request
    if request.send_at is not None:
        return replace(request, expires_at=request.send_at + UNASKED_TTL)
    return replace(request, ttl=UNASKED_TTL.total_seconds())

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
    ReplayCommand,
    SendCommand,
)
from relay.clock import Clock
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Plan, RawAnswer, SendRequest
from relay.intake.files import MediaFolder
from relay.intake.mailbox import MailboxDesk
from relay.intake.repeats import Repeats, Watch
from relay.intake.sending import judged
from relay.journal import Answer, Journal, TooManyReplays, Wish
from relay.lines import Doings
from relay.mediastore import MediaStore
from relay.providerkit.spec import Line
from relay.telemetry.traces import NoTraces, Operation, Span, Traces

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
        repeats: knows which text went to which number too often.
        doings: what is done with lines meanwhile.
        traces: hear of it.
    """

    lines: Mapping[str, Line]
    journal: Journal
    clock: Clock
    rules: CommandRules
    store: MediaStore
    folder: MediaFolder = field(default_factory=MediaFolder)
    repeats: Repeats = field(default_factory=Repeats)
    doings: Doings = field(default_factory=Doings)
    traces: Traces = field(default_factory=NoTraces)
    _mailboxes: MailboxDesk = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", replace(self.rules, unasked_ttl=self.rules.unasked_ttl or UNASKED_TTL))
        object.__setattr__(self, "_mailboxes", MailboxDesk(self.lines, self.journal, self.store, self.doings))

    async def take(self, delivery: Delivery, *, heard_under: str | None = None) -> Answer:
        """The answer to a command; it is on disk, and on its way to the bus, when this returns.

        `heard_under`: the turn in which the bus brought it; None: it came from this machine.
        """
        parent = delivery.properties.traceparent
        with self.traces.span(Operation.RECEIVE, delivery.line, parent, verb=delivery.verb) as span:
            answer = await self._take(_following(delivery, span), heard_under)
            error = answer.body.get("error") or {}
            span.tell(message_id=answer.message_id, outcome=answer.outcome, code=error.get("code"))
        return answer

    async def _take(self, delivery: Delivery, heard_under: str | None) -> Answer:
        commands = self.journal.commands
        match read_command(delivery, self.clock.now(), self.rules):
            case SendCommand() as asked:
                return await self._send(asked, heard_under)
            case CheckCommand() as asked:
                return await self._check(asked)
            case LookupCommand() | CancelCommand() as asked:
                verb = commands.lookup if isinstance(asked, LookupCommand) else commands.cancel
                return await verb(asked.line, asked.client, asked.key, asked.ref, asked.reply)
            case ReplayCommand() as asked:
                return await self._replay(asked)
            case BadCommand() as bad:
                return await self._answer(bad)
            case mailbox:
                return await self._mailboxes.take(mailbox)

    async def give_up(self, delivery: Delivery) -> Answer:
        """Answer a command that relay itself fails at, so that it is not delivered again, to fail again.

        The first of its line is kept for whoever mends relay.
        """
        problem = Problem(ErrorCode.INTERNAL, "relay failed at this command: its log says how")
        answer = await self._answer(unanswered(delivery, self.clock.now(), problem))
        await self.journal.raw.sample(delivery.line, "command", RawAnswer(delivery.payload), problem.detail)
        return answer

    async def _answer(self, bad: BadCommand) -> Answer:
        return await self.journal.commands.reject(
            bad.line, bad.client, bad.request_id, bad.ref, bad.problem, bad.reply, bad.metadata
        )

    async def _send(self, asked: SendCommand, heard_under: str | None) -> Answer:
        try:
            found = await self._judged(asked)
        except Refused as refusal:
            return await self.journal.commands.refuse(asked.request, refusal.problem, asked.raw_digest)
        with found.watch.writing(found.going):
            answer = await self.journal.commands.accept(
                found.request, found.plan, found.refusals, raw_digest=asked.raw_digest, heard_under=heard_under
            )
            untold = found.watch.answered(answer.body)
        for address in untold:
            await self.journal.events.announce(asked.request.line, "loop-suspected", self.repeats.told_of(address))
        return answer

    async def _check(self, asked: CheckCommand) -> Answer:
        try:
            found = await self._judged(asked)
        except Refused as refusal:
            return await self._reject(asked.request, refusal.problem)
        return await self.journal.commands.checked(
            found.request, found.plan, found.refusals, duplicates=asked.duplicates
        )

    async def _replay(self, command: ReplayCommand) -> Answer:
        """Begin first, and answer then: one that the broker delivers again is done twice, under the same ids."""
        asked, commands = command.asked, self.journal.commands
        try:
            begun = await self.journal.replays.begin(
                Wish(command.since, command.until, asked.line, command.kinds, asked.client)
            )
        except TooManyReplays as error:
            problem = Problem(ErrorCode.QUEUE_FULL, str(error))
            return await commands.reject(asked.line, asked.client, None, asked.ref, problem, asked.reply)
        told = {"id": begun.id, "events": begun.events}
        return await commands.told(asked.line, asked.client, asked.ref, asked.reply, "done", replay=told)

    async def _judged(self, asked: SendCommand | CheckCommand) -> "_Found":
        request = await self._filled(asked.request)
        watch = self.repeats.of(request, self.clock.now())
        plan, refusals = judged(self.lines, request, asked.refusals, watch.problem)
        return _Found(request, plan, refusals, watch)

    async def _filled(self, request: SendRequest) -> SendRequest:
        return replace(request, media=await self.folder.filled(request.media)) if request.media else request

    async def _reject(self, request: SendRequest, problem: Problem) -> Answer:
        return await self.journal.commands.reject(
            request.line, request.client, request.key, request.ref, problem, request.reply, request.metadata
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A request that can be sent, how, and for each recipient why it is not sent to."""

    request: SendRequest
    plan: Plan
    refusals: tuple[Problem | None, ...]
    watch: Watch

    @property
    def going(self) -> list[str]:
        """The addresses that nothing speaks against."""
        pairs = zip(self.request.to, self.refusals, strict=True)
        return [address.value for address, refusal in pairs if refusal is None]


def _following(delivery: Delivery, span: Span) -> Delivery:
    """The command, as one that follows from being received: so does all that comes of it."""
    if span.traceparent == delivery.properties.traceparent or span.traceparent is None:
        return delivery
    return replace(delivery, properties=replace(delivery.properties, traceparent=span.traceparent))

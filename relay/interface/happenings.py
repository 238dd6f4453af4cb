"""The `data` of a line's events, and of notices of what was set aside for a person."""

from typing import Literal

from relay.interface.problems import Error
from relay.interface.told import COPY_ID, LATER, MESSAGE_ID, NOON, Time, Told, may_say, says
from relay.rules.line import Scope


class ProviderMessage(Told):
    """A message, as the provider knows it."""

    message_id: str = says("The provider's id.", "WU124")


class MailChanged(Told):
    """Something happened to a message that the provider keeps."""

    message_id: str | None = says("relay's id of the message, where it has published it.", MESSAGE_ID)
    provider: ProviderMessage = says("The message, as the provider knows it.")


class Read(MailChanged):
    """A message was read, or marked as unread again."""

    is_unread: bool = says("Whether it is unread now.", flag=False)


class Updated(MailChanged):
    """A message changed in the subscriber's store."""

    is_unread: bool | None = may_say("Whether it is unread now, where the provider says so.", flag=False)


class Deleted(MailChanged):
    """A message was deleted at the provider's."""


class Word(Told):
    """Somebody's word about texts to them."""

    address: str = says("Whose word it is.", "+12065550123")
    to: str = says("The same, under the name that receipts have for it.", "+12065550123")
    source: Literal["keyword", "provider", "operator", "import"] = says("Who said it.", "keyword")
    word: str | None = says("What was said: the keyword, or the provider's code.", "stop")
    scope: Scope = says("For which lines it holds: `all`, the `group` of the line, or the `line` alone.", "all")
    message_id: str | None = says("The message that said it.", MESSAGE_ID)
    copy_id: str | None = says("The copy whose refusal said it.", None, COPY_ID)
    code: str | None = says("The provider's code, where the provider said it.", None, "POL0001")
    at: Time = says("When it was said.", NOON)


class OptOut(Word):
    """Somebody wants no more texts: what is accepted or about to be sent for them fails with `opted_out`."""


class OptIn(Word):
    """Somebody may be texted again."""


class OptOutSuspected(Told):
    """A text may have been meant as an opt-out: a person should read it."""

    message_id: str | None = says("The message.", MESSAGE_ID)
    address: str = says("Who wrote it.", "+12065550123")


class LossSuspected(Told):
    """The provider may have deleted texts that relay has never seen."""

    reason: str = says("Why.", "no poll for longer than the provider keeps texts")


class RepairedHook(Told):
    """A web hook that was mended."""

    hook: str = says("Its event, in the provider's words.", "receive")
    host: str = says("The host that it calls.", "sms.example.com")
    repair: Literal["installed", "updated", "removed"] = says("What was done.", "installed")


class WebhookDrift(Told):
    """Web hooks at the provider's were not as relay had left them, and were mended."""

    repaired: list[RepairedHook] = says("What was mended.")


class Budget(Told):
    """How a line's budget of calls for the calendar month (UTC) stands."""

    limit: int = says("Calls that the month has.", 1_000_000)
    spent: int = says("Calls that were made.", 950_000)
    left: int = says("Calls that are left.", 50_000)
    ends_at: Time | None = says("When it will be used up at the present rate, where that is before `resets_at`.", LATER)
    resets_at: Time = says("When the next month begins.", "2026-12-01T00:00:00.000Z")


class BudgetShort(Budget):
    """A line's budget of calls will not last for the month."""


class BudgetSpent(Budget):
    """A line's budget of calls is used up, but for what is kept for reading what comes in."""


class SpamBlocked(Told):
    """The provider refuses everything that the line sends: the line rests."""

    message_id: str = says("The message that was refused.", MESSAGE_ID)
    rests_until: Time = says("When the line tries again.", LATER)
    error: Error = says("What the provider said.")


class LoopSuspected(Told):
    """The same text was to go to the same number too often, and is refused."""

    address: str = says("The number.", "+12065550123")
    repeats: int = says("How often the same text may go there ...", 10)
    within: float = says("... within so many seconds.", 3600.0)


class Notice(Told):
    """Something was set aside for a person. It holds no content."""

    kind: Literal["raw", "event", "uncertain", "orphan", "damaged"] | None = may_say(
        "What kind of thing it is; missing where an earlier version wrote it.", "uncertain"
    )
    what: str = says("What it is.", "uncertain")
    why: str = says("Why it was set aside.", "the provider did not answer")
    line: str | None = says("The line that it belongs to, if any.", "alerts")
    id: str = says("The id that it is known by: a message's, a call's, or the list's own.", MESSAGE_ID)
    aside_id: str = says("Its id in `relay dead list`.", MESSAGE_ID)
    more: int | None = may_say(
        "How many others it stands for, which have no notice of their own; missing where an earlier version wrote it.",
        0,
    )
    how: str = says("The commands to look at it and to settle it.", "relay queue list --uncertain")
    call_id: str | None = may_say("The call that it was in, where it is `uncertain`.", MESSAGE_ID)
    copies: int | None = may_say("How many copies that call has.", 1)
    held: dict[str, int] | None = may_say("How many copies of which line are held after a restore.", {"alerts": 3})

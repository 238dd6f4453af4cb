"""The `data` of a result: the answer to a command."""

from typing import Any, Literal

from relay.domain.states import Status
from relay.interface.messages import SentAs, StoredMessage
from relay.interface.problems import Error
from relay.interface.told import COPY_ID, LATER, MESSAGE_ID, NOON, Time, Told, may_say, says


class ResultCopy(Told):
    """One recipient's copy."""

    to: str = says("The recipient: canonical, or as it was given where it is no address.", "+12065550123")
    copy_id: str | None = may_say("The copy's id, in all its receipts; missing where nothing is sent.", COPY_ID)
    status: Status = says("What it is now.", "queued")
    due_at: Time | None = may_say("What it waits for: the time when it is due.", LATER)
    error: Error | None = may_say("Why it failed, or why it could not be canceled.")
    final: bool | None = may_say("Whether the status is final; in answers to `lookup` and `cancel`.", flag=False)
    confirmed: bool | None = may_say("Whether the delivery is confirmed; in answers to `lookup` and `cancel`.", None)
    attempt: int | None = may_say("Calls that were made with it; in answers to `lookup` and `cancel`.", 1)


class CheckedCopy(Told):
    """What would become of one recipient's copy."""

    to: str = says("The recipient.", "+12065550123")
    status: Status = says("What it would be.", "queued")
    due_at: Time | None = may_say("When it would be due, where it would wait.", LATER)
    error: Error | None = may_say("Why it would not be sent.")


class Checked(Told):
    """What a send request would become."""

    recipients: int = says("Recipients, each once.", 2)
    duplicates: int = says("Recipients that were named again.", 0)
    opted_out: int = says("Recipients that have opted out.", 0)
    refused: int = says("Recipients that would be refused for another reason.", 0)
    copies: list[CheckedCopy] = says("Each recipient's copy.")
    due_at: Time | None = says("When the first copy would be due.", NOON)
    last_due_at: Time | None = says("When the last copy would be due.", NOON)
    expires_at: Time | None = says("When what is left would not be sent any more.", LATER)
    expiring: int = says("Copies that would expire before they are due.", 0)
    encoding: str | None = says("The character set of the text in the air.", "gsm-7")
    segments: int | None = says("Segments of each copy.", 1)
    sent_as: SentAs | None = says("How it would go out.", "sms")
    calls: int | None = says("Calls to the provider that it would take.", 1)
    bytes: int = says("Bytes of text, subject and attachments of a copy.", 26)
    api: str = says("The provider's call that would carry it, in its own words.", "Send SMS")
    waits_for: dict[str, int] = says(
        "How many copies would wait for what, such as `send_at` and `hours`.", {"hours": 2}
    )


class PageEntry(Told):
    """One message of a page."""

    message_id: str = says("The provider's id, which `get`, `update` and `delete` take.", "WU124")
    is_unread: bool | None = says("Whether it is unread, as far as the provider says.", flag=True)
    is_incoming: bool | None = says("Whether it came in, as far as the provider says.", flag=True)
    time: Time | None = says("Its time, as far as the provider says.", NOON)


class Page(Told):
    """A page of a subscriber's messages, newest first."""

    messages: list[PageEntry] = says("The messages.")
    total: int = says("How many there are in all.", 120)
    offset: int = says("How many are before this page.", 0)


class Replay(Told):
    """A replay that has begun."""

    id: str = says("Its id.", MESSAGE_ID)
    events: int = says("How many events will be published again.", 12)


class Result(Told):
    """The answer to a command; every command has exactly one."""

    request_id: str | None = says(
        "The request's `id`, or the one that relay made; null where the command is about none.", "order-1234-shipped"
    )
    message_id: str | None = says("relay's id of the message that the request became.", MESSAGE_ID)
    outcome: Literal["accepted", "rejected", "canceled", "checked", "found", "done"] = says(
        "What became of the command.", "accepted"
    )
    replayed: bool = says("Whether it is the first answer again, and nothing was done now.", flag=False)
    idempotent: bool = says("Whether the request had an `id`, and so can be published again safely.", flag=True)
    copies: list[ResultCopy] = says("Each recipient's copy, in the order of the request.")
    encoding: str | None = says("The character set of the text in the air.", "gsm-7")
    segments: int | None = says("Segments of each copy, as carriers bill them.", 1)
    sent_as: SentAs | None = says("How it goes out.", "sms")
    calls: int | None = says("Calls to the provider that it takes.", 1)
    ref: str | None = says("The command's own, for correlation.", "my-ref-1")
    error: Error | None = says("Why it was rejected.")
    metadata: dict[str, Any] | None = says("The request's own.", {"campaign": "42"})
    check: Checked | None = may_say("The answer to `check`.")
    page: Page | None = may_say("The answer to `list`.")
    message: StoredMessage | None = may_say("The answer to `get`.")
    replay: Replay | None = may_say("The answer to `replay`.")

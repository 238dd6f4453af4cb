"""The `data` of receipts, of messages that came in, and of those that another device sent."""

from typing import Any, Literal

from pydantic import Field

from relay.domain.addresses import AddressKind
from relay.domain.keywords import Keyword
from relay.domain.states import Status
from relay.interface.problems import Error
from relay.interface.told import COPY_ID, MESSAGE_ID, NOON, Time, Told, may_say, says


class ProviderStatus(Told):
    """The provider's own words about a copy."""

    message_id: str | None = says("Its id for the copy or its call.", "SMSa9b8c7d6e5f4")
    status: str | None = says("Its word for the status.", "DeliveredToTerminal")
    code: str | None = says("Its code.", "4")


class Receipt(Told):
    """A copy's status has changed. Every copy gets exactly one receipt with `final: true`."""

    request_id: str = says("The request's `id`, or the one that relay made.", "order-1234-shipped")
    message_id: str = says("relay's id of the message.", MESSAGE_ID)
    copy_id: str = says("The copy: one recipient's.", COPY_ID)
    to: str = says("The recipient, canonical.", "+12065550123")
    status: Status = says("What the copy is now.", "delivered")
    previous: Status = says("What it was before.", "submitted")
    final: bool = says("Whether this is the copy's one final receipt.", flag=True)
    confirmed: bool | None = says("Whether the delivery is confirmed; null where the status is no delivery.", flag=True)
    late: bool = says("Whether it comes after the final receipt, and corrects it.", flag=False)
    attempt: int = says("Calls to the provider that were made with the copy.", 1)
    provider: ProviderStatus = says("The provider's own words.")
    error: Error | None = says("Why, where it failed.")
    metadata: dict[str, Any] | None = says("The request's own.", {"campaign": "42"})


class Attachment(Told):
    """An attachment: its bytes (`data`), where they are (`href`), or why they could not be had (`error`)."""

    content_type: str = says("Its media type.", "image/png")
    filename: str | None = says("Its name, where it has one.", "map.png")
    bytes: int | None = says("Its size, where it is known.", 5)
    data: str | None = may_say("Its bytes in base64, where they are few enough.", "aGVsbG8=")
    href: str | None = may_say(
        "Where they can be fetched for a time: an unguessable address.", "https://sms.example.com/media/kept-example"
    )
    error: Error | None = may_say("Why they could not be had.")


class Shown(Told):
    """What every message that is shown has."""

    message_id: str = says("Its id: relay's, or the provider's in the answer to `get`.", MESSAGE_ID)
    address_kind: AddressKind = says("What the other party's address is.", "e164")
    keyword: Keyword | None = says("The keyword that the text is, if any.", None, "stop")
    opt_out_suspected: bool = says("Whether it may be meant as an opt-out: a person should read it.", flag=False)
    text: str | None = says("Its text.", "On my way!")
    subject: str | None = says("Its subject, where it has one.", None, "Lunch")
    media: list[Attachment] = says("Its attachments.")
    provider_time: Time | None = says("When the provider says it was sent.", NOON)
    duplicate_suspect: bool = says("Whether it may repeat an earlier message: nothing tells them apart.", flag=False)
    provider: dict[str, Any] = says(
        "The provider's ids and raw fields that are worth keeping. They differ between providers.", {"message_id": "42"}
    )
    forgotten: bool | None = may_say("Present and true where the person who wrote it was forgotten since.", flag=True)


class Message(Shown):
    """A message that came in."""

    sender: str = Field(alias="from", description="Who wrote it, canonical.", examples=["+12065550123"])
    to: str = says("The number of the line it was sent to.", "12345")


class SentElsewhere(Shown):
    """A message that went out from the line's number by another device or program."""

    sender: None = Field(alias="from", description="Always null: it is the line's own.", examples=[None])
    to: list[str] = says("Whom it was sent to.", ["+12065550123"])


class StoredMessage(Shown):
    """A message of a subscriber's store, in the answer to `get`: it came in, or went out."""

    sender: str | None = Field(
        alias="from", description="Who wrote it; null where it is the line's own.", examples=["+12065550123"]
    )
    to: str | list[str] = says("The line's number, or whom it was sent to.", "+12065550111")
    is_unread: bool | None = says("Whether it is unread, as far as the provider says.", flag=True)
    is_incoming: bool | None = says("Whether it came in, as far as the provider says.", flag=True)


SentAs = Literal["sms", "mms"]

"""What a command from the bus can turn out to be: something to do, or a problem to answer with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from relay.domain.errors import Problem
from relay.domain.messages import Reply, SendRequest

_HOUR, _NOTHING = timedelta(hours=1), timedelta()


@dataclass(frozen=True, slots=True)
class CommandRules:
    """The limits of a command (section 4 of the contract), and the country of numbers without a country code.

    `unasked_ttl` is how long a request lives for which nobody sets an end; None: for ever.
    """

    max_bytes: int = 2 * 1024 * 1024
    max_recipients: int = 10_000
    home_country_code: str = "1"
    unasked_ttl: timedelta | None = None

    def unasked_end(self, since: datetime) -> datetime | None:
        """When a request ends that nobody sets an end for.

        It is a full hour, so that requests with the same words that nobody gave an expiry can travel together.
        """
        if self.unasked_ttl is None:
            return None
        begun = since.replace(minute=0, second=0, microsecond=0)
        return begun + self.unasked_ttl + (_HOUR if since > begun else _NOTHING)


@dataclass(frozen=True, slots=True)
class SendCommand:
    """A request to send. `refusals[i]` says why `request.to[i]` cannot be sent to; None where it can.

    `raw_digest` is equal for equal bytes: it recognises the broker's own redelivery of a request without an id.
    """

    request: SendRequest
    refusals: tuple[Problem | None, ...]
    raw_digest: str


@dataclass(frozen=True, slots=True)
class CheckCommand:
    """As `SendCommand`, to be validated and answered, never sent. `duplicates`: recipients that were named again."""

    request: SendRequest
    refusals: tuple[Problem | None, ...]
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class CancelCommand:
    """To cancel what has not been handed to the provider. `key` is the request's id."""

    line: str
    client: str | None
    key: str
    ref: str | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class LookupCommand:
    """To tell how the copies of a request stand. `key` is the request's id."""

    line: str
    client: str | None
    key: str
    ref: str | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the answer to a command that is about no request goes."""

    line: str
    client: str | None
    ref: str | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class ListCommand:
    """To show a page of the messages that the provider keeps, newest first."""

    asked: Asked
    limit: int
    offset: int
    unread: bool


@dataclass(frozen=True, slots=True)
class GetCommand:
    """To show one message. `message_id` is relay's id, as published, or the provider's."""

    asked: Asked
    message_id: str


@dataclass(frozen=True, slots=True)
class UpdateCommand:
    """To mark a message as read or unread."""

    asked: Asked
    message_id: str
    is_unread: bool


@dataclass(frozen=True, slots=True)
class DeleteCommand:
    """To delete a message."""

    asked: Asked
    message_id: str


@dataclass(frozen=True, slots=True)
class ReplayCommand:
    """To publish again what the line published between two times. No `kinds`: of every kind."""

    asked: Asked
    since: datetime
    until: datetime
    kinds: tuple[str, ...]


MailboxCommand = ListCommand | GetCommand | UpdateCommand | DeleteCommand


@dataclass(frozen=True, slots=True)
class BadCommand:
    """What cannot be done, with as much of it as could be read, for the answer."""

    line: str
    client: str | None
    verb: str
    problem: Problem
    request_id: str | None
    ref: str | None
    metadata: Mapping[str, Any] | None
    reply: Reply


Command = SendCommand | CheckCommand | CancelCommand | LookupCommand | MailboxCommand | ReplayCommand | BadCommand

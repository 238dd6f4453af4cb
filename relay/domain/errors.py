"""What can go wrong, by what is to be done about it: an error's class is its policy.

RelayError
 ├─ TryLater          without effect; the same thing may be tried again, after a while
 │   ├─ Throttled     the line is to slow down as a whole
 │   ├─ NotReady      the subscriber's message store has to be prepared first
 │   └─ TooLate       its expiry came before the request was written: it is not to be made any more
 ├─ Refused           final for what was asked; never the same again
 │   ├─ RefusedAsGroup  one of several recipients is at fault, and the provider does not say which: divide
 │   ├─ RefusedForNow  and whatever else the line sends will be, for some time: let it rest
 │   ├─ CursorInvalid  the state that changes were asked from is not known any more: compare everything
 │   └─ Gone          the provider no longer knows the id that was asked for
 ├─ NotAuthorized     nothing on this line can work until a person or a new credential acts: park the line
 │   └─ ConsentRequired  the subscriber has to agree: ask the provider for nothing until then
 ├─ OutcomeUnknown    the request was written and no usable answer came: it may have taken effect
 └─ Malformed         bytes that cannot be understood; they are kept for a person
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """The stable codes that programs test (section 6 of the contract)."""

    INVALID_JSON = "invalid_json"
    INVALID_REQUEST = "invalid_request"
    INVALID_RECIPIENT = "invalid_recipient"
    TOO_LONG = "too_long"
    UNSUPPORTED = "unsupported"
    UNSUPPORTED_MEDIA = "unsupported_media"
    TOO_LARGE = "too_large"
    RETAINED_COMMAND = "retained_command"
    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_ID = "unknown_id"
    CONFLICT = "conflict"
    TOO_LATE = "too_late"
    EXPIRED = "expired"
    OPTED_OUT = "opted_out"
    SPAM_BLOCKED = "spam_blocked"
    QUOTA_EXCEEDED = "quota_exceeded"
    THROTTLED = "throttled"
    UNAUTHORIZED = "unauthorized"
    CONSENT_REQUIRED = "consent_required"
    CARRIER_UNKNOWN = "carrier_unknown"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_ERROR = "provider_error"
    UNREACHABLE = "unreachable"
    UNCERTAIN = "uncertain"
    MALFORMED_RESPONSE = "malformed_response"
    LOOP_SUSPECTED = "loop_suspected"
    QUEUE_FULL = "queue_full"
    INTERNAL = "internal"

    @property
    def category(self) -> str:
        """Whose turn it is: `invalid` (the request's), `refused`, `temporary`, `line` (the operator's), `unknown`."""
        return _CATEGORY.get(self, "refused")

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.category == "temporary"


_CATEGORY = {
    **dict.fromkeys(
        (
            ErrorCode.INVALID_JSON,
            ErrorCode.INVALID_REQUEST,
            ErrorCode.INVALID_RECIPIENT,
            ErrorCode.TOO_LONG,
            ErrorCode.UNSUPPORTED,
            ErrorCode.UNSUPPORTED_MEDIA,
            ErrorCode.TOO_LARGE,
            ErrorCode.RETAINED_COMMAND,
            ErrorCode.UNKNOWN_LINE,
            ErrorCode.UNKNOWN_ID,
            ErrorCode.CONFLICT,
            ErrorCode.TOO_LATE,
        ),
        "invalid",
    ),
    **dict.fromkeys(
        (
            ErrorCode.THROTTLED,
            ErrorCode.QUOTA_EXCEEDED,
            ErrorCode.PROVIDER_ERROR,
            ErrorCode.UNREACHABLE,
            ErrorCode.QUEUE_FULL,
            ErrorCode.INTERNAL,
        ),
        "temporary",
    ),
    **dict.fromkeys((ErrorCode.UNAUTHORIZED, ErrorCode.CONSENT_REQUIRED), "line"),
    **dict.fromkeys((ErrorCode.UNCERTAIN, ErrorCode.MALFORMED_RESPONSE), "unknown"),
}


@dataclass(frozen=True, slots=True)
class ProviderDetail:
    """What the provider itself said: HTTP status, its code and its text (never a message text or a number)."""

    http: int | None = None
    code: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as users see it (section 6 of the contract)."""

    code: ErrorCode
    detail: str
    provider: ProviderDetail | None = None

    def as_body(self) -> dict[str, Any]:
        """The error as JSON, as the contract has it."""
        return {
            "code": self.code.value,
            "category": self.code.category,
            "retryable": self.code.retryable,
            "detail": self.detail,
            "provider": asdict(self.provider) if self.provider else None,
        }


class RelayError(Exception):
    """The common base. `problem` is what users see; its detail holds no secret, text or number."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class TryLater(RelayError):  # noqa: N818 - the class says what to do
    """It had no effect. `after`: seconds the other side asked to wait, or None for our own schedule."""

    def __init__(self, problem: Problem, after: float | None = None) -> None:
        super().__init__(problem)
        self.after = after


class Throttled(TryLater):
    """It had no effect, and the whole line is to slow down."""


class TooLate(TryLater):
    """Its expiry came before the request was written, as while the line fetched a token: it was not made."""


class Refused(RelayError):  # noqa: N818 - as above
    """It was refused, and would be again."""


class RefusedAsGroup(Refused):
    """It was refused for at least one of its recipients, unnamed: the others may pass without it."""


class RefusedForNow(Refused):
    """It was refused and is not to be sent again, and the line is to rest for `after` seconds: see to it."""

    def __init__(self, problem: Problem, after: float) -> None:
        super().__init__(problem)
        self.after = after


class CursorInvalid(Refused):
    """The provider no longer knows the state that changes were asked from: everything is to be compared."""


class NotReady(TryLater):
    """The subscriber's message store is not ready to be asked: it has to be prepared first."""


class Gone(Refused):
    """The provider does not know (or no longer knows) the id."""


class NotAuthorized(RelayError):  # noqa: N818 - as above
    """The line's credentials do not permit it. It had no effect."""


class ConsentRequired(NotAuthorized):
    """The subscriber has to agree, for the first time or again; until then nothing is to be asked of the provider."""


class OutcomeUnknown(RelayError):  # noqa: N818 - as above
    """The request was written, and nothing usable came back: it may or may not have taken effect."""


class Malformed(RelayError):  # noqa: N818 - as above
    """Bytes that cannot be understood. `raw` is kept with the error, and never printed."""

    def __init__(self, detail: str, raw: bytes) -> None:
        super().__init__(Problem(ErrorCode.MALFORMED_RESPONSE, detail))
        self.raw = raw

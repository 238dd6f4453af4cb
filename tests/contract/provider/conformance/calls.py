"""Every call that a capability has, how the suite makes it, and which errors its docstring allows (`spec`)."""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from relay.domain.addresses import outbound
from relay.domain.errors import (
    ConsentRequired,
    CursorInvalid,
    Gone,
    Malformed,
    NotAuthorized,
    NotReady,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RefusedForNow,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import OutboundCall, Part, Recipient
from relay.providerkit.spec import (
    AsksStatus,
    FetchesInbox,
    FetchesParts,
    InstallsHooks,
    ManagesMailbox,
    NeedsConsent,
    Sends,
    SyncsMailbox,
)

WORDS = "Marked words: nobody else reads this."
MESSAGE_ID = "msg-500123"
CODE = "marked-code-of-a-consent"
URL = "https://relay.example/hooks/line/marked-secret-level-of-the-path/event"

# Every call may raise these: for a while, or until somebody acts, there is nothing to be asked.
_ANY = frozenset((TryLater, Throttled, NotReady, NotAuthorized, ConsentRequired))
_GONE = frozenset((Refused, Gone))
_HAD = _GONE | {Malformed}
_SEND = frozenset((Refused, RefusedAsGroup, RefusedForNow, OutcomeUnknown))


@dataclass(frozen=True)
class Call:
    """One call of a capability.

    Attributes:
        allowed: beside what every call may raise.
        once: it sends or takes away: it is made once on the wire, whatever happens (but for a new credential).
        sends: what was not answered usably may have been sent.
    """

    capability: type[Any] | None
    name: str
    make: Callable[[Any, str], Awaitable[Any]]
    allowed: AbstractSet[type[RelayError]]
    once: bool = False
    sends: bool = False

    def may_raise(self, error: RelayError) -> bool:
        """Whether its docstring, or that of all capabilities, names the error's class."""
        return type(error) in _ANY | self.allowed

    def fits(self, line: Any) -> bool:
        """Whether a line has it."""
        return self.capability is None or isinstance(line, self.capability)


def a_call(*numbers: str, text: str | None = WORDS, **more: Any) -> OutboundCall:
    """A call to these."""
    recipients = tuple(Recipient(f"copy-{place}", outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("call-1", "message-1", "line", 1, recipients, text, **more)


CALLS: Sequence[Call] = (
    Call(Sends, "send", lambda line, to: line.send(a_call(to)), _SEND, once=True, sends=True),
    Call(FetchesInbox, "fetch_inbox", lambda line, _: line.fetch_inbox(), {Refused, OutcomeUnknown}, once=True),
    Call(
        AsksStatus,
        "fetch_status",
        lambda line, _: line.fetch_status(MESSAGE_ID),
        _GONE | {OutcomeUnknown},
        once=True,
    ),
    Call(FetchesParts, "list_parts", lambda line, _: line.list_parts(MESSAGE_ID), _HAD),
    Call(
        FetchesParts,
        "fetch_part",
        lambda line, _: line.fetch_part(MESSAGE_ID, Part("image/png", ref="part-1", size=1000)),
        _HAD | {OutcomeUnknown},
    ),
    Call(SyncsMailbox, "prepare_mailbox", lambda line, _: line.prepare_mailbox(), {Refused}),
    Call(SyncsMailbox, "list_mail", lambda line, _: line.list_mail(0, 50), {Refused, Malformed}),
    Call(
        SyncsMailbox,
        "fetch_changes",
        lambda line, _: line.fetch_changes("state-1"),
        {Refused, CursorInvalid, Malformed},
    ),
    Call(SyncsMailbox, "fetch_mail", lambda line, _: line.fetch_mail(MESSAGE_ID), _GONE),
    Call(ManagesMailbox, "get_mail", lambda line, _: line.get_mail(MESSAGE_ID), _HAD),
    Call(ManagesMailbox, "update_mail", lambda line, _: line.update_mail(MESSAGE_ID, is_unread=False), _GONE),
    Call(ManagesMailbox, "delete_mail", lambda line, _: line.delete_mail(MESSAGE_ID), {Refused}),
    Call(
        NeedsConsent,
        "take_consent",
        lambda line, _: line.take_consent(CODE, "http://127.0.0.1:9/consent/line/secret"),
        {Refused, OutcomeUnknown},
    ),
    Call(NeedsConsent, "revoke_consent", lambda line, _: line.revoke_consent(), frozenset()),
    Call(InstallsHooks, "list_hooks", lambda line, _: line.list_hooks(), _HAD | {OutcomeUnknown}),
    Call(InstallsHooks, "install_hook", lambda line, _: line.install_hook("receive", URL), {Refused, OutcomeUnknown}),
    Call(InstallsHooks, "update_hook", lambda line, _: line.update_hook("17", URL), {Refused, OutcomeUnknown}),
    Call(InstallsHooks, "remove_hook", lambda line, _: line.remove_hook("17"), _HAD | {OutcomeUnknown}),
    # `relay check` tells whatever it was.
    Call(None, "verify", lambda line, _: line.verify(), _HAD | {OutcomeUnknown}),
)

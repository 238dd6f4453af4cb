"""Every error code with its cause and the cure: `docs/errors.md` is made of it, and a test keeps it true."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.domain.errors import ErrorCode

_OPENING = """# Error codes

Made from `relay/domain/explanations.py`; change that file, then this page by

```sh
python -c "from relay.domain.explanations import as_markdown; print(as_markdown(), end='')" > docs/errors.md
```

`code` is stable and is what programs test; `detail` is for people and may change. `category` says whose turn it is:
`invalid` the request's author, `refused` nobody's (it is final), `temporary` time's, `line` the operator's, `unknown`
a person's who can find out.
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an error comes, and what to do."""

    cause: str
    cure: str


EXPLANATIONS: Mapping[ErrorCode, Explanation] = {
    ErrorCode.INVALID_JSON: Explanation(
        "The payload is not JSON that every reader understands: broken, nested too deeply, NaN, or half a character.",
        "Make it with a JSON library; `detail` says where it breaks.",
    ),
    ErrorCode.INVALID_REQUEST: Explanation(
        "A field is unknown, missing, of a wrong type, or contradicts another.",
        "Mend the field that `detail` names.",
    ),
    ErrorCode.INVALID_RECIPIENT: Explanation(
        "A recipient is no address that the line can send to, or the provider says so.",
        "Use E.164 (`+1` and ten digits) or ten digits. Other recipients of the request are not affected.",
    ),
    ErrorCode.TOO_LONG: Explanation(
        "The text is longer than the provider takes. It is never cut.",
        "Shorten it to the limit that `detail` names.",
    ),
    ErrorCode.UNSUPPORTED: Explanation("The line cannot do this.", "Use a line that can, or leave the field out."),
    ErrorCode.UNSUPPORTED_MEDIA: Explanation(
        "The line takes no attachments, or not of this type.", "Use a line that does, or another type."
    ),
    ErrorCode.TOO_LARGE: Explanation(
        "The command, or its attachments, are larger than the limit.",
        "Send less at once, or raise `bus.max_command_bytes`.",
    ),
    ErrorCode.RETAINED_COMMAND: Explanation(
        "The command was published with the retain flag; the broker would repeat it at every start.",
        "Publish it without the flag, and clear the retained message by publishing an empty one.",
    ),
    ErrorCode.UNKNOWN_LINE: Explanation("No line of this name is served here.", "`relay status` lists the lines."),
    ErrorCode.UNKNOWN_ID: Explanation(
        "No request of this id is known for this line and client, or its time in the journal is over.",
        "Check the id, the line, and the client's part of the topic.",
    ),
    ErrorCode.CONFLICT: Explanation(
        "The id was accepted before, with another body. Nothing was sent for this one.",
        "Use a new id for a new text.",
    ),
    ErrorCode.TOO_LATE: Explanation(
        "It was handed to the provider already.", "Nothing can be done; follow the receipts."
    ),
    ErrorCode.EXPIRED: Explanation(
        "It was not handed over before its expiry: `expires_at`, `ttl`, the Message Expiry Interval of MQTT 5, or, "
        "where nobody set one, 72 hours from `send_at` or from its acceptance.",
        "Send it again if it is still wanted, with a later expiry. `relay trace ID` says what it waited for; `check` "
        "says beforehand, as `expiring`, how many copies would expire before the line may send them.",
    ),
    ErrorCode.OPTED_OUT: Explanation(
        "The recipient asked for no more texts: by STOP or a word like it, by an answer of the provider's, or an "
        "operator entered it. It is looked at when a request is accepted and again when a copy is about to be sent.",
        "The recipient must send START or UNSTOP to the number that STOP was sent to. `relay optout list` shows when "
        'and where it was asked for. One `class: "compliance"` text to confirm it passes.',
    ),
    ErrorCode.SPAM_BLOCKED: Explanation(
        "AT&T's spam protection stopped the line.", "Ask AT&T's support to lift it; change what triggered it."
    ),
    ErrorCode.QUOTA_EXCEEDED: Explanation(
        "The provider says that the account's quota of calls is used up. The line's own limits (`calls_per_day`, "
        "`calls_per_month`) give no error: its copies wait.",
        "Wait for the next period, or ask AT&T for more.",
    ),
    ErrorCode.THROTTLED: Explanation(
        "The provider asks for fewer calls.", "Nothing: relay slows the line down and goes on by itself."
    ),
    ErrorCode.UNAUTHORIZED: Explanation(
        "The provider does not accept the line's credentials, or they lack a right.",
        "Check the key, secret or session of the line; `relay check` tries them.",
    ),
    ErrorCode.CONSENT_REQUIRED: Explanation(
        "The subscriber's consent is missing or was withdrawn.", "Ask the subscriber again: `relay auth login LINE`."
    ),
    ErrorCode.CARRIER_UNKNOWN: Explanation(
        "AT&T cannot tell which carrier serves the recipient.", "Check the number; it may not receive texts."
    ),
    ErrorCode.PROVIDER_REFUSED: Explanation(
        "The provider refused it, for the reason in `provider`.", "See `provider.code` and `provider.text`."
    ),
    ErrorCode.PROVIDER_ERROR: Explanation(
        "The provider had a fault of its own.", "Nothing: relay tries again until the expiry."
    ),
    ErrorCode.UNREACHABLE: Explanation(
        "No connection to the provider can be made.",
        "Check name resolution, the network and the firewall; relay tries again until the expiry.",
    ),
    ErrorCode.UNCERTAIN: Explanation(
        "The call was written and not answered: the provider may or may not have taken it.",
        "Look for evidence (ask the recipient, look at AT&T's console), then decide. relay sends nothing again by "
        "itself unless the request says `on_uncertain: resend`, and then five times at most.",
    ),
    ErrorCode.MALFORMED_RESPONSE: Explanation(
        "The provider's answer cannot be understood. Its bytes are kept.",
        "Report it with the id of the set-aside answer.",
    ),
    ErrorCode.LOOP_SUSPECTED: Explanation(
        "The recipient is a number of one of this relay's own lines, which would answer itself; or the same text went "
        "to this number as often as `queue.repeat_limit` allows within `queue.repeat_within`. Other recipients of the "
        "request are not affected.",
        "Look for the program that sends again and again, such as one that answers an answering machine. What is sent "
        "on purpose goes out with other words, later, or with another `queue.repeat_limit`.",
    ),
    ErrorCode.QUEUE_FULL: Explanation(
        "As many copies wait as may: in all, on the line, or for the client on the line. `detail` says how many wait "
        "and which setting it is: `queue.max_copies`, `queue.max_copies_per_line`, `queue.max_copies_per_client`. "
        "Or too many commands about the line's stored messages are under way.",
        "Publish it again later, with the same id: the refusal did not bind it. `relay queue list` shows what waits.",
    ),
    ErrorCode.INTERNAL: Explanation("relay has a defect.", "Report it with the log lines around it; nothing was lost."),
}


def as_markdown() -> str:
    """The page."""
    rows = (
        f"| `{code.value}` | {code.category} | {'yes' if code.retryable else 'no'} | {told.cause} | {told.cure} |\n"
        for code, told in EXPLANATIONS.items()
    )
    return f"{_OPENING}\n| code | category | retryable | cause | cure |\n|---|---|---|---|---|\n{''.join(rows)}"

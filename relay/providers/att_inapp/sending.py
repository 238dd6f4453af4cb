"""What In-App Messaging takes, and how it will go out: AT&T's rule for SMS and MMS, and its limits. Pure."""

from relay.domain.addresses import Address, AddressKind
from relay.domain.charset import Encoding, has_lone_surrogate
from relay.domain.errors import ErrorCode, Problem, Refused, RefusedAsGroup
from relay.domain.messages import Content, OutboundCall, Plan
from relay.providers.att_inapp.multipart import is_content_type
from relay.providers.att_inapp.wire import goes_as_sms

MOST_RECIPIENTS = 10  # In-App FAQ, "Where do I add the AT&T Wireless phone number …"
MOST_ATTACHMENTS = 21  # OpenAPI of In-App Messaging v2, sendMessage
MOST_BYTES = 1_000_000  # as above: 1 MB; texts and attachments, so that the whole request stays below 2^20

_API = "In-App Messaging: Send Message"
_USA = frozenset({"US", "AS", "GU", "MP", "PR", "VI"})


def plan(content: Content) -> Plan:
    """How the content will go out: by AT&T's rule as one SMS of Latin-1, or as MMS.

    Raises:
        Refused: it is beyond a limit, which the detail names.
    """
    _check_text(content)
    _check_group(content)
    _check_media(content)
    is_group = content.group and content.recipients > 1
    if goes_as_sms(content.text, subject=content.subject, media=content.media, group=is_group):
        return Plan(Encoding.LATIN1.value, 1, MOST_RECIPIENTS, "sms", size=_size(content), api=_API)
    return Plan("utf-8", 1, MOST_RECIPIENTS, "mms", size=_size(content), api=f"{_API} (MMS)")


def check_recipients(call: OutboundCall) -> None:
    """Nothing, where every number is one of the U.S.A. (In-App FAQ, "Are my customers able to send …").

    Raises:
        RefusedAsGroup: one of several is not, and the others may go out without it.
        Refused: the only one is not, or one of a group.
    """
    if any(_is_abroad(recipient.address) for recipient in call.recipients):
        problem = Problem(
            ErrorCode.INVALID_RECIPIENT, "AT&T's In-App Messaging sends to numbers of the U.S.A. alone: expected one"
        )
        raise RefusedAsGroup(problem) if is_divisible(call) else Refused(problem)


def is_divisible(call: OutboundCall) -> bool:
    """Whether its recipients may be sent to apart."""
    return len(call.recipients) > 1 and not call.group


def _is_abroad(address: Address) -> bool:
    if address.kind is not AddressKind.E164:
        return False
    if not address.value.startswith("+1"):
        return True
    import phonenumbers  # noqa: PLC0415 - megabytes, and nobody else asks

    # Of the numbers that begin with +1 many are Canada's and the Caribbean's. One that belongs to nobody may be new.
    region = phonenumbers.region_code_for_number(phonenumbers.parse(address.value))
    return region is not None and region not in _USA


def _check_text(content: Content) -> None:
    if not content.text and not content.media:
        raise _refused(ErrorCode.INVALID_REQUEST, "text or media must be there")
    if has_lone_surrogate(content.text or "") or has_lone_surrogate(content.subject or ""):
        raise _refused(ErrorCode.INVALID_REQUEST, "text and subject must be of whole characters")


def _check_group(content: Content) -> None:
    if content.group and content.recipients > MOST_RECIPIENTS:
        detail = f"a group of {content.recipients} recipients: AT&T takes at most {MOST_RECIPIENTS}"
        raise _refused(ErrorCode.UNSUPPORTED, detail)


def _check_media(content: Content) -> None:
    if len(content.media) > MOST_ATTACHMENTS:
        detail = f"media has {len(content.media)} attachments: AT&T takes at most {MOST_ATTACHMENTS}"
        raise _refused(ErrorCode.UNSUPPORTED_MEDIA, detail)
    for place, media in enumerate(content.media):
        if not is_content_type(media.content_type):
            detail = f"media[{place}].content_type must be a media type, such as image/png"
            raise _refused(ErrorCode.UNSUPPORTED_MEDIA, detail)
    size = _size(content)
    if size > MOST_BYTES:
        detail = f"text, subject and media have {size} bytes in all: AT&T takes at most {MOST_BYTES}"
        raise _refused(ErrorCode.TOO_LARGE, detail)


def _size(content: Content) -> int:
    texts = (content.text or "", content.subject or "")
    return sum(len(text.encode()) for text in texts) + sum(len(media.data) for media in content.media)


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))

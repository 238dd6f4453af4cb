"""Messages that are kept while something is awaited come back as they were; a changed one does not come back."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import Address, AddressKind, inbound
from relay.domain.errors import ErrorCode, Problem, ProviderDetail
from relay.domain.mailbox import Mail
from relay.domain.messages import InboundMessage, Part, Segment, Sighting
from relay.domain.states import Fact
from relay.journal.mailcodec import mail_in, mail_of, mail_out, mail_row

WORDS = st.none() | st.text(st.characters())
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
ADDRESSES = st.builds(Address, st.sampled_from(AddressKind), st.text(), st.text())
PROBLEMS = st.builds(Problem, st.sampled_from(ErrorCode), st.text(), st.none() | st.builds(ProviderDetail))
PARTS = st.builds(
    Part,
    content_type=st.text(),
    filename=WORDS,
    ref=WORDS,
    size=st.none() | st.integers(),
    data=st.none() | st.binary(),
    token=WORDS,
    href=WORDS,
    problem=st.none() | PROBLEMS,
)
COMMON = {
    "text": WORDS,
    "subject": WORDS,
    "parts": st.lists(PARTS, max_size=3).map(tuple),
    "has_parts": st.booleans(),
    "provider_time": TIMES,
    "provider": st.dictionaries(st.text(), WORDS | st.integers() | st.lists(st.integers()), max_size=3),
}
MESSAGES = st.builds(
    InboundMessage,
    sender=ADDRESSES,
    recipient=st.text(),
    dedupe_key=WORDS,
    ref=WORDS,
    segment=st.none() | st.builds(Segment, st.text(), st.integers(), st.integers()),
    **COMMON,
)
SIGHTINGS = st.builds(Sighting, ref=st.text(), to=st.lists(ADDRESSES).map(tuple), fact=st.sampled_from(Fact), **COMMON)


@dataclass
class _Row:
    mail: bytes | None
    sum: int | None


@given(MESSAGES | SIGHTINGS)
def test_a_message_comes_back(mail: Mail) -> None:
    """In every field."""
    assert mail_in(mail_out(mail)) == mail
    assert mail_of(_Row(**mail_row(mail))) == mail


@given(SIGHTINGS | MESSAGES, st.data())
def test_a_changed_row_does_not_come_back(mail: Mail, data: st.DataObject) -> None:
    """Wherever a bit has flipped."""
    row = mail_row(mail)
    place = data.draw(st.integers(0, len(row["mail"]) - 1))
    damaged = bytearray(row["mail"])
    damaged[place] ^= 1
    assert mail_of(_Row(bytes(damaged), row["sum"])) is None


def test_no_row_is_no_message() -> None:
    """Of a mailbox's message only the id is known at first."""
    assert mail_of(_Row(None, None)) is None


def test_the_spelling_of_an_address_and_the_time_of_a_zone_stay() -> None:
    """Though neither counts when two are compared."""
    pacific = datetime(2026, 11, 21, 1, 0, tzinfo=timezone(timedelta(hours=-8)))
    message = InboundMessage(inbound("tel:2065550101"), "+12065550100", "Hello", provider_time=pacific)
    again = mail_in(mail_out(message))
    assert isinstance(again, InboundMessage)
    assert again.sender.raw == "tel:2065550101"
    assert again.provider_time == pacific
    assert replace(again, provider_time=None) == replace(message, provider_time=None)

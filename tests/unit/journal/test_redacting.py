"""What relay told, without somebody."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import outbound
from relay.domain.spellings import Spellings
from relay.journal.redacting import redact, redacted

ALICE = outbound("+12065550101")
WHO = Spellings({ALICE: "forgotten:a"})
TOKEN = "t" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(ALICE.value),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["from", "to", "text", "a"]), inner),
    max_leaves=10,
)


def test_a_message_of_theirs_loses_its_words() -> None:
    """And names its kept attachments, so that they can be deleted."""
    told = {
        "from": ALICE.value,
        "to": "12345",
        "text": "hers",
        "subject": "S",
        "media": [{"href": f"https://x/{TOKEN}"}],
    }
    done = redact(told, WHO)
    assert done.is_theirs
    assert done.tokens == [TOKEN]
    assert done.body == {
        "from": "forgotten:a", "to": "12345", "text": None, "subject": None, "media": [], "forgotten": True,
    }  # fmt: skip


def test_a_message_of_anothers_keeps_them() -> None:
    """Though it names the person: what others wrote is theirs."""
    told = {"from": "+12065550102", "to": "12345", "text": "call 206-555-0101", "provider": {"others": [ALICE.raw]}}
    done = redact(told, WHO)
    assert not done.is_theirs
    assert done.body == {**told, "provider": {"others": ["forgotten:a"]}}


def test_a_message_to_several_stays_theirs() -> None:
    """Only what went to nobody else goes."""
    alone = {"from": None, "to": [ALICE.value], "text": "x", "subject": None, "media": []}
    both = {**alone, "to": [ALICE.value, "+12065550102"]}
    assert redact(alone, WHO).body["text"] is None
    assert redact(both, WHO).body == {**both, "to": ["forgotten:a", "+12065550102"]}


def test_a_page_of_messages_is_gone_through() -> None:
    """The answer to a list of a mailbox: each message for itself."""
    hers = {"from": ALICE.value, "text": "hers", "media": [{"href": f"/media/{TOKEN}"}]}
    his = {"from": "+12065550102", "text": "his", "media": []}
    done = redact({"page": {"messages": [hers, his]}}, WHO)
    assert [one["text"] for one in done.body["page"]["messages"]] == [None, "his"]
    assert (done.is_theirs, done.tokens) == (False, [TOKEN])


def test_a_number_in_a_providers_words_is_replaced() -> None:
    """And the words around it stay; ids of relay's own are left."""
    told = {"error": {"detail": "Invalid address tel:+12065550101."}, "copy_id": "2065550101-0"}
    assert redact(told, WHO).body == {
        "error": {"detail": "Invalid address tel:forgotten:a."},
        "copy_id": "2065550101-0",
    }


@given(JSON)
def test_nothing_is_too_strange(value: Any) -> None:
    """A second time changes nothing."""
    once = redacted(value, WHO)
    assert redacted(once, WHO) == once

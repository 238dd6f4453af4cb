"""Every reader of every provider holds, whatever the bytes: a value of the domain, or Malformed with these bytes."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import Malformed
from relay.domain.messages import (
    DeliveryReport,
    HookReading,
    InboundMessage,
    InboxPage,
    RawAnswer,
    Sighting,
)
from relay.providerkit.spec import AsksStatus, FetchesInbox, SyncsMailbox, TakesHooks
from tests.contract.provider.conformance.known import example, facts_of, providers
from tests.contract.provider.conformance.lines import unconnected

Reader = Callable[[RawAnswer], Any]

KINDS: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "read_inbox": InboxPage,
    "read_hook": HookReading,
    "read_mail": (InboundMessage, Sighting),
}
TYPES = (
    "application/json",
    "application/xml",
    "text/xml",
    "text/html",
    "text/plain",
    "",
    "application/x-www-form-urlencoded",
)


def readers(provider: str) -> dict[str, Reader]:
    """The readers of a provider's lines, one for each event of a web hook."""
    found: dict[str, Reader] = {}
    for variant in facts_of(provider).variants:
        line = unconnected(provider, variant)
        if isinstance(line, FetchesInbox):
            found["read_inbox"] = line.read_inbox
        if isinstance(line, AsksStatus):
            found["read_status"] = partial(line.read_status, "ref-1")
        if isinstance(line, TakesHooks):
            for event in (*line.hook_events, "no-such-event"):
                found[f"read_hook {event}"] = partial(line.read_hook, event)
        if isinstance(line, SyncsMailbox):
            found["read_mail"] = partial(line.read_mail, "ref-1")
    return found


ALL = [
    pytest.param(provider, name, reader, id=f"{provider}-{name.replace(' ', '-')}")
    for provider in providers()
    for name, reader in readers(provider).items()
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def holds(name: str, reader: Reader, raw: RawAnswer) -> None:
    """A value of the right kind, or Malformed, which keeps the bytes."""
    try:
        value = reader(raw)
    except Malformed as error:
        kept = error.raw
    else:
        _is_right(name, value)
        return
    assert kept == raw.body


def _is_right(name: str, value: Any) -> None:
    if name == "read_status":
        assert all(isinstance(report, DeliveryReport) for report in value)
    else:
        assert isinstance(value, KINDS[name.partition(" ")[0]])


@pytest.mark.parametrize(("provider", "name", "reader"), ALL)
@given(body=st.binary(max_size=200), content_type=st.sampled_from(TYPES))
def test_any_bytes(provider: str, name: str, reader: Reader, body: bytes, content_type: str) -> None:
    """Whatever they claim to be."""
    holds(name, reader, RawAnswer(body, content_type))


@pytest.mark.parametrize(("provider", "name", "reader"), ALL)
@given(value=JSON)
def test_any_json(provider: str, name: str, reader: Reader, value: Any) -> None:
    """Of the right form, and of any other."""
    holds(name, reader, RawAnswer(json.dumps(value).encode(), "application/json"))


@pytest.mark.parametrize(("provider", "name", "reader"), ALL)
@given(data=st.data())
def test_any_damage_to_an_example(provider: str, name: str, reader: Reader, data: st.DataObject) -> None:
    """A piece lost, doubled, or in the wrong place: what is nearly right goes deeper into a reader."""
    read = data.draw(st.sampled_from(facts_of(provider).reads))
    whole = example(provider, read.file)
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    piece = data.draw(st.sampled_from((b"", whole[start:end] * 2, b"null", b'""', b"[]", b"{}", b"-1", b"1e999")))
    holds(name, reader, RawAnswer(whole[:start] + piece + whole[end:], read.content_type))


@pytest.mark.parametrize(("provider", "name", "reader"), ALL)
@given(data=st.data())
def test_any_value_in_an_example(provider: str, name: str, reader: Reader, data: st.DataObject) -> None:
    """One of its fields is anything at all."""
    reads = [read for read in facts_of(provider).reads if read.content_type == "application/json"]
    value = json.loads(example(provider, data.draw(st.sampled_from(reads)).file))
    places = list(_places(value))
    place = data.draw(st.sampled_from(places))
    inner = value
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = data.draw(JSON)
    holds(name, reader, RawAnswer(json.dumps(value).encode(), "application/json"))


def _places(value: Any, so_far: tuple[Any, ...] = ()) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in entries:
        yield (*so_far, step)
        yield from _places(inner, (*so_far, step))


@pytest.mark.parametrize("provider", providers())
def test_every_reader_is_among_them(provider: str) -> None:
    """A capability that reads has its reader here; a line of each variant was asked."""
    for variant in facts_of(provider).variants:
        line = unconnected(provider, variant)
        names = {name.partition(" ")[0] for name in readers(provider)}
        wanted = {name for name in ("read_inbox", "read_status", "read_mail", "read_hook") if hasattr(line, name)}
        assert wanted <= names

"""What a provider's documents show and list, relay reads and says: examples round-trip, every code has its meaning."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from relay.domain.errors import RelayError
from relay.domain.messages import RawAnswer
from tests.contract.provider.conformance.known import (
    EXAMPLES,
    Code,
    Exchange,
    Facts,
    MissingFacts,
    Read,
    example,
    facts_of,
    providers,
)
from tests.contract.provider.conformance.lines import Stand, unconnected
from tests.contract.provider.conformance.scripted import scripted

FACTS = {name: facts_of(name) for name in providers()}


def rows(what: str, named: str) -> list[Any]:
    """A parameter for each entry of every provider's facts."""
    found = [(name, place, row) for name, facts in FACTS.items() for place, row in enumerate(getattr(facts, what))]
    return [pytest.param(name, row, id=f"{name}-{getattr(row, named)}-{place}") for name, place, row in found]


def test_a_provider_without_facts_is_told_what_to_write() -> None:
    """In one sentence, with the place."""
    with pytest.raises(MissingFacts, match=r"'carrier-pigeon' .*/facts/carrier_pigeon.py with FACTS"):
        facts_of("carrier-pigeon")


@pytest.mark.parametrize(("provider", "read"), rows("reads", "file"))
def test_a_documented_example_is_read(provider: str, read: Read) -> None:
    """As the documentation means it."""
    raw = RawAnswer(example(provider, read.file), read.content_type)
    assert read.shows(read.read(unconnected(provider, read.settings), raw)) == read.expected


@pytest.mark.parametrize(("provider", "exchange"), rows("exchanges", "source"))
async def test_a_documented_example_is_sent_and_its_answer_understood(provider: str, exchange: Exchange) -> None:
    """The request is the documented one, field by field, and one alone."""
    async with scripted(FACTS[provider].opening) as server:
        stand = Stand(provider, server.base_url)
        await stand.prepare()
        server.requests.clear()
        server.reply = exchange.answer
        async with stand.line(**exchange.settings) as line:
            assert exchange.shows(await exchange.call(line)) == exchange.expected
        ((_, _, body),) = server.requests
        if exchange.request is not None:
            assert fields(body) == fields(example(provider, exchange.request))


def fields(body: bytes) -> Any:
    """A body's fields, from JSON or from a form."""
    text = body.decode().strip()
    return json.loads(text) if text.startswith("{") else sorted(parse_qsl(text, strict_parsing=True))


@pytest.mark.parametrize(("provider", "code"), rows("codes", "name"))
async def test_a_documented_code_leads_to_what_is_declared(provider: str, code: Code) -> None:
    """An error's class and its code; or a status, for a code that is no error."""
    async with scripted(FACTS[provider].opening) as server:
        stand = Stand(provider, server.base_url)
        await stand.prepare()
        server.reply = code.answer
        ended = await told(stand, code)
    if code.error is None:
        assert ended == code.leads_to
    else:
        assert isinstance(ended, RelayError)
        assert (type(ended), ended.problem.code) == (code.error, code.leads_to)


async def told(stand: Stand, code: Code) -> Any:
    """What a call gives, or the error that it ends with."""
    async with stand.line(**code.settings) as line:
        try:
            return await code.call(line)
        except RelayError as error:
            return error


@pytest.mark.parametrize(("provider", "facts"), FACTS.items())
def test_no_word_of_a_provider_s_tables_is_left_out(provider: str, facts: Facts) -> None:
    """And none is here that the tables do not have."""
    assert facts.documented, provider
    assert {code.name for code in facts.codes} == facts.documented


@pytest.mark.parametrize(("provider", "facts"), FACTS.items())
def test_every_data_file_is_used(provider: str, facts: Facts) -> None:
    """An example that nobody looks at shows nothing."""
    files = {path.name for path in (EXAMPLES / provider.replace("-", "_")).iterdir()}
    assert files == set(_used(provider, facts))


def _used(provider: str, facts: Facts) -> Iterator[str]:
    yield from (read.file for read in facts.reads)
    yield from (exchange.request for exchange in facts.exchanges if exchange.request)
    for file in (EXAMPLES / provider.replace("-", "_")).iterdir():
        if any(exchange.answer.body == file.read_bytes() for exchange in facts.exchanges):
            yield file.name

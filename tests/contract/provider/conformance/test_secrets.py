"""Nothing secret is logged or shown: settings' secrets, tokens, sessions, texts and numbers, whatever a provider says.

Every call is made against a provider that repeats all of it in its answers; then every log line at debug, every error
that came out, and every repr is searched.
"""

import json
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from relay.domain.errors import RelayError
from relay.domain.messages import RawAnswer
from tests.contract.provider.conformance.calls import CALLS, CODE, URL, WORDS, Call
from tests.contract.provider.conformance.known import Facts, Reply, facts_of, providers
from tests.contract.provider.conformance.lines import Stand, unconnected
from tests.contract.provider.conformance.scripted import scripted
from tests.contract.provider.conformance.test_parsers import readers

STATUSES = (200, 201, 400, 401, 403, 404, 409, 429, 500, 503)
SOMEBODY_ELSE = "2065557788"


def own(settings: Any) -> list[str]:
    """The secrets of a line's settings."""
    return [value.get_secret_value() for value in dict(settings).values() if isinstance(value, SecretStr)]


def secrets_of(facts: Facts, settings: Any) -> list[str]:
    """What is looked for; a number is looked for by its last ten digits."""
    numbers, path = (facts.somebody[-10:], SOMEBODY_ELSE), URL.split("/")[-2]
    return [*own(settings), facts.carried, *facts.entering, *facts.secrets, *numbers, WORDS, CODE, path]


def carried_by(call: Call, facts: Facts) -> list[str]:
    """What a call carries, and an answer may repeat; a number may always be in it."""
    always = [facts.carried, facts.somebody, f"tel:+1{SOMEBODY_ELSE}", URL]
    return [*always, WORDS] if call.sends else always


def repeating(said: str) -> Iterator[Reply]:
    """Answers that repeat `said` wherever the providers' errors and texts stand; also as no JSON at all."""
    told = {"MessageId": "SVC0001", "Text": f"An error: {said}", "Variables": said}
    every = {
        "RequestError": {"ServiceException": told},
        "success": False,
        "response": {"code": -1, "desc": said},
        "errorDesc": said,
        "error": "invalid_grant",
        "error_description": said,
        "messageIndexInfo": {"status": said, "state": said},
    }
    bodies = [
        json.dumps(every),
        json.dumps({**every, "RequestError": {"PolicyException": told}, "response": said}),
        said,
    ]
    for status in STATUSES:
        for body in bodies:
            yield Reply(status, body.encode(), "application/json" if body.startswith("{") else "text/plain")


def shown_by(error: BaseException) -> Iterator[str]:
    """All that an error shows of itself: its text, its problem, its repr, and its traceback with every cause."""
    yield str(error)
    yield repr(error)
    yield from traceback.format_exception(error)
    if isinstance(error, RelayError):
        yield json.dumps(error.problem.as_body())
        yield repr(error.problem)


def leaks(secrets: Iterable[str], shown: Iterable[Any]) -> set[tuple[str, str]]:
    """The secrets that are in something shown, with what they are in."""
    texts = [one if isinstance(one, str) else json.dumps(one, default=repr) for one in shown]
    return {(secret, text[:200]) for secret in secrets for text in texts if secret in text}


ALL = [
    pytest.param(provider, call, id=f"{provider}-{call.name}")
    for provider in providers()
    for call in CALLS
    if call.fits(unconnected(provider))
]


@pytest.mark.parametrize(("provider", "call"), ALL)
async def test_a_call_shows_nothing_secret(provider: str, call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """In no log line, no error, and no repr."""
    facts = facts_of(provider)
    caplog.set_level(logging.DEBUG)
    shown: list[Any] = []
    async with scripted(facts.opening) as server:
        stand = Stand(provider, server.base_url)
        await stand.prepare()
        with capture_logs() as lines:
            for reply in repeating(" ".join(carried_by(call, facts))):
                server.reply = reply
                shown += await _shown(stand, call)
        secrets = secrets_of(facts, stand.connect()._settings)
    shown += [*lines, *(record.getMessage() for record in caplog.records)]
    assert lines
    assert leaks(secrets, shown) == set()


VARIANTS = [
    pytest.param(provider, variant, id=f"{provider}-{place}")
    for provider in providers()
    for place, variant in enumerate(facts_of(provider).variants)
]


@pytest.mark.parametrize(("provider", "variant"), VARIANTS)
async def test_getting_in_shows_nothing_secret(
    provider: str, variant: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor where the answer to the credentials repeats them."""
    facts = facts_of(provider)
    caplog.set_level(logging.DEBUG)
    shown: list[Any] = []
    async with scripted({}) as server:
        stand = Stand(provider, server.base_url)
        line = stand.connect(**variant)
        secrets = secrets_of(facts, line._settings)
        said = " ".join((*own(line._settings), *facts.entering, facts.somebody))
        with capture_logs() as lines:
            for reply in repeating(said):
                server.reply = reply
                for enter in (facts.prepare, lambda line: line.verify()):
                    line = stand.connect(**variant)
                    try:
                        await enter(line)
                    except RelayError as error:
                        shown += shown_by(error)
                    finally:
                        await line.aclose()
    shown += [*lines, *(record.getMessage() for record in caplog.records)]
    assert lines
    assert leaks(secrets, shown) == set()


async def _shown(stand: Stand, call: Call) -> list[str]:
    async with stand.line() as line:
        try:
            await call.make(line, stand.facts.somebody)
        except RelayError as error:
            return [*shown_by(error), repr(line)]
        return [repr(line)]


@pytest.mark.parametrize("provider", providers())
def test_a_reader_shows_nothing_secret(provider: str) -> None:
    """What cannot be read is kept with the error, and not shown by it; nor is what can be."""
    facts = facts_of(provider)
    line = unconnected(provider)
    secrets = secrets_of(facts, line._settings)
    said = " ".join(secrets)
    shown: list[Any] = []
    with capture_logs() as lines:
        for reader in readers(provider).values():
            for reply in repeating(said):
                raw = RawAnswer(reply.body, reply.content_type)
                shown.append(repr(raw))
                try:
                    reader(raw)
                except RelayError as error:
                    shown += shown_by(error)
    assert shown
    assert leaks(secrets, [*shown, *lines]) == set()


@pytest.mark.parametrize("provider", providers())
def test_settings_and_lines_show_nothing_secret(provider: str) -> None:
    """Neither what is right, nor what is said of what is wrong."""
    facts = facts_of(provider)
    for variant in facts.variants:
        line = unconnected(provider, variant)
        settings = line._settings
        secrets = own(settings)
        assert secrets, "a line without any secret has not been looked at"
        assert leaks(secrets, [repr(settings), str(settings), repr(line), settings.model_dump_json()]) == set()


def test_a_leak_is_found() -> None:
    """A search that finds nothing proves nothing."""
    assert leaks(["s3cret"], [{"event": "x", "url": "/a/s3cret"}]) == {("s3cret", '{"event": "x", "url": "/a/s3cret"}')}

"""What the conformance suite has to know of each provider, and cannot find out: one small module of facts a provider.

A new provider's folder gets the whole suite for such a module beside those in `facts/`, named as the provider is,
with `_` for `-`, and holding `FACTS`.
"""

import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.domain.errors import ErrorCode, RelayError
from relay.domain.messages import Content, RawAnswer
from relay.providers import discover
from relay.simulator.app import Simulator

EXAMPLES = Path(__file__).with_name("examples")
HERE = "tests.contract.provider.conformance.facts"


class MissingFacts(LookupError):  # noqa: N818 - it says what is missing
    """A provider that the suite knows nothing of."""


@dataclass(frozen=True)
class Reply:
    """What a scripted server answers."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    cut: bool = False  # only half of the body comes


@dataclass(frozen=True)
class Read:
    """An example of the documents that a reader takes: what the reader makes of it.

    `shows` picks what is compared out of what was read.
    """

    file: str
    source: str
    read: Callable[[Any, RawAnswer], Any]
    shows: Callable[[Any], Any]
    expected: Any
    content_type: str = "application/json"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """An example of the documents that a call makes: what is sent, what comes back, and what the call makes of it.

    `request` is the file with the documented request; None where it has no body, or is compared elsewhere.
    """

    source: str
    call: Callable[[Any], Awaitable[Any]]
    answer: Reply
    shows: Callable[[Any], Any]
    expected: Any
    request: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Code:
    """A word of the provider's tables, and what it leads to: an error with its code, or (None) what is shown.

    `name` is the word as the table has it; a word may have several rows.
    """

    name: str
    call: Callable[[Any], Awaitable[Any]]
    answer: Reply
    error: type[RelayError] | None
    leads_to: ErrorCode | Any
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """A content of some shape, and how a line says that it will go out: by which call, as what, in how many bytes."""

    content: Content
    api: str
    sent_as: str
    size: int
    settings: Mapping[str, Any] = field(default_factory=dict)


async def _nothing(_line: Any) -> None:
    """Nothing has to be done before a line works."""


@dataclass(frozen=True)
class Facts:
    """What the suite has to know.

    Attributes:
        settings: of a line of the simulator's demo account, beside `base_url`; secrets are marked.
        accounts: the simulator's accounts that fit them.
        variants: further settings, with which the line has further capabilities.
        somebody: whom the line can text.
        carried: the secret that every call carries: a token, a session.
        entering: the secrets, beside the settings' own, with which `prepare` gets what is carried.
        secrets: what else must never be shown.
        opening: what a scripted server answers below these paths: the credentials.
        prepare: what makes a fresh line work: a consent.
        listen: have the provider call `url` for an event, where the line cannot install web hooks itself.
        cause: make the provider call back for an event; `ref` is the id of a message that was sent.
        with_parts: make a message with attachments come in.
        reads: documented examples for readers.
        exchanges: documented examples for calls.
        plans: one content for each shape that the line can send.
        codes: every word of the provider's tables.
        documented: the words that the provider's own tables have.
    """

    settings: Mapping[str, Any]
    somebody: str
    accounts: Mapping[str, str]
    variants: tuple[Mapping[str, Any], ...] = ({},)
    carried: str = ""
    entering: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    opening: Mapping[str, Reply] = field(default_factory=dict)
    prepare: Callable[[Any], Awaitable[None]] = _nothing
    listen: Callable[[Simulator, str, str], None] | None = None
    cause: Mapping[str, Callable[[Simulator, str], Any]] = field(default_factory=dict)
    with_parts: Callable[[Simulator], None] | None = None
    reads: tuple[Read, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    plans: tuple[Planned, ...] = ()
    codes: tuple[Code, ...] = ()
    documented: frozenset[str] = frozenset()


def facts_of(provider: str) -> Facts:
    """What is known of a provider; raises MissingFacts with what to write where."""
    name = provider.replace("-", "_")
    if importlib.util.find_spec(f"{HERE}.{name}") is None:
        raise MissingFacts(
            f"the provider {provider!r} has no facts for the conformance suite: write"
            f" tests/contract/provider/conformance/facts/{name}.py with FACTS = Facts(...); see the others there"
        )
    facts: Facts = importlib.import_module(f"{HERE}.{name}").FACTS
    return facts


def providers() -> list[str]:
    """Every provider's name."""
    return sorted(discover())


def example(provider: str, file: str) -> bytes:
    """A data file's bytes."""
    return (EXAMPLES / provider.replace("-", "_") / file).read_bytes()

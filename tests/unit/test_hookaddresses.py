"""The secrets in web hooks' addresses: made once, kept, and the former ones taken for a while."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from relay.hookaddresses import (
    FORMER_FOR,
    HookSecrets,
    consent_address,
    hook_addresses,
    hook_prefix,
    hook_secrets,
    opens,
    proof,
)
from relay.ids import Ids
from relay.journal import Journal, Memory
from relay.simulator.virtual import ManualClock
from tests import journals

FIRST, SECOND, THIRD = "first-secret-0123456", "second-secret-012345", "third-secret-0123456"


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


@pytest.fixture
async def journal(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Journal]:
    """A journal."""
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
    async with await Journal.open(f"sqlite:///{tmp_path}/relay.db", clock=clock, ids=ids, node="n1") as journal:
        yield journal


@pytest.fixture
def memory(journal: Journal) -> Memory:
    """A line's memory."""
    return journal.memory("office")


async def test_a_secret_is_made_once_and_kept(memory: Memory, clock: ManualClock) -> None:
    """The provider has it in its hooks: every start has to take the same."""
    made = await hook_secrets(memory, None, clock.now())
    await clock.advance(30 * 86_400)
    assert await hook_secrets(memory, None, clock.now()) == made
    assert made.former == {}


async def test_a_made_secret_cannot_be_guessed_and_fits_into_a_path(memory: Memory, clock: ManualClock) -> None:
    """192 bits, none of which a URL would have to escape."""
    secret = (await hook_secrets(memory, None, clock.now())).current
    assert len(secret) == 32
    assert urlsplit(f"https://example.com/{secret}").path == f"/{secret}"


async def test_each_line_has_a_secret_of_its_own(journal: Journal, clock: ManualClock) -> None:
    """Whoever knows one line's address cannot speak for another."""
    one, other = [await hook_secrets(journal.memory(line), None, clock.now()) for line in ("office", "desk")]
    assert one.current != other.current


async def test_a_configured_secret_is_taken_as_it_is(memory: Memory, clock: ManualClock) -> None:
    """And stays when it is taken out of the settings, because the provider still calls it."""
    assert await hook_secrets(memory, FIRST, clock.now()) == HookSecrets(FIRST)
    assert await hook_secrets(memory, None, clock.now()) == HookSecrets(FIRST)


async def test_after_a_change_the_former_secret_is_taken_for_72_hours(memory: Memory, clock: ManualClock) -> None:
    """AT&T repeats a hook for so long, to the address that it was first sent to."""
    await hook_secrets(memory, FIRST, clock.now())
    changed = clock.now()
    secrets = await hook_secrets(memory, SECOND, changed)
    assert secrets.current == SECOND
    assert secrets.taken(changed + FORMER_FOR - timedelta(seconds=1)) == (SECOND, FIRST)
    assert secrets.taken(changed + FORMER_FOR) == (SECOND,)


async def test_the_72_hours_run_on_over_restarts(memory: Memory, clock: ManualClock) -> None:
    """A start does not make them begin anew."""
    await hook_secrets(memory, FIRST, clock.now())
    changed = clock.now()
    await hook_secrets(memory, SECOND, changed)
    for _ in range(3):
        await clock.advance(20 * 3600)
        secrets = await hook_secrets(memory, SECOND, clock.now())
        assert secrets.taken(clock.now()) == (SECOND, FIRST)
        assert secrets.former[FIRST] == changed + FORMER_FOR
    await clock.advance(12 * 3600)
    assert await hook_secrets(memory, SECOND, clock.now()) == HookSecrets(SECOND)


async def test_a_made_secret_becomes_the_former_one_when_one_is_configured(memory: Memory, clock: ManualClock) -> None:
    """Where a secret comes from makes no difference to the provider."""
    made = await hook_secrets(memory, None, clock.now())
    assert (await hook_secrets(memory, FIRST, clock.now())).taken(clock.now()) == (FIRST, made.current)


async def test_two_changes_leave_two_former_secrets(memory: Memory, clock: ManualClock) -> None:
    """Each for its own 72 hours."""
    for secret in (FIRST, SECOND, THIRD):
        secrets = await hook_secrets(memory, secret, clock.now())
        await clock.advance(40 * 3600)
    assert secrets.taken(clock.now()) == (THIRD, SECOND)


async def test_going_back_to_a_former_secret_makes_it_the_current_one(memory: Memory, clock: ManualClock) -> None:
    """It is not taken for former at the same time."""
    for secret in (FIRST, SECOND, FIRST):
        secrets = await hook_secrets(memory, secret, clock.now())
    assert secrets.taken(clock.now()) == (FIRST, SECOND)


def test_secrets_are_not_shown() -> None:
    """Whoever prints them by mistake prints nothing."""
    assert FIRST not in repr(HookSecrets(FIRST, {}))


def test_an_address_names_the_line_the_secret_and_the_event() -> None:
    """And all of a line's addresses begin alike, whatever the secret was."""
    addresses = hook_addresses(["https://sms.example.com"], "office", FIRST, ("receive", "send"))
    assert addresses == (
        ("receive", f"https://sms.example.com/hooks/office/{FIRST}/receive"),
        ("send", f"https://sms.example.com/hooks/office/{FIRST}/send"),
    )
    assert all(url.startswith(hook_prefix("https://sms.example.com", "office")) for _, url in addresses)


def test_each_event_has_an_address_at_each_host() -> None:
    """Several hosts are one hook an event and host."""
    addresses = hook_addresses(["https://a.example", "https://b.example"], "office", FIRST, ("receive", "send"))
    assert [(event, url.split("/")[2]) for event, url in addresses] == [
        ("receive", "a.example"),
        ("receive", "b.example"),
        ("send", "a.example"),
        ("send", "b.example"),
    ]


def test_without_a_public_address_the_path_is_known() -> None:
    """Whoever has a proxy of his own can put its host before it."""
    assert hook_addresses((), "alerts", FIRST, ("message",)) == (("message", f"/hooks/alerts/{FIRST}/message"),)
    assert consent_address((), "desk", FIRST) == f"/consent/desk/{FIRST}"


def test_a_browser_is_sent_back_to_the_first_host() -> None:
    """A provider knows one such address."""
    at = consent_address(["https://a.example", "https://b.example"], "desk", FIRST)
    assert at == f"https://a.example/consent/desk/{FIRST}"


def test_a_lines_prefix_is_not_the_beginning_of_anothers_address() -> None:
    """The hooks of `office-2` are not mistaken for those of `office`."""
    [(_, other)] = hook_addresses(["https://sms.example.com"], "office-2", FIRST, ("receive",))
    assert not other.startswith(hook_prefix("https://sms.example.com", "office"))


@pytest.mark.parametrize("offered", ["", "-", FIRST[:-1], f"{FIRST}x", "\udcff", "é"])
def test_a_wrong_secret_opens_nothing(offered: str) -> None:
    """Nor does any, where there are none."""
    assert not opens(offered, (FIRST, SECOND))
    assert not opens(offered, ())
    assert not opens(offered, None)


def test_every_secret_that_is_taken_opens() -> None:
    """The present one and the former ones."""
    assert [opens(secret, (FIRST, SECOND)) for secret in (FIRST, SECOND, THIRD)] == [True, True, False]


def test_a_line_that_is_not_there_takes_as_long_to_say_no() -> None:
    """What is asked is sealed for nobody as well: the time does not tell which lines there are."""

    def took(secrets: tuple[str, ...] | None) -> float:
        began = time.process_time()
        assert not any(proof("a-nonce.a-seal", secrets) for _ in range(2000))
        return time.process_time() - began

    known, unknown = (min(took(secrets) for _ in range(5)) for secrets in (("a-secret",), None))
    assert unknown > known / 3

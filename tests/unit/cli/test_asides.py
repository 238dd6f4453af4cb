"""`relay dead` for many at once, and `relay queue resolve`, as their user meets them, with a daemon's socket."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.unit.cli.test_queue import relay, rows
from tests.unit.counter import Counter, opened, set_aside
from tests.unit.stages.house import ALERTS, ALICE, BOB, ME


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket; nobody answered the call of a request of two copies, and a page cannot be read."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        await desk.house.send(ALICE, BOB, text="a secret text")
        await desk.house.journal.calls.claim(ALERTS, ME)
        await desk.house.journal.calls.recover()
        await set_aside(desk, b"noise")
        yield desk


async def test_the_list_is_narrowed(desk: Counter) -> None:
    """By kind, by line; a kind that there is not is misspelt."""
    told = await relay(desk, "dead", "list", "--kind", "raw", "--line", ALERTS)
    assert (told.exit_code, len(told.output.splitlines())) == (0, 1)
    assert len(rows(await relay(desk, "dead", "list", "--kind", "uncertain", "--limit", "1", "--json"))) == 1
    assert (await relay(desk, "dead", "list", "--line", "nosuch")).output == "nothing of this kind waits for a person\n"
    assert (await relay(desk, "dead", "list", "--kind", "nosuch")).exit_code == 2


async def test_all_of_a_kind_are_replayed(desk: Counter) -> None:
    """As after a parser has learned; what is uncertain only for certain, for it may be sent twice."""
    await set_aside(desk, b"more noise")
    told = await relay(desk, "dead", "replay", "--kind", "raw", "--line", ALERTS)
    assert (told.exit_code, told.output.count("still not readable")) == (1, 2)
    told = await relay(desk, "dead", "replay", "--kind", "uncertain")
    assert (told.exit_code, "say --yes" in told.output) == (2, True)
    done = rows(await relay(desk, "dead", "replay", "--kind", "uncertain", "--yes", "--json"))
    assert [one["outcome"] for one in done] == ["queued", "queued"]
    assert set((await desk.house.standing("key-1")).values()) == {"queued"}


async def test_all_of_a_kind_are_discarded(desk: Counter) -> None:
    """Only for certain; the other kinds stay."""
    told = await relay(desk, "dead", "discard", "--kind", "raw")
    assert (told.exit_code, "say --yes" in told.output) == (2, True)
    assert (await relay(desk, "dead", "discard", "--kind", "raw", "--yes")).output.endswith(": discarded\n")
    assert {one["kind"] for one in await desk.get("/dead")} == {"uncertain"}


@pytest.mark.parametrize(
    "words", [("discard",), ("replay",), ("discard", "x", "--kind", "raw"), ("replay", "--line", "x")]
)
async def test_who_does_not_say_what_is_meant_is_told(desk: Counter, words: tuple[str, ...]) -> None:
    """One id, or all of a kind."""
    told = await relay(desk, "dead", *words)
    assert (told.exit_code, "--kind" in told.output) == (2, True)
    assert len(await desk.get("/dead")) == 3


@pytest.mark.parametrize(("found", "status"), [("--sent", "submitted"), ("--not-sent", "failed")])
async def test_what_a_person_found_out_is_said(desk: Counter, found: str, status: str) -> None:
    """It says how many copies; 1 where there were none."""
    told = await relay(desk, "queue", "resolve", "key-1", found)
    assert (told.exit_code, told.output) == (0, "key-1: 2 copies resolved\n")
    assert set((await desk.house.standing("key-1")).values()) == {status}
    told = await relay(desk, "queue", "resolve", "key-1", found, "--line", ALERTS)
    assert (told.exit_code, "0 copies resolved; 2 copies left" in told.output) == (1, True)


async def test_it_must_be_said_what_was_found_out(desk: Counter) -> None:
    """Neither is the usual."""
    told = await relay(desk, "queue", "resolve", "key-1")
    assert (told.exit_code, "--sent or --not-sent" in told.output) == (2, True)
    assert set((await desk.house.standing("key-1")).values()) == {"uncertain"}


async def test_what_is_uncertain_is_listed_with_what_to_do(desk: Counter) -> None:
    """Since when, at which provider, what is awaited until when; no text, no number."""
    told = await relay(desk, "queue", "list", "--uncertain")
    head, first, _, *todo = told.output.splitlines()
    assert head.split()[:5] == ["copy", "line", "provider", "since", "evidence"]
    assert first.split()[1:5] == ["alerts", "att-sms", "2026-11-21", "09:00:00Z"]
    assert "relay queue resolve" in "".join(todo)
    shown = await relay(desk, "queue", "show", "key-1")
    assert shown.output.count("nobody knows since 2026-11-21 09:00:00Z whether it was taken") == 2
    for secret in ("secret", "+1206"):
        assert secret not in told.output + shown.output

"""`relay check` against the corpus of mistakes: each is named with its cure, and what is right is left alone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic_core import to_json

from relay.cli.checking import Threads, in_words
from relay.cli.findings.patience import USUAL
from relay.simulator.app import Simulator
from tests.brokers import Mosquitto
from tests.unit.cli.checked import (
    HIDDEN,
    QUICK,
    SECRETS,
    Place,
    Servers,
    file,
    make_certificates,
    public,
    server,
    together,
)
from tests.unit.cli.mistakes import BEGIN, END, MISTAKES, PAGE, Mistake, table

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of every kind."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """What every place has around it."""
    folder = tmp_path_factory.mktemp("broker")
    async with (
        Mosquitto(folder, persistent=True, users={"relay": SECRETS["mqtt"]}) as broker,
        Simulator() as att,
    ):
        yield Servers(broker, att, certificates)


@pytest_asyncio.fixture(loop_scope="module")
async def place(servers: Servers, tmp_path: Path) -> AsyncIterator[Place]:
    """A place where all is right."""
    async with AsyncExitStack() as stack:
        yield Place(tmp_path / "relay", servers, stack)


async def test_what_is_right_has_no_finding_at_all(place: Place) -> None:
    """Neither a fault nor a hint; the public address is tried through relay's own port."""
    found = await place.look()
    assert [finding for finding in found if finding.level != "ok"] == []
    assert any(finding.what.endswith("leads to this relay") for finding in found)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
async def test_a_mistake_is_named_with_its_cure(mistake: Mistake, place: Place) -> None:
    """In one finding, which holds no secret and no number."""
    await mistake.make(place)
    found = [finding for finding in await place.look() if finding.level != "ok"]
    named = [finding for finding in found if mistake.what in finding.what and mistake.cure in f"{finding.cure}"]
    assert named, "\n".join(f"{finding}" for finding in found)
    assert all(finding.why and finding.cure for finding in found)
    shown = b"\n".join(to_json(finding.as_body()) for finding in found).decode()
    assert [word for word in HIDDEN if word in shown] == []


async def test_the_page_shows_every_mistake() -> None:
    """At least fifty of them; `python -m tests.unit.cli.mistakes` writes them there."""
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 50
    _, _, rest = PAGE.read_text().partition(BEGIN)
    assert rest.partition(END)[0].splitlines() == list(table())


async def test_hosts_that_hang_hold_nothing_up(place: Place) -> None:
    """A broker, a provider and a public address that take connections and say nothing: each is named, all in time."""
    silent = (server("broker", None, scheme="mqtt"), server("att", None), public(), server("public", None))
    await together(*silent)(place)
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = {finding.part: finding.what for finding in await place.look() if finding.level == "wrong"}
    assert loop.time() - began < QUICK.part
    assert found.keys() == {"broker", "alerts", "office", "webhooks"}
    assert all("not answer" in what for what in found.values())


async def test_a_part_that_takes_too_long_is_given_up(place: Place) -> None:
    """The parts' own patience is the last word, whatever they wait for; the others are told all the same."""
    place.around = replace(place.around, patience=replace(QUICK, part=0.2, door=30.0, broker=30.0, web=30.0))
    await together(server("broker", None, scheme="mqtt"), server("att", None))(place)
    found = {finding.part: finding for finding in await place.look() if finding.level == "wrong"}
    assert found.keys() == {"broker", "alerts", "office"}
    assert {finding.what for finding in found.values()} == {"there was no answer within 0.2 s"}
    assert "check lines.office.base_url" in str(found["office"].cure)


async def test_the_usual_patience_is_under_ten_seconds() -> None:
    """With what a start of the program takes, and no part is cut off before it can say what hangs."""
    assert USUAL.part <= 7.5
    assert max(USUAL.door + USUAL.broker, USUAL.door + USUAL.web) < USUAL.part


async def test_a_thread_that_does_not_end_is_known() -> None:
    """A name server that keeps silent would hold the program for longer than anybody waits."""
    threads, end = Threads(2), threading.Event()
    held = threads.submit(end.wait)
    assert threads.are_held
    end.set()
    await asyncio.wrap_future(held)
    assert not threads.are_held
    threads.shutdown()


async def test_what_is_found_is_said_in_words_and_as_json(place: Place) -> None:
    """What is in order takes a line; what is not has why it matters and the cure below it, the reason once."""
    await file("alerts", "marked-wrong")(place)
    found = await place.look()
    lines = list(in_words(found))
    first = next(line for line in lines if line.startswith("!!"))
    assert first.startswith("!!  alerts    the provider refused the credentials")
    assert "\n".join(lines).count("can neither send nor receive") == 1
    assert {line.partition("  ")[0] for line in lines if line[0] != " "} == {"ok", "!!"}
    bodies = [finding.as_body() for finding in found]
    assert {frozenset(body) for body in bodies} == {frozenset({"part", "ok", "level", "what", "why", "cure"})}

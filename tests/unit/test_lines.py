"""The lines as they are now, what is seen of them, and what is done with them beside their stages."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from relay.lines import Doings, Lines, Seen
from relay.providerkit.spec import Line


class Plain:
    """A line of which nothing is wanted but that it be closed."""

    provider = "none"

    def __init__(self, alias: str, number: str = "12345") -> None:
        self.alias = alias
        self.number = number
        self.closed = 0

    async def verify(self) -> str:
        """It would do."""
        return "well"

    async def aclose(self) -> None:
        """Count it."""
        self.closed += 1


@pytest.fixture
def lines() -> Lines:
    """Two lines."""
    return Lines({"alerts": Plain("alerts"), "office": Plain("office", "+12065550100")})


def test_whoever_holds_the_lines_sees_them_come_and_go(lines: Lines) -> None:
    """In place of one another, too; an iteration sees those that there were when it began."""
    seen = iter(lines)
    fresh = Plain("alerts", "54321")
    lines.put(fresh)
    lines.put(Plain("desk"))
    lines.drop("office")
    assert lines["alerts"] is fresh
    assert (list(seen), list(lines), len(lines)) == (["alerts", "office"], ["alerts", "desk"], 2)


def test_a_line_that_is_about_to_go_is_there_and_not_served(lines: Lines) -> None:
    """Its stages still end; nothing new is taken for it; once gone, it may come again."""
    served = lines.served
    lines.leave("office")
    assert ("office" in lines, "office" in served, list(served), len(served)) == (True, False, ["alerts"], 1)
    lines.drop("office")
    lines.put(Plain("office"))
    assert list(served) == ["alerts", "office"]


async def test_every_line_that_was_opened_is_closed_once(lines: Lines) -> None:
    """Also one that was connected and never put among them, and one that another has replaced."""
    before, fresh, never = cast("Plain", lines["alerts"]), Plain("alerts"), Plain("desk")
    for line in (fresh, never):
        lines.opened(line)
    await lines.close(before)
    lines.put(fresh)
    await lines.aclose()
    await lines.aclose()
    assert [one.closed for one in (before, fresh, never, cast("Plain", lines["office"]))] == [1, 1, 1, 1]


def test_what_is_seen_of_lines_is_seen_of_those_there_are_now(lines: Lines) -> None:
    """Each is looked at once; a new one in its place is looked at again; what shows nothing is not among them."""
    looks: list[str] = []

    def number(line: Line) -> str | None:
        looks.append(line.alias)
        return line.number if line.number.startswith("+") else None

    seen = Seen(lines, number)
    assert (dict(seen), list(seen), "alerts" in seen, len(seen)) == ({"office": "+12065550100"}, ["office"], False, 1)
    assert sorted(looks) == ["alerts", "office"]
    lines.put(Plain("alerts", "+12065550111"))
    assert "+12065550111" in seen.values()
    lines.drop("office")
    with pytest.raises(KeyError):
        seen["office"]


async def ran(condition: Callable[[], bool]) -> None:
    """Wait, for some turns of the loop, until it is so."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError


async def test_a_line_is_changed_only_once_nothing_is_under_way_on_it() -> None:
    """What comes meanwhile waits, and finds the line as it is then; other lines are left alone."""
    doings, told = Doings(), list[str]()
    ends = asyncio.Event()

    async def do(line: str, name: str) -> None:
        async with doings.on(line):
            told.append(f"{name} begins")
            await ends.wait()
            told.append(f"{name} ends")

    async def change() -> None:
        async with doings.none_on("desk"):
            told.append("change")

    first = asyncio.create_task(do("desk", "first"))
    await ran(lambda: bool(told))
    changing = asyncio.create_task(change())
    second = asyncio.create_task(do("desk", "second"))
    other = asyncio.create_task(do("office", "other"))
    await ran(lambda: len(told) > 1)
    assert told == ["first begins", "other begins"]
    ends.set()
    await asyncio.gather(first, changing, second, other)
    assert told.index("first ends") < told.index("change") < told.index("second begins")


async def test_a_change_that_is_given_up_holds_nothing_up() -> None:
    """Whoever waits for it goes on."""
    doings = Doings()
    async with doings.on("desk"):
        changing = asyncio.create_task(doings.none_on("desk").__aenter__())
        await asyncio.sleep(0)
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
    async with asyncio.timeout(5), doings.on("desk"):
        pass

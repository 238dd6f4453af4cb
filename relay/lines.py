"""The lines that are served, as they are now: whoever holds them sees each that comes, goes or is changed.

Lines change on the event loop alone, each in one step.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from relay.providerkit.spec import Line

V = TypeVar("V")


class Lines(Mapping[str, Line]):
    """Every line there is, by alias. An iteration sees those that there were when it began.

    Args:
        lines: those there are at first.
    """

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self._lines = dict(lines)
        self._going: set[str] = set()
        self._open = list(lines.values())

    def __getitem__(self, alias: str) -> Line:
        return self._lines[alias]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def served(self) -> Mapping[str, Line]:
        """Those that take something new: all but those that are about to go. It stays true."""
        return _Served(self, self._going)

    def opened(self, line: Line) -> None:
        """This one was connected, and is not among them yet: it is to be closed as well, whatever happens."""
        self._open.append(line)

    def put(self, line: Line) -> None:
        """There is a new one, or one in place of another of the same alias."""
        self._lines[line.alias] = line

    def leave(self, alias: str) -> None:
        """This one is about to go: it takes nothing new."""
        self._going.add(alias)

    def drop(self, alias: str) -> None:
        """This one is there no more."""
        del self._lines[alias]
        self._going.discard(alias)

    async def close(self, line: Line) -> None:
        """Close one's connections."""
        if line in self._open:
            await line.aclose()
            self._open.remove(line)

    async def aclose(self) -> None:
        """Close the connections of all that were opened and not closed."""
        closing, self._open = self._open, []
        await asyncio.gather(*(line.aclose() for line in closing))


class _Served(Mapping[str, Line]):
    """The lines but those that are about to go."""

    def __init__(self, lines: Lines, going: set[str]) -> None:
        self._lines = lines
        self._going = going

    def __getitem__(self, alias: str) -> Line:
        if alias in self._going:
            raise KeyError(alias)
        return self._lines[alias]

    def __iter__(self) -> Iterator[str]:
        return (alias for alias in self._lines if alias not in self._going)

    def __len__(self) -> int:
        return len(self._lines) - len(self._going)


class Seen(Mapping[str, V]):
    """What is to be seen of each line, as they are now: each is looked at once.

    Args:
        lines: all of them.
        see: gives what is to be seen of a line; None: nothing, it is not among these.
    """

    def __init__(self, lines: Mapping[str, Line], see: Callable[[Line], V | None]) -> None:
        self._lines = lines
        self._see = see
        self._seen: dict[str, tuple[Line, V | None]] = {}

    def __getitem__(self, alias: str) -> V:
        found = self._look(alias)
        if found is None:
            raise KeyError(alias)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([alias for alias in self._lines if self._look(alias) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _look(self, alias: str) -> V | None:
        line, known = self._lines[alias], self._seen.get(alias)
        if known is None or known[0] is not line:
            known = self._seen[alias] = line, self._see(line)
        return known[1]


class Doings:
    """What is done with lines beside what their stages do: no line is closed while something is under way on it."""

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()
        self._shut: set[str] = set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def on(self, line: str) -> AsyncIterator[None]:
        """Do something with a line in the block, which begins once the line is not just being changed.

        It may be another line then, or gone.
        """
        while line in self._shut:
            await self._change()
        self._busy[line] += 1
        try:
            yield
        finally:
            self._busy[line] -= 1
            self._changed.set()

    @asynccontextmanager
    async def none_on(self, line: str) -> AsyncIterator[None]:
        """Change a line in the block, which begins once nothing is under way on it; nothing begins meanwhile."""
        self._shut.add(line)
        try:
            while self._busy[line]:
                await self._change()
            yield
        finally:
            self._shut.discard(line)
            self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

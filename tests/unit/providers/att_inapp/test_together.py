"""Changes that come while one is on its way go together, and each gets its own answer."""

import asyncio
from collections.abc import Mapping

import pytest

from relay.domain.errors import ErrorCode, Gone, Problem, RelayError, TryLater
from relay.providers.att_inapp.together import Together


class Store:
    """Takes changes; `made` are the calls, as lists of ids."""

    def __init__(self) -> None:
        self.made: list[list[str]] = []
        self.values: dict[str, bool] = {}
        self.gone: set[str] = set()
        self.fails: RelayError | None = None
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def one(self, ref: str, value: bool) -> None:
        """One change."""
        await self._make({ref: value})

    async def many(self, changes: Mapping[str, bool]) -> None:
        """Several."""
        assert len(changes) > 1
        await self._make(changes)

    async def _make(self, changes: Mapping[str, bool]) -> None:
        self.made.append(list(changes))
        self.begun.set()
        await asyncio.sleep(0)  # a call takes its time: others come meanwhile
        await self.may_go_on.wait()
        if self.fails:
            raise self.fails
        if self.gone & changes.keys():
            raise Gone(Problem(ErrorCode.UNKNOWN_ID, "gone"))
        self.values.update(changes)


@pytest.fixture
def store() -> Store:
    """A store that takes everything."""
    return Store()


async def test_a_change_alone_is_a_call_alone(store: Store) -> None:
    """Nobody waits for company."""
    together = Together(store.one, store.many)
    await together.make("a", value=True)
    await together.make("b", value=False)
    assert store.made == [["a"], ["b"]]
    assert store.values == {"a": True, "b": False}


async def test_those_that_come_meanwhile_go_together(store: Store) -> None:
    """In the order in which they came."""
    together = Together(store.one, store.many)
    await asyncio.gather(*(together.make(ref, value=True) for ref in "abcde"))
    assert store.made == [["a"], ["b", "c", "d", "e"]]


async def test_two_changes_to_one_message_are_two_calls(store: Store) -> None:
    """The later one wins, as it would have alone."""
    together = Together(store.one, store.many)
    changes = [("a", True), ("b", True), ("c", True), ("b", False)]
    await asyncio.gather(*(together.make(ref, value) for ref, value in changes))
    assert store.made == [["a"], ["b", "c"], ["b"]]
    assert store.values["b"] is False


async def test_no_call_grows_without_end(store: Store) -> None:
    """Fifty messages, and two thousand characters of their ids."""
    together = Together(store.one, store.many)
    await asyncio.gather(*(together.make(f"{number:03}", value=True) for number in range(102)))
    assert [len(call) for call in store.made] == [1, 50, 50, 1]
    store.made.clear()
    await asyncio.gather(*(together.make(f"{number}" * 900, value=True) for number in range(4)))
    assert [len(call) for call in store.made] == [1, 2, 1]


async def test_an_id_that_does_not_fit_goes_alone(store: Store) -> None:
    """As one with a comma in it, where commas stand between ids."""
    together = Together(store.one, store.many, fits=lambda ref: "," not in ref)
    await asyncio.gather(*(together.make(ref, value=True) for ref in ("a", "b", "c,d", "e", "f")))
    assert store.made == [["a"], ["b"], ["c,d"], ["e", "f"]]


async def test_where_one_is_refused_each_gets_its_own_answer(store: Store) -> None:
    """AT&T does not say which of them it was."""
    store.gone = {"c"}
    together = Together(store.one, store.many)
    answers = await asyncio.gather(*(together.make(ref, value=True) for ref in "abcd"), return_exceptions=True)
    assert store.made == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]
    assert [type(answer) for answer in answers] == [type(None), type(None), Gone, type(None)]


async def test_a_failure_is_everybody_s(store: Store) -> None:
    """It may be tried again by all."""
    store.fails = TryLater(Problem(ErrorCode.PROVIDER_ERROR, "later"))
    together = Together(store.one, store.many)
    answers = await asyncio.gather(*(together.make(ref, value=True) for ref in "abc"), return_exceptions=True)
    assert store.made == [["a"], ["b", "c"]]
    assert {type(answer) for answer in answers} == {TryLater}


async def test_who_gives_up_takes_nobody_along(store: Store) -> None:
    """What a cancelled call had taken along is carried by the next."""
    together = Together(store.one, store.many)
    store.may_go_on.clear()
    tasks = [asyncio.create_task(together.make(ref, value=True)) for ref in "abc"]
    async with asyncio.timeout(5):
        await store.begun.wait()
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        store.may_go_on.set()
        await asyncio.gather(*tasks[1:])
    assert store.values.keys() == {"b", "c"}
    await together.make("d", value=True)
    assert store.made[-1] == ["d"]

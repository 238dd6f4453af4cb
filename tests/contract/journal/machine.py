"""A journal under verbs in any order, on each database: what the machines of these tests share."""

import asyncio
from collections.abc import Awaitable
from contextlib import ExitStack
from typing import Any, ClassVar, TypeVar
from unittest import TestCase

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine

from tests.contract.journal.desk import Desk, StillClock
from tests.contract.journal.places import Place, ground

T = TypeVar("T")
_FEWER = 8  # times, of examples on PostgreSQL: a round trip costs more than a call


class Machine(RuleBasedStateMachine):
    """Begins with `begin`, in a rule of its own; ends by itself."""

    database: ClassVar[str] = "sqlite"

    def place(self) -> Place:
        """Where a new journal may lie, until the end."""
        self.loop, self.stack = asyncio.Runner(), ExitStack()
        return self.stack.enter_context(ground(self.database))

    def begin(self, clock: StillClock | None = None, **limits: Any) -> None:
        """Open an empty journal."""
        self.desk = self.do(Desk.at(self.place(), clock, **limits))

    def do(self, verb: Awaitable[T]) -> T:
        """Let a verb happen."""

        async def happening() -> T:
            return await verb

        return self.loop.run(happening())

    def teardown(self) -> None:
        """Close everything that was opened."""
        if not hasattr(self, "stack"):
            return
        with self.stack, self.loop:
            if hasattr(self, "desk"):
                self.do(self.desk.journal.aclose())


def on_each_database(machine: type[Machine], *, steps: int, examples: int) -> tuple[type[TestCase], type[TestCase]]:
    """The tests of a machine: on SQLite, and on PostgreSQL.

    Args:
        machine: what is run.
        steps: of each example, at the most.
        examples: on SQLite; there are fewer on PostgreSQL.
    """
    there: Any = type(
        f"{machine.__name__}OnPostgresql", (machine,), {"database": "postgresql", "__doc__": machine.__doc__}
    )
    for one, many in ((machine, examples), (there, max(examples // _FEWER, 2))):
        one.TestCase.settings = settings(stateful_step_count=steps, max_examples=many)
    return machine.TestCase, there.TestCase

"""Limits: what the lines have spent of their budgets, and pauses that hold for a whole line."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from relay.clock import Clock
from relay.journal.limitrows import Permit, count_calls, permit, slow, spent_by_day
from relay.journal.reader import Reader
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer
from relay.rules.budget import Forecast, forecast
from relay.rules.line import LineRules, Rules


@dataclass(frozen=True, slots=True)
class Standing:
    """How a line stands with its limits: when it may send next, what it spent today, and its month, where limited."""

    permit: Permit
    today: int
    month: Forecast | None


class LimitVerbs:
    """What may be done with limits."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock, rules: Callable[[], Rules]) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._rules = rules
        self._counted: Counter[tuple[str, str]] = Counter()

    def count(self, line: str, kind: str) -> None:
        """Note a call that is being made and is none to send: `keep` writes it down.

        Args:
            line: whose.
            kind: `status`, `inbox` or `mailbox`.
        """
        self._counted[line, kind] += 1

    async def keep(self) -> int:
        """Write down the calls that were noted; gives how many."""
        counted, self._counted = self._counted, Counter()
        if not counted:
            return 0

        def operation(tx: Transaction) -> int:
            for (line, kind), calls in counted.items():
                count_calls(tx, line, kind, calls)
            return counted.total()

        is_kept = False
        try:
            kept = await self._writer.run(operation)
            is_kept = True
        finally:
            if not is_kept:
                self._counted += counted
        return kept

    async def slow(self, line: str, seconds: float) -> None:
        """Begin no call to send on this line for so many seconds, over restarts as well."""
        await self._writer.run(lambda tx: slow(tx, line, tx.now + timedelta(seconds=seconds)))

    async def standing(self, line: str) -> Standing:
        """How a line stands with its limits now."""
        rules, now = self._rules().of(line), self._clock.now()
        return await self._reader.run(lambda connection: _standing(connection, rules, now))


def _standing(connection: Connection, rules: LineRules, now: datetime) -> Standing:
    # A week before the month belongs to the rate that the forecast goes by.
    spent = spent_by_day(connection, rules.line, min(now.date().replace(day=1), (now - timedelta(days=7)).date()))
    limit = rules.calls_per_month
    month = None if limit is None else forecast(spent, limit, now)
    return Standing(permit(connection, rules, now, spent), spent.get(now.date(), 0), month)

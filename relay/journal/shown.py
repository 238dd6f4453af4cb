"""Messages that the provider showed -> their rows: those that are told together are written together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, insert, literal_column

from relay.domain.messages import MessageClass, OnUncertain
from relay.journal.codec import content_out
from relay.journal.columns import as_json
from relay.journal.mailrows import remember
from relay.journal.schema import message
from relay.journal.sums import sum_of
from relay.journal.transaction import Transaction


@dataclass(slots=True)
class Shown:
    """Messages of a line that the provider showed, until they are written.

    Nothing else of this transaction may look for their rows before `write`.
    """

    tx: Transaction
    line: str
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, direction: str, text: str | None, subject: str | None, refs: Iterable[str | None]) -> str:
        """Keep one; gives its id. Its announcement has the sequence 1.

        Args:
            direction: `in`; or `elsewhere`, where another device sent it.
            text: what it says.
            subject: its subject.
            refs: the provider's ids of it.
        """
        message_id = self.tx.ids.new()
        content = content_out(text, subject, (), group=False)
        row = {
            "id": message_id,
            "direction": direction,
            "line": self.line,
            "content": content,
            "sum": sum_of(content),
            "created_at": self.tx.now,
            "ended_at": self.tx.now,
        }
        self._rows.append(row)
        for ref in refs:
            if ref is not None:
                self._names[ref] = message_id
        return message_id

    def write(self) -> None:
        """Write what was added, and know it by the provider's ids from then on."""
        rows, self._rows = self._rows, []
        names, self._names = self._names, {}
        if rows:
            self.tx.execute(_ADD, rows)
        if names:
            remember(self.tx, self.line, names)


_NO_ECHO = as_json(None)
# What is the same in all of them stands in the statement: a value costs more on its way than it is worth.
_ALIKE: dict[str, Any] = {
    "request_id": literal_column("''"),
    "lane": literal_column("0"),
    "class": literal_column(f"'{MessageClass.NORMAL.value}'"),
    "receipts": literal_column("0"),
    "on_uncertain": literal_column(f"'{OnUncertain.HOLD.value}'"),
    "echo": _NO_ECHO,
    "echo_sum": literal_column(str(sum_of(_NO_ECHO))),
    "sequence": literal_column("1"),
    "open_copies": literal_column("0"),
}
_OWN = ("id", "direction", "line", "content", "sum", "created_at", "ended_at")
_ADD = insert(message).values({**_ALIKE, **{name: bindparam(name) for name in _OWN}})

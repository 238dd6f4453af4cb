"""The rows of requests -> their tables: those of a whole batch together, which costs a fraction of each by itself.

Until they are written, nobody finds these rows in the database. So whatever a transaction runs writes them first
(`Transaction.execute`), but for what has nothing to do with them, or asks here as well (`Transaction.beside`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Insert, insert

from relay.journal.schema import call, command, copy, message

Row = dict[str, Any]
Write = Callable[[Insert, list[Row]], object]

_MOST_BYTES = 4 * 1024 * 1024  # of what messages say
MOST_COPIES = 500  # ten thousand rows, in the forms that they take on their way, are many megabytes


class Gathered:
    """Rows of messages, copies, calls and commands that are new, and not written yet. All of a table have one shape.

    Attributes:
        any: whether there are any.
    """

    def __init__(self) -> None:
        self._bound: set[tuple[str, str, str]] = set()
        self._formed: set[tuple[str, str]] = set()
        self._begin()

    def _begin(self) -> None:
        self.any = False
        self._messages: dict[str, Row] = {}
        self._content_bytes = 0
        self._copies: list[Row] = []
        self._calls: list[Row] = []
        self._commands: list[Row] = []
        self._awaited: set[tuple[str, str]] = set()
        self._companies: dict[tuple[str, str], Row] = {}

    @property
    def is_large(self) -> bool:
        """Whether there are so many that they should be written before there are more."""
        return len(self._copies) >= MOST_COPIES or self._content_bytes >= _MOST_BYTES

    def add_message(self, row: Row) -> None:
        """A message."""
        self.any = True
        self._messages[row["id"]] = row
        self._content_bytes += len(row["content"])

    def add_copies(self, rows: Iterable[Row]) -> None:
        """Copies."""
        self.any = True
        self._copies += rows
        self._awaited.update((row["line"], row["address"]) for row in rows if row["waits"])

    def add_call(self, row: Row) -> None:
        """A call that waits."""
        self.any = True
        self._calls.append(row)
        if row["company"] is not None:
            company = row["line"], row["company"]
            self._companies[company] = row
            self._formed.add(company)

    def add_command(self, row: Row) -> None:
        """A command whose key is bound. Its `answer` is JSON already."""
        self.any = True
        self._commands.append(row)
        self._bound.add((row["line"], row["client"], row["key"]))

    def has_bound(self, line: str, client: str, key: str) -> bool:
        """Whether a key is bound by one of the commands, written or not."""
        return (line, client, key) in self._bound

    def newest_of(self, line: str, company: str) -> Row | None:
        """The newest call whose copies may travel with others like them; it may be changed here."""
        return self._companies.get((line, company))

    def has_formed(self, line: str, company: str) -> bool:
        """Whether a call for this company is one of the calls, written or not."""
        return (line, company) in self._formed

    def awaited(self, line: str, addresses: Iterable[str]) -> set[str]:
        """Those of these numbers that a copy waits for."""
        return {address for address in addresses if (line, address) in self._awaited}

    def take_sequence(self, message_id: str, count: int) -> int | None:
        """The last of the next `count` sequence numbers of a message; None where it is none of these."""
        row = self._messages.get(message_id)
        if row is None:
            return None
        row["sequence"] += count
        return int(row["sequence"])

    def write(self, write: Write) -> None:
        """Have `write` put them into their tables."""
        tables: Sequence[tuple[Insert, list[Row]]] = (
            (_MESSAGES, list(self._messages.values())),
            (_COPIES, self._copies),
            (_CALLS, self._calls),
            (_COMMANDS, self._commands),
        )
        self._begin()
        for statement, rows in tables:
            if rows:
                write(statement, rows)


_MESSAGES, _COPIES, _CALLS, _COMMANDS = insert(message), insert(copy), insert(call), insert(command)

"""A database in PostgreSQL that is to take a whole journal, in one transaction: all of it arrives, or nothing does."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from relay.journal.failures import JournalUnusable
from relay.journal.pgconnect import Connecting, connected, connecting
from relay.journal.pgerrors import judged
from relay.journal.pgstanding import PATIENT
from relay.journal.postgres import PostgresStore
from relay.journal.rows import TABLES, PostgresRows, Row, Tally, quoted

_OURS = {("", "optout.peer_key")}  # what making the tables puts into `memory`
_CURE = "name a database of its own, with nothing in it, owned by relay's user"


class Target:
    """A transaction of the database that takes the rows. No node writes there meanwhile."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def name(self) -> str:
        """Which database it is: the same after a fail-over, and whatever its hosts are called."""
        return str(self._connection.execute(text(_NAME)).scalar())

    def has(self, move: str) -> bool:
        """Whether a move of this id was committed here."""
        return bool(self._connection.execute(text(_HAS), {"id": move.encode("ascii")}).scalar())

    def refuse_filled(self) -> None:
        """Raise JournalUnusable where anything of relay's is here, or a node lives here."""
        refuse_filled(self._connection)

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        """Write the rows of a table."""
        driver: Any = self._connection.connection.driver_connection
        copy = f"COPY {table.name} ({quoted(table)}) FROM STDIN"
        try:
            with driver.cursor() as cursor, cursor.copy(copy) as copying:
                for row in rows:
                    copying.write_row(row)
        except self._connection.dialect.loaded_dbapi.Error as error:
            raise judged(DBAPIError(None, None, error)) from None

    def empty_memory(self) -> None:
        """Take away what making the tables has put there: the journal brings its own."""
        self._connection.execute(text("DELETE FROM memory"))

    def go_on_after(self, position: int) -> None:
        """Let the next event have a higher position."""
        self._connection.execute(text(_GO_ON), {"last": max(position, 1), "used": position > 0})

    def remember(self, move: str) -> None:
        """Note the move with its rows."""
        self._connection.execute(text(_REMEMBER), {"id": move.encode("ascii")})

    def tallied(self) -> Tally:
        """What is here, read back."""
        tally, rows = Tally(), PostgresRows(self._connection)
        for table in TABLES.values():
            for _ in tally.counting(table, rows.of(table)):
                pass
        return tally

    def commit(self) -> None:
        """Commit.

        Raises:
            JournalUnusable: nobody knows whether it is committed.
        """
        with in_words():
            self._connection.commit()


@contextmanager
def taking(url: str, password: str | None) -> Iterator[Target]:
    """A database, with relay's tables, that is to take a journal; what was not committed is rolled back at the end.

    Raises:
        JournalUnusable: it cannot be used, and why.
    """
    with in_words():
        _refuse_used(connecting(url, password))
        store = PostgresStore(url, password)
        try:
            with connected(store.connect.engine()) as connection:
                store.enter(connection)
                connection.execute(text(_PATIENT))
                yield Target(connection)
        finally:
            store.close()


@contextmanager
def in_words() -> Iterator[None]:
    """Have an error of the database told as what it means."""
    try:
        yield
    except DBAPIError as error:
        raise judged(error) from None


def refuse_filled(connection: Connection) -> None:
    """Raise JournalUnusable where a database has anything of a relay's, or a node that lives."""
    names = [name for name in TABLES if name != "memory"]
    filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608 - the journal's own tables
    found = [name for (name,) in connection.execute(text(filled))]
    kept = {tuple(row) for row in connection.execute(text("SELECT owner, key FROM memory"))}
    if found or not kept <= _OURS:
        raise JournalUnusable(f"that database holds a journal already ({', '.join(found) or 'memory'}): {_CURE}")
    refuse_lived_in(connection)


def refuse_lived_in(connection: Connection) -> None:
    """Raise JournalUnusable where a node works with a database."""
    living = [name for (name,) in connection.execute(text(_LIVING))]
    if living:
        raise JournalUnusable(f"relay runs with that database ({', '.join(living)}): stop it on all nodes first")


def _refuse_used(database: Connecting) -> None:
    """Before the tables are made or changed: what is another relay's, or another program's, stays as it is."""
    with connected(database.engine()) as connection:
        there = [name for name in ("copy", "event", "message") if _is_there(connection, name)]
        if there and PostgresRows(connection).revision() is None:
            raise JournalUnusable(f"that database has tables of another program: {_CURE}")
        filled = any(connection.execute(text(f"SELECT EXISTS (SELECT FROM {name})")).scalar() for name in there)  # noqa: S608 - as above
        if filled and connection.execute(text(_MOVED)).scalar() is None:
            raise JournalUnusable(f"that database holds a journal already: {_CURE}")


def _is_there(connection: Connection, table: str) -> bool:
    return connection.execute(text("SELECT to_regclass(:name)"), {"name": table}).scalar() is not None


_NAME = (
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || current_database() || '/' || current_schema()"
)
_MOVED = "SELECT value FROM memory WHERE owner = '' AND key = 'journal.move'"
_HAS = f"SELECT EXISTS ({_MOVED} AND value = :id)"
_REMEMBER = """
INSERT INTO memory (owner, key, value) VALUES ('', 'journal.move', :id)
ON CONFLICT (owner, key) DO UPDATE SET value = excluded.value
"""
_GO_ON = "SELECT setval(pg_get_serial_sequence('event', 'position'), :last, :used)"
_LIVING = """
SELECT DISTINCT name FROM node
WHERE ended_at IS NULL AND until > extract(epoch FROM clock_timestamp()) * 1000000 ORDER BY name
"""
# One transaction that takes as long as it takes. Whoever stands still in it is cut all the same.
_PATIENT = f"""
SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '60s', true),
    set_config('application_name', '{PATIENT}', true)
"""

"""Databases on PostgreSQL with relay's tables, quickly: made from a template, and cleaned for whoever comes next.

A new database costs some 50 ms, a cleaned one 5 ms: what a test has used is handed out again.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

import psycopg
from psycopg import sql

from relay.journal.postgres import PostgresStore
from tests.postgres import Server

Rows = dict[str, bytes]  # of each table that is not empty, as COPY writes them; and of each sequence, how far it is
_TEMPLATE = "relay_template"
_USES = 300  # of one database: what was deleted from its tables makes them slower


@dataclass
class Database:
    """A database with relay's tables, as relay makes them.

    Attributes:
        url: its address, for relay.
        uses: how often it was handed out.
    """

    server: Server
    name: str
    uses: int = 0
    _own: psycopg.Connection | None = None  # kept: a new one would have to learn of every table first

    @property
    def url(self) -> str:
        """Its address, for relay."""
        return self.server.url(self.name)

    def rows(self) -> Rows:
        """All that was committed here."""
        connection = self._connected()
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            rows = {table: _copied_out(connection, table) for table in _filled(connection)}
            # They belong to no transaction: read last, none is behind its table.
            return {**rows, **{name: b"%d" % reached for name, reached in connection.execute(_SEQUENCES).fetchall()}}

    def hold(self, rows: Rows) -> None:
        """Hold exactly these rows. Whoever else is connected is cut off."""
        connection = self._connected()
        connection.execute(_CUT)
        with connection.transaction():
            # Neither triggers nor foreign keys, so in any order.
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(one) for one in _tables(connection)))
            connection.execute(_RESTART)
            for name, content in rows.items():
                if content.isdigit():
                    connection.execute("SELECT setval(%s, %s)", [name, int(content)])
                    continue
                with connection.cursor().copy(_COPY_IN.format(sql.Identifier(name))) as copying:
                    copying.write(content)

    def check(self) -> None:
        """Let PostgreSQL compare every index with its table; raises where one does not fit."""
        connection = self._connected()
        connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        connection.execute(_CHECK)

    def close(self) -> None:
        """Leave it."""
        if self._own is not None:
            self._own.close()

    def _connected(self) -> psycopg.Connection:
        if self._own is not None:
            with suppress(psycopg.OperationalError):
                self._own.execute("SELECT")
                return self._own
            self._own.close()
        self._own = psycopg.connect(self.server.url(self.name, user="postgres"), autocommit=True)
        return self._own


@dataclass
class Databases:
    """Those of one server: with relay's tables and nothing in them but what relay puts there when it makes them."""

    server: Server
    free: list[Database] = field(default_factory=list)
    _names: Iterator[str] = field(default_factory=lambda: (f"relay_{number}" for number in itertools.count(1)))
    _made: Rows | None = None

    def take(self) -> Database:
        """One that nobody uses."""
        made = self._laid()
        if not self.free:
            name = next(self._names)
            self.server.create_database(name, _TEMPLATE)
            return Database(self.server, name)
        database = self.free.pop()
        database.hold(made)
        database.uses += 1
        return database

    def give_back(self, database: Database) -> None:
        """It is used no more. Whoever is still connected is cut when somebody takes it."""
        if database.uses < _USES:
            self.free.append(database)
        else:
            database.close()
            self.server.drop_database(database.name)

    def _laid(self) -> Rows:
        """Make the template, once; what relay puts into it."""
        if self._made is None:
            PostgresStore(self.server.create_database(_TEMPLATE)).close()
            template = Database(self.server, _TEMPLATE)
            self._made = template.rows()
            template.close()
            # A template that somebody is connected to, and be it autovacuum, cannot be used.
            self.server.execute(f"ALTER DATABASE {_TEMPLATE} ALLOW_CONNECTIONS false")
            self.server.cut(_TEMPLATE)
        return self._made


@cache
def shared() -> Databases:
    """Those of the server that all tests of this process share. It is started when it is first asked for."""
    server = Server()
    server.start()
    return Databases(server)


def end_shared() -> None:
    """Stop that server, where there is one."""
    if shared.cache_info().currsize:
        databases = shared()
        shared.cache_clear()
        for database in databases.free:
            database.close()
        databases.server.close()


@contextmanager
def borrowed() -> Iterator[Database]:
    """A database with relay's tables on the shared server, for as long as the block lasts."""
    database = shared().take()
    try:
        yield database
    finally:
        shared().give_back(database)


_CUT = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_CHECK = """
SELECT bt_index_check(oid, true) FROM pg_class
WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
"""
_COPY_OUT = sql.SQL("COPY {} TO STDOUT (FORMAT binary)")
_COPY_IN = sql.SQL("COPY {} FROM STDIN (FORMAT binary)")
_SEQUENCES = """
SELECT format('%I', sequencename), last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


def _tables(connection: psycopg.Connection) -> list[sql.Identifier]:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return [sql.Identifier(name) for (name,) in found]


def _filled(connection: psycopg.Connection) -> list[str]:
    asked = sql.SQL("SELECT {name} WHERE EXISTS (SELECT FROM {table})")
    each = [asked.format(name=sql.Literal(one._obj[0]), table=one) for one in _tables(connection)]
    return [name for (name,) in connection.execute(sql.SQL(" UNION ALL ").join(each)).fetchall()]


def _copied_out(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor().copy(_COPY_OUT.format(sql.Identifier(table))) as copying:
        return b"".join(bytes(block) for block in copying)

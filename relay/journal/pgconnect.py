"""Connections to PostgreSQL: the time that each thing may take, and what a pooler between needs to be told.

The driver is an extra, and is loaded where a journal is in PostgreSQL: every start and every command would pay for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from relay.journal.compiled import sharing
from relay.journal.failures import JournalUnusable
from relay.journal.pgerrors import judged
from relay.journal.pgsilence import SILENT, Answers, watch

_NETWORK = {
    "connect_timeout": 3,  # seconds, for each host
    "keepalives_idle": 2,  # seconds; then every second, three times
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,  # milliseconds that what was sent may stay unanswered by the network
    "application_name": "relay",
}
ANSWERS_WITHIN = 30  # looks, of 0.1 s each
STILL_FOR = 5.0  # seconds
# What a session may take. A node that stands still in a transaction holds up all others: shorter than any lease.
_SESSION = {
    "statement_timeout": "30s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": f"{STILL_FOR * 1000:.0f}ms",
    # A machine that has lost its power says no farewell.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "5",
}
_SET = "SELECT " + ", ".join(f"set_config('{name}', '{value}', %s)" for name, value in _SESSION.items())
# A stronger wish of the administrator's stays.
_SYNC = "SELECT set_config('synchronous_commit', 'on', %s) WHERE current_setting('synchronous_commit') = 'off'"


@dataclass(frozen=True, slots=True)
class Connecting:
    """How the database is reached. `silent`: after so many looks that bring nothing a connection is given up."""

    url: str
    given: dict[str, Any]
    silent: int = SILENT

    def engine(self, **options: Any) -> Engine:
        """An engine whose connections are made anew each time: whoever has one keeps it."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self.open,
            poolclass=NullPool,
            # Errors must not show what a row holds.
            hide_parameters=True,
            # Nothing here is one: the driver need not ask each database how it stores them.
            use_native_hstore=False,
            **options,
        )
        return sharing(engine, f"postgresql {options}")

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""
        return (_driver().Error,)

    def open(self, **options: Any) -> Any:
        """A connection of the driver's own."""
        driver = _driver()
        connection = driver.connect(self.url, **{**_NETWORK, **self.given, **options})
        watch(connection, self.silent, self._asking(connection))
        try:
            connection.relay_is_pooled = self._prepared(connection)  # one fact more
        except driver.Error:
            connection.close()
            raise
        return connection

    def _asking(self, connection: Any) -> Answers:
        """What asks whether the server of this connection answers anybody, and not one that took its place."""
        info = connection.info
        there = {"host": info.host, "port": info.port, "target_session_attrs": "any"}
        there |= {"hostaddr": info.hostaddr} if info.hostaddr else {}

        def answers() -> bool:
            # Behind a pooler it would wait for a session, perhaps for one that a node has which waits for another.
            return is_pooled(connection) or self._answers(there)

        return answers

    def _answers(self, there: Mapping[str, Any]) -> bool:
        """Whether this server answers, be it with an error, or its machine says that it is not there."""
        driver = _driver()
        try:
            asking = driver.connect(self.url, **{**_NETWORK, **self.given, **there}, autocommit=True)
        except driver.errors.ConnectionTimeout:
            return False
        except driver.Error:
            return True
        watch(asking, ANSWERS_WITHIN)
        try:
            asking.execute("SELECT 1")
        except driver.OperationalError:
            return False
        finally:
            asking.close()
        return True

    @staticmethod
    def _prepared(connection: Any) -> bool:
        """Set how long things may take, for the session; gives whether a pooler may give each transaction another."""
        with connection.cursor() as cursor:
            row = cursor.execute("SELECT pg_backend_pid()").fetchone()
            pooled = row is None or row[0] != connection.info.backend_pid
            if pooled:
                # The next transaction may run in another session, which knows nothing of what was prepared.
                connection.prepare_threshold = None
            else:
                cursor.execute(_SET, (False,) * len(_SESSION))
                cursor.execute(_SYNC, (False,))
        if not connection.autocommit:
            connection.commit()
        return pooled


def connecting(url: str, password: str | None) -> Connecting:
    """How the database at `url` is reached.

    Raises:
        JournalUnusable: psycopg is not installed, or it is no address.
    """
    driver = _driver()
    try:
        named = driver.conninfo.conninfo_to_dict(url)
    except driver.ProgrammingError:
        raise JournalUnusable("journal.url is no address: expected postgresql://relay@db.example:5432/relay") from None
    # What the address itself says of the network is the operator's wish.
    given: dict[str, Any] = {name: value for name, value in named.items() if name in _NETWORK}
    return Connecting(url, {**given, **({"password": password} if password is not None else {})})


def _driver() -> Any:
    try:
        return import_module("psycopg")
    except ImportError:
        raise JournalUnusable("a journal in PostgreSQL needs psycopg: install att-relay[postgresql]") from None


def connected(engine: Engine) -> Connection:
    """A connection; raises JournalUnusable with the cure."""
    try:
        return engine.connect()
    except DBAPIError as error:
        raise judged(error) from None


def is_pooled(driver: object) -> bool:
    """Whether a pooler such as PgBouncer stands before this connection, and gives each transaction any session."""
    return bool(getattr(driver, "relay_is_pooled", False))


def prepare_transaction(connection: Connection) -> None:
    """Have the times hold for this transaction, where the session may be another one each time."""
    if not is_pooled(connection.connection.driver_connection):
        return
    connection.exec_driver_sql(_SET, (True,) * len(_SESSION))
    connection.exec_driver_sql(_SYNC, (True,))

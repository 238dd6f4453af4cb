"""Everything that is PostgreSQL's own: the lock by which nodes write in turns, and the number of each commit.

One transaction writes at a time, over all nodes: it begins with an advisory lock. So what holds for one writer of a
file holds for many nodes, and whatever waited while another node wrote is written together. A node that stands still
inside a transaction is cut off by the server, and the lock is free again.
"""

import math
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Text, bindparam, func, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError

from relay.journal.columns import Moment, printable
from relay.journal.failures import JournalUnusable
from relay.journal.migrating import migrate, older_revision
from relay.journal.nodeschema import counter, node
from relay.journal.pgconnect import connected, connecting, prepare_transaction
from relay.journal.pgerrors import judged
from relay.journal.pgstanding import CUT
from relay.journal.prepared import execute
from relay.journal.schema import lease
from relay.journal.store import Entered
from relay.journal.wakeups import CHANNEL, rung

log = structlog.get_logger()

OLDEST = 15  # of PostgreSQL
_RENEWALS = 8  # in a lease, where there is so much to write


class PostgresStore:
    """The journal's database, migrated.

    Args:
        url: as libpq takes it: `postgresql://user@host:port,…/database?…`.
        password: of the user.

    Attributes:
        life: the row of `node` in whose name is written; None: nobody's, as when only the tables are made.
        lease: seconds that a life lasts without a word.
        renewed_at: when the database was last told that the life goes on, by a clock that goes on while the process
            stands still.

    Raises:
        JournalTooNew: a newer relay has written it.
        JournalUnusable: it cannot be opened, and why.
    """

    is_shared = True
    before: str | None = None
    trouble = "journal.away"
    answers_within: float | None = 15.0

    def __init__(self, url: str, password: str | None = None) -> None:
        self.life: str | None = None
        self.lease = math.inf
        self.renewed_at = -math.inf
        self.connect = connecting(url, password)
        self._mark = 0
        self._writing = self.connect.engine()
        self._reading = self.connect.engine(isolation_level="REPEATABLE READ")
        self._prepare()

    def writing(self, *, sparing: bool = False) -> Connection:
        """A connection that writes. There is to be one at a time."""
        del sparing
        return connected(self._writing)

    def reading(self) -> Connection:
        """A connection that reads what was committed, and cannot write."""
        return connected(self._reading).execution_options(postgresql_readonly=True)

    def enter(self, connection: Connection) -> Entered:
        """Wait until no other node writes, and number this transaction; it says now and then that the life goes on."""
        began = time.monotonic()
        prepare_transaction(connection)
        execute(connection, _LOCK)
        if self.life is None:
            return Entered(at=execute(connection, _NOW).scalar())
        self._mark += 1
        row = execute(connection, _NUMBER, {"life": self.life, "number": self._mark}).first()
        if row is None:
            return Entered(is_fenced=True, at=execute(connection, _NOW).scalar())
        if row.ended_at is not None:
            return Entered(self._mark, is_fenced=True, at=row.now)
        is_due = began - self.renewed_at > self.lease / _RENEWALS
        renewed = is_due and self._live_on(connection, row.now)
        return Entered(self._mark, at=row.now, renewed_at=began if renewed else None)

    def committed(self, entered: Entered) -> None:
        """Remember what a transaction has told, once it is committed."""
        if entered.renewed_at is not None:
            self.renewed_at = entered.renewed_at

    def finish(self, connection: Connection, counts: Mapping[str, int], bells: Collection[str]) -> Mapping[str, int]:
        """Keep the counters, and ring the bells of the other nodes with the commit."""
        changed = {printable(name): change for name, change in counts.items() if change}
        totals: dict[str, int] = {}
        if changed:
            rows = connection.execute(_COUNT, {"names": list(changed), "changes": list(changed.values())})
            totals = {row.name: row.value for row in rows}
        if bells:
            execute(connection, _RING, {"rung": rung(self.life or "", bells)})
        return totals

    def counters(self, connection: Connection, kept: Mapping[str, int]) -> Mapping[str, int]:  # noqa: ARG002 - stale
        """The counters as all nodes have left them."""
        return _Counters(connection)

    def was_committed(self, connection: Connection, mark: int) -> bool:
        """Whether the transaction of this mark is in the database. Where it was still under way, it has ended."""
        connection.execute(_LOCK)
        return connection.execute(_NUMBER_OF, {"life": self.life}).scalar() == mark

    def prove(self, connection: Connection) -> None:
        """Nothing: every transaction takes the lock, and is numbered."""

    def mend(self, connection: Connection) -> None:
        """Nothing: PostgreSQL's indexes are its administrator's."""

    def judged(self, error: DBAPIError) -> Exception:
        """What an error means."""
        return judged(error)

    def close(self) -> None:
        """Nothing is held beside the connections."""

    def _live_on(self, connection: Connection, now: datetime) -> bool:
        """Say that the life goes on, with what it holds; not where its time was over: then only a beat says that."""
        until = {"life": self.life, "until": now + timedelta(seconds=self.lease), "now": now}
        renewed = execute(connection, _LIVE_ON, until).rowcount > 0
        if renewed:
            execute(connection, _HOLD_ON, until)
        return renewed

    def _prepare(self) -> None:
        with self.writing() as connection:
            try:
                with connection.begin():
                    _refuse_unfit(connection)
                    connection.exec_driver_sql(CUT)
                    connection.execute(_LOCK)
                    self.before = older_revision(connection)
                    migrate(connection)
            except DBAPIError as error:
                raise judged(error) from None


class _Counters(Mapping[str, int]):
    """The counters in the database, each read when it is first asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        if name not in self._read:
            self._read[name] = execute(self._connection, _COUNTED, {"named": name}).scalar() or 0
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._connection.execute(select(counter.c.name)).scalars().all())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _refuse_unfit(connection: Connection) -> None:
    version = int(str(connection.exec_driver_sql("SHOW server_version_num").scalar())) // 10_000
    if version < OLDEST:
        raise JournalUnusable(f"PostgreSQL {version} is too old: relay needs {OLDEST} or later")
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise JournalUnusable(f"the database has the encoding {encoding}: create one with ENCODING 'UTF8'")
    if connection.exec_driver_sql("SHOW fsync").scalar() == "off":
        log.warning("journal.unsynced", reason="PostgreSQL runs with fsync = off: a power cut takes what was accepted")


# One name in each database and schema.
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(literal_column("'relay.' || current_schema()"), 0)))
_MICROSECONDS = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
_NOW = select(literal_column(_MICROSECONDS, Moment))
_NUMBER = (
    update(node)
    .where(node.c.id == bindparam("life"))
    .values(mark=bindparam("number"))
    .returning(node.c.ended_at, literal_column(_MICROSECONDS, Moment).label("now"))
)
_COUNT = text(
    "INSERT INTO counter (name, value)"
    " SELECT * FROM unnest(CAST(:names AS text[]), CAST(:changes AS bigint[]))"
    " ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING name, value"
)
_COUNTED = select(counter.c.value).where(counter.c.name == bindparam("named"))
_RING = select(func.pg_notify(CHANNEL, bindparam("rung", type_=Text)))
_UNTIL = bindparam("until", type_=Moment)
_AT = bindparam("now", type_=Moment)
_LIVE_ON = (
    update(node).where(node.c.id == bindparam("life"), node.c.until > _AT, node.c.until < _UNTIL).values(until=_UNTIL)
)
_HOLD_ON = (
    update(lease)
    .where(lease.c.owner == bindparam("life"), lease.c.until > _AT, lease.c.until < _UNTIL)
    .values(until=_UNTIL)
)
_NUMBER_OF = select(node.c.mark).where(node.c.id == bindparam("life"))

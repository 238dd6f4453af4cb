"""Each host that journal.url names -> what it says of itself, all of them asked at once and each by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError

from relay.clock import Clock
from relay.journal import JournalUnusable
from relay.journal.pgconnect import Connecting, is_pooled
from relay.journal.pgerrors import judged

_PATIENCE = 3  # seconds, for each host


@dataclass(frozen=True, slots=True)
class Host:
    """What a host said.

    Attributes:
        facts: what was asked; None: it did not answer.
        failed: why not.
        ahead: how far the clock of this machine is ahead of its own.
    """

    name: str
    facts: Any = None
    failed: str = ""
    ahead: timedelta = timedelta()
    is_pooled: bool = False


async def ask_each(database: Connecting, clock: Clock) -> Sequence[Host]:
    """What each host says, in the order of journal.url."""
    each = _each_host(database)
    return await asyncio.gather(*(asyncio.to_thread(_asked, name, database, options, clock) for name, options in each))


def named_in(database: Connecting) -> Mapping[str, Any]:
    """What journal.url says, by the names of its parts. Only for who has the driver."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - it is an extra

    return conninfo_to_dict(database.url)


def _each_host(database: Connecting) -> list[tuple[str, dict[str, Any]]]:
    """Each host by itself, as it is to be connected to."""
    named = named_in(database)
    hosts = str(named.get("host", "")).split(",")
    ports = str(named.get("port", "") or "5432").split(",")
    if "hostaddr" in named:
        return [("PostgreSQL", {})]
    ports = ports * len(hosts) if len(ports) == 1 else ports
    apart = {"target_session_attrs": "any", "connect_timeout": _PATIENCE}
    return [
        (f"{host or 'PostgreSQL'}:{port or '5432'}", {**apart, "host": host, "port": port or "5432"})
        for host, port in zip(hosts, ports, strict=False)
    ]


def _asked(name: str, database: Connecting, options: Mapping[str, Any], clock: Clock) -> Host:
    try:
        with closing(database.open(**options)) as connection:
            before = clock.now()
            row = connection.execute(_FACTS).fetchone()
            between = before + (clock.now() - before) / 2
            facts = dict(row[0]) if row else {}
            facts |= _of_tables(connection) if facts["has_tables"] else {}
            ahead = between - datetime.fromtimestamp(facts["now"], UTC)
            return Host(name, facts, ahead=ahead, is_pooled=is_pooled(connection))
    except database.errors as error:
        return Host(name, failed=_meaning(error))


def _meaning(error: Exception) -> str:
    """Why a host does not let relay in, as a sentence with its cure.

    What refuses a connection has no SQLSTATE in libpq: only its text, of which nothing is shown, tells them apart.
    """
    said = str(error)
    if getattr(error, "sqlstate", None) is None:
        for word, meaning in _REFUSED.items():
            if word in said:
                return meaning
    meant = judged(DBAPIError(None, None, error))
    return str(meant) if isinstance(meant, JournalUnusable) else "relay's user may not look at it: make it the owner"


def _of_tables(connection: Any) -> dict[str, Any]:
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    has_nodes = connection.execute("SELECT to_regclass('node') IS NOT NULL").fetchone()[0]
    living = connection.execute(_LIVING).fetchall() if has_nodes else []
    return {"revision": revision and revision[0], "living": [name for (name,) in living]}


_REFUSED = {
    "password authentication failed": "PostgreSQL refuses the password: set journal.password_file to the right one",
    "no password supplied": "PostgreSQL asks for a password: set journal.password_file",
    "no pg_hba.conf entry": "PostgreSQL lets nobody in from here: add relay's user and this machine to pg_hba.conf",
    "authentication failed": "PostgreSQL refuses the user: check the user in journal.url, and pg_hba.conf",
    "certificate": "the server's certificate is not trusted: set sslrootcert in journal.url to the CA that signed it",
    "SSL": "the encryption that journal.url asks for does not come about: see ssl in postgresql.conf, and sslmode",
    "does not exist": "the user or the database of journal.url does not exist: create them, the one owned by the other",
    "too many connections": "PostgreSQL has no connection to spare: raise its max_connections",
    "could not translate host name": "the host's name is not known: check journal.url, and the name server",
}
_FACTS = """
SELECT json_build_object(
    'version', split_part(current_setting('server_version'), ' ', 1),
    'number', current_setting('server_version_num'),
    'encoding', current_setting('server_encoding'),
    'is_standby', pg_is_in_recovery(),
    'may_create', coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
    'foreign', (
        SELECT coalesce(json_agg(relname ORDER BY relname), '[]') FROM pg_class
        WHERE to_regclass('alembic_version') IS NOT NULL AND relnamespace = current_schema()::regnamespace
        AND relname IN ('alembic_version', 'copy', 'call', 'event', 'message', 'memory', 'node')
        AND NOT pg_has_role(relowner, 'USAGE')
    ),
    'fsync', current_setting('fsync'),
    'full_page_writes', current_setting('full_page_writes'),
    'synchronous_commit', (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),
    'standbys', current_setting('synchronous_standby_names') <> '',
    'now', extract(epoch FROM clock_timestamp()),
    'free', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    'has_tables', to_regclass('alembic_version') IS NOT NULL
)
"""
_LIVING = """
SELECT DISTINCT name FROM node
WHERE ended_at IS NULL AND until > extract(epoch FROM clock_timestamp()) * 1000000 ORDER BY name
"""

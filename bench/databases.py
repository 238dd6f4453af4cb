"""Journals for a run: a file of its own, or a database of a PostgreSQL that syncs what it commits."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from bench.proc import cpu_seconds
from tests.databases import Databases
from tests.postgres import Server

_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}


@cache
def _server() -> Databases:
    server = Server(durable=True, settings=_SETTINGS)
    server.start()
    return Databases(server)


@contextmanager
def journal(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty journal.

    Args:
        kind: "sqlite" or "postgresql".
        folder: where the file is.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder}/relay.db"
        return
    databases = _server()
    database = databases.take()
    try:
        yield database.url
    finally:
        database.close()
        databases.server.drop_database(database.name)


def cpu_used() -> float:
    """CPU seconds of PostgreSQL's processes that live; 0 where it was not started."""
    if not _server.cache_info().currsize:
        return 0.0
    total = 0.0
    for pid in _server().server.processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            total += cpu_seconds(pid)
    return total


def end() -> None:
    """Stop PostgreSQL, where it runs."""
    if _server.cache_info().currsize:
        _server().server.close()
        _server.cache_clear()

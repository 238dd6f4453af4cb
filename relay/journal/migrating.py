"""Brings a database to the tables of this relay, or says that it is not for this relay."""

from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection, inspect

from relay.boundaries import Boundary, reached
from relay.journal.failures import JournalTooNew

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Apply the migrations that are missing, inside the transaction of `connection`.

    Alembic is loaded where there are some: most starts find none.

    Raises:
        JournalTooNew: a newer relay has been here.
    """
    known, revision = _known(), revision_of(connection)
    if revision is not None and revision not in known:
        raise JournalTooNew(
            f"the journal has the tables of a newer relay (revision {revision}): install that relay again,"
            " or name another file in journal.url"
        )
    if revision != known[-1]:
        _upgrade(connection)
        reached(Boundary.TABLES_CHANGED)


def older_revision(connection: Connection) -> str | None:
    """The tables that a journal has and `migrate` will change; None where it makes the first ones, or changes none."""
    known, revision = _known(), revision_of(connection)
    return revision if revision in known[:-1] else None


def _known() -> list[str]:
    return sorted(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def revision_of(connection: Connection) -> str | None:
    """The last migration that was applied; None where there was none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _upgrade(connection: Connection) -> None:
    command, config = import_module("alembic.command"), import_module("alembic.config").Config()
    # Alembic reads the option as a template, in which a percent sign must be doubled.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

"""Brings a database to the tables of this relay, or says that it is not for this relay."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from relay.boundaries import Boundary, reached
from relay.journal.failures import JournalTooNew


def migrate(connection: Connection) -> None:
    """Apply the migrations that are missing, inside the transaction of `connection`.

    Raises:
        JournalTooNew: a newer relay has been here.
    """
    config = Config()
    # Alembic reads the option as a template, in which a percent sign must be doubled.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    revision = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise JournalTooNew(
            f"the journal has the tables of a newer relay (revision {revision}): install that relay again,"
            " or name another file in journal.url"
        )
    if revision is None or revision != scripts.get_current_head():
        command.upgrade(config, "head")
        reached(Boundary.TABLES_CHANGED)

"""SQLite and the journal's tables in it: does this relay know them? The file is read, and nothing is made beside it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from relay.cli.findings import Finding, good, wrong
from relay.journal.rows import is_known, newest

_PART = "journal"
_OLDEST = (3, 35, 0)  # UPDATE … RETURNING
_MENDED = (3, 51, 3)  # two connections that write or checkpoint at once may damage a WAL before


def look_at_sqlite(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Finding:
    """Whether this SQLite will do."""
    named = f"SQLite {'.'.join(map(str, version))}"
    if version < _OLDEST:
        cure = f"install SQLite {'.'.join(map(str, _OLDEST))} or newer, or a Python that has it"
        return wrong(_PART, f"{named} is too old", "relay does not start with it", cure)
    care = "" if version >= _MENDED else ": let nothing but relay write to the journal, as its own commands do"
    return good(_PART, f"{named}{care}")


def look_at_tables(path: Path) -> Sequence[Finding]:
    """What is found of the tables; nothing where they cannot be read, or there are none."""
    revision = _revision(path)
    if revision is None or revision == newest():
        return []
    if is_known(revision):
        return [good(_PART, "tables of an older relay, which are brought up to date at the next start")]
    what = f"the journal has tables that this relay does not know (revision {revision})"
    cure = "install the newer relay again, or put back the backup that was made before: relay restore FILE"
    return [wrong(_PART, what, "relay does not start with them", cure)]


def _revision(path: Path) -> str | None:
    # `immutable`: no lock, and no file of another user's beside it. What a running relay has in its WAL is not seen.
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    return None

"""A relay of a later version, made of this one: its tables have a column, an index and a table more."""

import shutil
from pathlib import Path

from relay import __version__
from tests.system.world import ROOT

VERSION = "99.0.0"
_REVISION = "9000"
_MIGRATION = '''
"""Tables of a relay to come."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{latest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the relay before knows nothing of."""
    for table in ("call", "copy", "event", "message", "raw", "node"):
        op.add_column(table, sa.Column("later", sa.Text))
    op.create_index("copy_later", "copy", ["later"])
    op.create_table("later", sa.Column("id", sa.Text, primary_key=True))
'''


def newer_relay(folder: Path) -> dict[str, str]:
    """Make one in a folder; the environment in which `python -m relay` is that one."""
    copied = folder / "newer" / "relay"
    # With what is compiled of it: that fits as long as a file's time and size do.
    shutil.copytree(ROOT / "relay", copied)
    init = copied / "__init__.py"
    init.write_text(init.read_text().replace(__version__, VERSION))
    versions = copied / "journal" / "migrations" / "versions"
    latest = max(file.name for file in versions.glob("[0-9]*_*.py")).partition("_")[0]
    migration = _MIGRATION.format(revision=_REVISION, latest=latest)
    (versions / f"{_REVISION}_later.py").write_text(migration.lstrip())
    # What is started at the root of the project would find this relay there first.
    return {"PYTHONPATH": str(copied.parent), "PYTHONSAFEPATH": "1"}

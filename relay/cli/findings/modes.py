"""Who may read and write relay's files, besides relay: the settings, and what it keeps of texts."""

import stat
from collections.abc import Iterator
from pathlib import Path

from relay.cli.findings import Finding, wrong
from relay.settings import Settings

_READ = "texts and numbers are in it"
_WRITTEN = "who may change it can send relay's credentials wherever they like"


def look_at_modes(config: Path | None, settings: Settings) -> Iterator[Finding]:
    """Files that others may read or write, and should not."""
    if config and _mode(config) & stat.S_IWOTH:
        yield wrong("settings", f"everyone may write {config}", _WRITTEN, f"run: chmod o-w {config}")
    path = settings.journal.path or settings.journal.spool
    for kept in (path, Path(f"{path}-wal")):
        if _mode(kept) & (stat.S_IROTH | stat.S_IWOTH) and _mode(kept.parent) & stat.S_IXOTH:
            yield wrong("journal", f"everyone may read {kept}", _READ, f"run: chmod 600 {kept}")
    folder = settings.media_directory
    if _mode(folder) & stat.S_IROTH and _mode(folder.parent) & stat.S_IXOTH:
        yield wrong("media", f"everyone may read {folder}", "attachments are in it", f"run: chmod o-rwx {folder}")


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0

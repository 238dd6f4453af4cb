"""Files that settings name: secrets that are read, and certificates that must at least be there."""

import stat
from pathlib import Path

MAX_SECRET = 64 * 1024  # bytes
_ALONE = "write the secret into it, and nothing else"


class BadFile(Exception):  # noqa: N818 - as BadSettings
    """A file that cannot be used, and the cure. Neither holds anything of its content."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure


def read_secret(path: Path, *, private: bool = True) -> str:
    """A secret without the line's end after it.

    Args:
        path: the file.
        private: refuse it where everyone may read it; systemd looks after its credentials itself.

    Raises:
        BadFile: it cannot be read, may be read by everyone, or does not hold one line of text.
    """
    raw = _read(path, private=private, missing=f"write the secret into it: install -m 600 /dev/stdin {path}")
    if len(raw) > MAX_SECRET:
        raise BadFile("names a file that is too large for a secret", _ALONE)
    try:
        secret = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadFile("names a file that is not UTF-8 text", _ALONE) from None
    if not secret or not secret.isprintable():
        raise BadFile("names a file that does not hold one line of text", _ALONE)
    return secret


def check_readable(path: Path, *, private: bool) -> None:
    """Raise BadFile where `path` cannot be read, or where it is `private` and everyone may read it."""
    _read(path, private=private, missing="name one that is there, or take the setting out")


def _read(path: Path, *, private: bool, missing: str) -> bytes:
    try:
        with path.open("rb") as file:
            if private and path.stat().st_mode & stat.S_IROTH:
                raise BadFile(f"names a file that everyone may read ({path})", f"run: chmod o-rwx {path}")
            return file.read(MAX_SECRET + 1)
    except FileNotFoundError:
        raise BadFile(f"names a file that is not there ({path})", missing) from None
    except PermissionError:
        cure = f"run: chgrp relay {path} && chmod 640 {path} (relay: the group of relay's user)"
        raise BadFile(f"names a file that relay's user may not read ({path})", cure) from None
    except (OSError, ValueError):
        raise BadFile(f"names something that cannot be read as a file ({path})", "name a file") from None

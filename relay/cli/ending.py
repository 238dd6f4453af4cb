"""How a command ends when it cannot go on: what was raised -> a sentence on standard error and an exit code."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from relay.journal import JournalUnusable
from relay.settings import BadSettings

BAD_SETTINGS = 78  # EX_CONFIG of sysexits.h: systemd's RestartPreventExitStatus knows it


@contextmanager
def ending_in_words() -> Iterator[None]:
    """End the program in words where the settings, the journal or an address cannot be used."""
    try:
        yield
    except BaseExceptionGroup as several:
        raise _ending(_first(several)) from None
    except (BadSettings, JournalUnusable, OSError) as error:
        raise _ending(error) from None


def _ending(error: BaseException) -> BaseException:
    match error:
        case BadSettings():
            typer.echo(str(error), err=True)
            return typer.Exit(BAD_SETTINGS)
        case JournalUnusable():
            typer.echo(str(error), err=True)
            return typer.Exit(1)
        case OSError(errno=errno.EPIPE):
            return error
        case OSError():
            typer.echo(_said(error), err=True)
            return typer.Exit(1)
        case _:
            return error


def _said(error: OSError) -> str:
    about = f"{error.filename}: " if error.filename else ""
    return f"relay cannot go on: {about}{error.strerror or type(error).__name__}"


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    first = several.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first

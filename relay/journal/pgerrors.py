"""What PostgreSQL's errors mean for the journal: by their SQLSTATE, and never by their text."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from relay.journal.failures import JournalDamaged, JournalUnusable, JournalUnwritten

# The longest beginning that fits counts. A class of its own where the whole class means one thing.
_MEANING: dict[str, tuple[type[JournalUnusable], str]] = {
    "": (JournalUnwritten, "PostgreSQL cannot be reached: see that it runs, and lets this machine and user in"),
    "08": (JournalUnwritten, "the connection to PostgreSQL was lost: see that it runs, and look at the network"),
    "25006": (
        JournalUnwritten,
        "PostgreSQL takes no writes here: it is a standby; name the primary in journal.url",
    ),
    "25P03": (JournalUnwritten, "PostgreSQL ended a transaction in which this node stood still"),
    "28": (JournalUnusable, "PostgreSQL refuses the user: check the user in journal.url, and the journal's password"),
    "3D000": (JournalUnusable, "the database that journal.url names does not exist: create it, owned by relay's user"),
    "42501": (JournalUnusable, "relay's user lacks a right: make it the owner of the database that journal.url names"),
    "40": (JournalUnwritten, "PostgreSQL gave a transaction up for the sake of another one"),
    "53100": (JournalUnwritten, "the disk under PostgreSQL is full: free some space"),
    "53200": (JournalUnwritten, "PostgreSQL is out of memory"),
    "53300": (JournalUnwritten, "PostgreSQL has no connection to spare: raise its max_connections"),
    "55P03": (JournalUnwritten, "another session keeps the journal locked: end it, or wait for it"),
    "57014": (JournalUnwritten, "PostgreSQL took too long for a statement"),
    "57P": (JournalUnwritten, "PostgreSQL is stopping or starting"),
    "58": (JournalUnwritten, "the disk under PostgreSQL fails: look at its log, and have a backup at hand"),
    "XX001": (JournalDamaged, "PostgreSQL says that the journal's data is damaged: restore a backup of the database"),
    "XX002": (JournalDamaged, "PostgreSQL says that an index of the journal is damaged: run REINDEX DATABASE"),
}
_SILENT = "PostgreSQL does not answer: look at it, and at the network"


def judged(error: DBAPIError) -> Exception:
    """What an error of the driver means: JournalUnusable with the cure, or the error itself where it is a defect."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if type(error.orig).__name__ == "ConnectionTimeout":
        return JournalUnwritten(_SILENT)
    found = [known for known in _MEANING if state.startswith(known) and (known or not state)]
    if found:
        kind, sentence = _MEANING[max(found, key=len)]
        return kind(f"{sentence} ({state})" if state else sentence)
    if isinstance(error, IntegrityError | ProgrammingError | DataError):
        return error
    return JournalUnusable(f"PostgreSQL failed: {state}")

"""What can go wrong with the journal itself. Each text says what is wrong and what to do, and shows no content."""


class JournalError(Exception):
    """The common base."""


class JournalFull(JournalError):  # noqa: N818 - it says what is to be answered
    """Too much waits to be written down: nothing was kept. Ask again later (503, or no PUBACK)."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"the journal is full: {waiting} operations wait to be written; try again later")
        self.waiting = waiting


class UnknownAside(JournalError):  # noqa: N818 - as above
    """Nothing of this id waits for a person, or not in a form that can be taken up again. Nothing was changed."""


class UnknownId(JournalError):  # noqa: N818 - as above
    """No copy is known by this id. Nothing was changed."""


class AmbiguousId(JournalError):  # noqa: N818 - as above
    """Several requests have this id; the text says how to tell them apart. Nothing was changed."""


class JournalUnusable(JournalError):  # noqa: N818 - as above
    """The journal cannot be opened, read or written. What was asked for may or may not be on disk."""


class JournalTooNew(JournalUnusable):
    """The journal was written by a newer relay, whose tables this one does not know."""


class JournalInUse(JournalUnusable):
    """Another process has the journal open."""

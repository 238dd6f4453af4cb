"""What can go wrong with the journal itself. Each text says what is wrong and what to do, and shows no content."""

import asyncio


class JournalError(Exception):
    """The common base."""


class JournalFull(JournalError):  # noqa: N818 - it says what is to be answered
    """Too much waits to be written down: nothing was kept. Ask again later (503, or no PUBACK)."""

    def __init__(self, waiting: int = 0, why: str | None = None) -> None:
        super().__init__(why or f"the journal is full: {waiting} operations wait to be written; try again later")
        self.waiting = waiting


class JournalShut(JournalFull):
    """The disk does not take it: nothing was kept. `over` is set once the journal takes new things again."""

    def __init__(self, why: str, over: asyncio.Event) -> None:
        super().__init__(why=f"the journal takes nothing new: {why}")
        self.over = over


class JournalFenced(JournalShut):
    """Other nodes have given this one up for dead: it may begin nothing more, and nothing was kept."""

    def __init__(self) -> None:
        super().__init__("other nodes have given this one up for dead", asyncio.Event())


class UnknownAside(JournalError):  # noqa: N818 - as above
    """Nothing of this id waits for a person, or not in a form that can be taken up again. Nothing was changed."""


class UnknownId(JournalError):  # noqa: N818 - as above
    """No copy is known by this id. Nothing was changed."""


class AmbiguousId(JournalError):  # noqa: N818 - as above
    """Several requests have this id; the text says how to tell them apart. Nothing was changed."""


class TooManyReplays(JournalError):  # noqa: N818 - as above
    """So many replays wait already. Nothing was changed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} replays wait already: let them end first")


class JournalUnusable(JournalError):  # noqa: N818 - as above
    """The journal cannot be opened, read or written. What was asked for may or may not be on disk."""


class JournalUnwritten(JournalUnusable):
    """The disk did not take it, or may not have. What was asked for is to be tried again.

    Attributes:
        over: set once the disk takes things again; None where nobody looks whether it does.
    """

    over: asyncio.Event | None = None


class JournalDamaged(JournalUnusable):
    """The journal's file is damaged, cut off or gone. The text says how to restore a backup."""


class JournalMisindexed(JournalUnusable):
    """An index does not fit its table, as after damage to a row: it is made anew, and the same thing tried again."""


class JournalTooNew(JournalUnusable):
    """The journal was written by a newer relay, whose tables this one does not know."""


class JournalInUse(JournalUnusable):
    """Another process has the journal open."""

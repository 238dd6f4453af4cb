"""A subscriber's messages in both directions, and every change to them in order."""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from relay.providers.att_inapp.simulator.mail import NewMail, StoredMail

What = Literal["add", "update", "delete"]

_HISTORY = 200_000  # changes; who comes back later than that has to list again


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a message."""

    what: What
    mail: StoredMail


class Store:
    """The messages, and their history.

    Args:
        new_id: makes a message's id.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._mail: dict[str, StoredMail] = {}
        self._by_age: list[StoredMail] = []
        self._history: list[Change] = []
        self._forgotten = 0
        self._count = 0

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        return self._forgotten + len(self._history)

    def add(self, new: NewMail) -> StoredMail:
        """Put a message in; one that came in is unread."""
        self._count += 1
        mail = StoredMail(self._new_id(), self._count, new, unread=new.incoming)
        self._mail[mail.id] = mail
        insort(self._by_age, mail, key=lambda one: one.age)
        self._changed("add", mail)
        return mail

    def get(self, message_id: str) -> StoredMail | None:
        """The message of that id, if it is there."""
        return self._mail.get(message_id)

    def newest_first(self) -> Iterator[StoredMail]:
        """All messages."""
        return reversed(self._by_age)

    def __len__(self) -> int:
        return len(self._mail)

    def update(self, mail: StoredMail, *, unread: bool | None = None, favorite: bool | None = None) -> bool:
        """Set a message's flags; says whether that changed it."""
        before = mail.unread, mail.favorite
        mail.unread = mail.unread if unread is None else unread
        mail.favorite = mail.favorite if favorite is None else favorite
        changed = before != (mail.unread, mail.favorite)
        if changed:
            self._changed("update", mail)
        return changed

    def delete(self, mail: StoredMail) -> None:
        """Take a message out."""
        del self._mail[mail.id]
        self._by_age.remove(mail)
        self._changed("delete", mail)

    def _changed(self, what: What, mail: StoredMail) -> None:
        self._history.append(Change(what, mail))
        if len(self._history) > 2 * _HISTORY:
            self._forgotten += _HISTORY
            del self._history[:_HISTORY]

    def since(self, revision: int, limit: int) -> tuple[Sequence[Change], int] | None:
        """What happened after `revision`, each message once, and the revision that this leads to.

        `limit` is how many changes are looked at; 0 for all. None where they are no longer known.
        """
        if not self._forgotten <= revision <= self.revision:
            return None
        begin = revision - self._forgotten
        changes = self._history[begin : begin + limit] if limit else self._history[begin:]
        return _each_once(changes), revision + len(changes)


def _each_once(changes: Sequence[Change]) -> Sequence[Change]:
    """What came and changed has come; what came and went has gone."""
    net: dict[str, Change] = {}
    for change in changes:
        before = net.get(change.mail.id)
        if before is None or change.what == "delete":
            net[change.mail.id] = change
    return list(net.values())

"""Any interleaving of listings, changes, fetches, stops and kills: each message published once, none forgotten."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from sqlalchemy import Connection, select

from relay.domain.mailbox import MailChanges, MailEntry
from relay.journal import JournalUnusable
from relay.journal.mailschema import mail, mail_is_listed
from tests.contract.journal.desk import LINE, START, Desk, text
from tests.contract.journal.machine import Machine, on_each_database

T = TypeVar("T")


class Mailbox(Machine):
    """A subscriber's store, which changes by itself, and a journal that follows it."""

    @initialize()
    def open(self) -> None:
        """An empty store, an empty journal."""
        self.begin()
        self.store: dict[str, bool] = {}  # what is there, and whether it is unread
        self.log: list[tuple[str, str]] = []  # what has changed; a cursor is a place in it
        self.oldest = 0  # the first cursor that is still taken
        self.refs = 0

    @rule(count=st.integers(1, 3))
    def arrive(self, count: int) -> None:
        """Messages come into the store."""
        for _ in range(count):
            self.refs += 1
            self.store[f"m-{self.refs:03}"] = True
            self.log.append(("added", f"m-{self.refs:03}"))

    @rule()
    def come_and_go(self) -> None:
        """A message comes, and is deleted at once."""
        self.refs += 1
        self.log += [("added", f"m-{self.refs:03}"), ("deleted", f"m-{self.refs:03}")]

    @rule(data=st.data(), delete=st.booleans())
    def touch(self, data: st.DataObject, delete: bool) -> None:
        """The subscriber reads or deletes one."""
        if self.store:
            ref = data.draw(st.sampled_from(sorted(self.store)))
            self.log.append(("deleted" if delete else "updated", ref))
            if delete:
                del self.store[ref]
            else:
                self.store[ref] = not self.store[ref]

    @rule()
    def forget_cursors(self) -> None:
        """The provider takes no older cursor any more."""
        self.oldest = len(self.log)

    @rule(repeat=st.booleans(), upto=st.integers(1, 5))
    def follow(self, repeat: bool, upto: int) -> None:
        """Ask for changes, and perhaps take the same answer in twice; where the cursor is not taken, list."""
        cursor = self.do(self.desk.journal.mailbox.standing(LINE)).cursor
        if cursor is None or int(cursor) < self.oldest:
            self.list_all(commits=None)
            return
        for _ in range(1 + repeat):
            self.do(self.desk.journal.mailbox.changed(LINE, self._changes(int(cursor), upto)))

    def _changes(self, cursor: int, upto: int) -> MailChanges:
        some = self.log[cursor : cursor + upto]
        kinds = {
            kind: tuple(MailEntry(ref, self.store.get(ref), time=START) for this, ref in some if this == kind)
            for kind in ("added", "updated")
        }
        deleted = tuple(ref for kind, ref in some if kind == "deleted")
        return MailChanges(str(cursor + len(some)), kinds["added"], kinds["updated"], deleted)

    @rule(commits=st.none() | st.integers(0, 2))
    def list_all(self, commits: int | None) -> None:
        """Compare everything, perhaps with a stop after some commits."""
        self.do(self._list_all(commits))

    async def _list_all(self, commits: int | None) -> None:
        entries = [MailEntry(ref, unread, time=START) for ref, unread in sorted(self.store.items())]
        journal = self.desk.journal
        cut = None if commits is None else journal.commits + commits
        comparing = asyncio.create_task(
            journal.mailbox.compared(LINE, entries, str(len(self.log)), unpublished_before=None)
        )
        while not comparing.done() and (cut is None or journal.commits < cut):
            await journal.mailbox.standing(LINE)
        if cut is not None:
            await self.desk.reopen()
        with suppress(JournalUnusable):
            await comparing

    @rule(most=st.integers(1, 3), twice=st.booleans())
    def fetch(self, most: int, twice: bool) -> None:
        """Fetch some of what is to be fetched; a fetch may be told twice."""
        for arrival in self.do(self.desk.journal.arrivals.due(LINE, most)):
            for _ in range(1 + twice):
                if arrival.ref in self.store:
                    self.do(self.desk.journal.arrivals.whole(arrival, text(arrival.ref)))
                else:
                    self.do(self.desk.journal.arrivals.dropped(arrival))

    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        """Relay ends, one way or the other, and starts again."""
        if kill:
            place = self.desk.place.after_kill()
            self.do(self.desk.journal.aclose())
            self.desk = self.do(Desk.at(place, self.desk.clock))
        else:
            self.do(self.desk.reopen())

    @rule()
    def catch_up(self) -> None:
        """Follow and fetch until nothing is left: then everything that is there was published, and the mirror fits."""
        cursor = None
        while cursor != str(len(self.log)):
            self.follow(repeat=False, upto=5)
            cursor = self.do(self.desk.journal.mailbox.standing(LINE)).cursor
        while self.do(self.desk.arriving()):
            self.fetch(most=3, twice=False)
        published = self.published()
        assert set(self.store) <= set(published)
        listed = dict(self.do(self.desk.journal._core.reader.run(_listed)))
        assert {ref: bool(unread) for ref, unread in listed.items()} == self.store
        assert {ref for ref in published if ref not in self.store} <= set(self.told("event.deleted"))

    def published(self) -> Counter[str]:
        """How often each message was published."""
        return Counter(str(body["text"]) for body in self.do(self.desk.bodies("message")))

    def told(self, kind: str) -> Counter[str]:
        """How often each message was the subject of such an event."""
        return Counter(str(body["provider"]["message_id"]) for body in self.do(self.desk.bodies(kind)))

    @invariant()
    def nothing_is_told_twice(self) -> None:
        """After every step."""
        assert not [ref for ref, count in self.published().items() if count > 1]
        assert not [ref for ref, count in self.told("event.deleted").items() if count > 1]

    def teardown(self) -> None:
        """Catch up a last time, and close everything."""
        self.catch_up()
        super().teardown()


def _listed(connection: Connection) -> list[tuple[str, int]]:
    rows = connection.execute(select(mail.c.ref, mail.c.is_unread).where(mail_is_listed))
    return [(row.ref, row.is_unread) for row in rows]


TestMailbox, TestMailboxOnPostgresql = on_each_database(Mailbox, steps=25, examples=settings().max_examples // 3)

"""Bells over nodes: what rings with a commit of one node rings on all others, by LISTEN and NOTIFY.

A notice may be lost, when a connection breaks, or where a pooler stands between: then every bell rings now and then,
and whoever waits looks for himself.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from relay.journal.pgconnect import Connecting, is_pooled
from relay.journal.pgstanding import CUT

CHANNEL = "relay"
_LONGEST = 7_000  # bytes: PostgreSQL takes less than 8,000
_FIRST_WITHIN = 5.0  # seconds that a start waits until notices are heard
_POLL = 1.0  # seconds between two rings of every bell, where no notice comes
_CUT_EVERY, _RING_EVERY = 2.0, 5  # seconds, and looks of this kind
_MANY = "*"


def rung(life: str, bells: Collection[str]) -> str:
    """What is told to the other nodes."""
    told = " ".join((life, *sorted(bells)))
    return told if len(told.encode()) <= _LONGEST else f"{life} {_MANY}"


class Wakeups:
    """Listens on a thread of its own; made, it listens, unless nothing can be heard. Making it blocks.

    Args:
        connect: how the database is reached.
        life: of this node: what it rang itself has rung here.
        ring: rings these bells, or all of them for None; it is called on the thread.
    """

    def __init__(self, connect: Connecting, life: str, ring: Callable[[Iterable[str] | None], None]) -> None:
        self._connect = connect
        self._life = life
        self._ring = ring
        self._ended = threading.Event()
        self._listens = threading.Event()  # set as well where nothing can be heard
        self._end, self._until_end = os.pipe()  # the first is readable once the other is closed
        self._thread = threading.Thread(target=self._work, name="journal-wakeups", daemon=True)
        self._thread.start()
        self._listens.wait(_FIRST_WITHIN)

    def close(self) -> None:
        """End, and wait for that. It blocks."""
        if not self._ended.is_set():
            self._ended.set()
            os.close(self._until_end)
            self._thread.join()
            os.close(self._end)

    def _work(self) -> None:
        while not self._ended.is_set():
            with suppress(*self._connect.errors):
                self._listen()
            self._listens.set()
            self._ring(None)
            self._ended.wait(_POLL)

    def _listen(self) -> None:
        with self._connect.open(autocommit=True) as connection:
            connection.execute(CUT)
            if is_pooled(connection):
                # A session that is another one the next moment hears nothing.
                return
            connection.execute(f"LISTEN {CHANNEL}")
            if self._listens.is_set():
                # Whatever was missed. At first nobody has waited yet.
                self._ring(None)
            self._listens.set()
            looks = 0
            while self._heard_until(connection, time.monotonic() + _CUT_EVERY):
                # It shows as well whether the server is there still.
                connection.execute(CUT)
                looks += 1
                if looks % _RING_EVERY == 0:
                    # What came just then may not have been heard.
                    self._ring(None)

    def _heard_until(self, connection: Any, deadline: float) -> bool:
        """Hear what comes until then; False where it is to end. Nothing is done while nothing comes."""
        coming = select.poll()
        coming.register(connection.fileno(), select.POLLIN)
        coming.register(self._end, select.POLLIN)
        while not self._ended.is_set():
            # First: some may have come together with the answer to a question.
            for notice in connection.notifies(timeout=0):
                self._hear(notice.payload)
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            coming.poll(left * 1000)
        return False

    def _hear(self, told: str) -> None:
        life, *bells = told.split(" ")
        if life != self._life:
            self._ring(None if _MANY in bells else bells)

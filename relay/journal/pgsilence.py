"""A server that says nothing any more -> a connection that is lost.

A statement's time is the server's to keep. One whose processes stand still, as under a disk that hangs, keeps none,
while its machine answers for the network: whoever waited would never look for the server that took its place.

A server may rightly say nothing for long: whoever wants to write waits for the nodes before it. So it is asked on the
side, over a connection of its own, whether it answers anybody; where it does not, the first one is given up soon.
"""

import threading
from collections.abc import Callable, Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

SILENT = 400  # looks, of 0.1 s each: longer than any statement may take
DOUBTED = 40  # looks until it is asked on the side
ASKED = 2  # times in a row without an answer: it stands still
ASKED_EVERY = 4.0  # seconds, as long as it answers

Answers = Callable[[], bool]


def watch(connection: "psycopg.Connection[Any]", looks: int = SILENT, answers: Answers | None = None) -> None:
    """Give this connection up where nothing comes for so many looks in a row while something is waited for.

    Args:
        connection: which.
        looks: how many.
        answers: whether its server answers anybody; asked on a thread of its own once there is doubt. None: nobody is.
    """
    wait: Callable[..., Any] = connection.wait

    def watching(awaited: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        return wait(_heard(connection, awaited, looks, answers), *arguments, **options)

    connection.wait = watching  # type: ignore[method-assign, assignment] # everything that is asked of the server waits by it


class _Doubt:
    """Asks again and again whether a server answers anybody, until it is settled that it does not.

    Attributes:
        is_certain: it does not.
    """

    def __init__(self, answers: Answers) -> None:
        self.is_certain = False
        self._answers = answers
        self._over = threading.Event()
        threading.Thread(target=self._ask, name="journal-doubt", daemon=True).start()

    def end(self) -> None:
        """It has said something: ask no more."""
        self._over.set()

    def _ask(self) -> None:
        unanswered = 0
        while not self._over.is_set():
            if self._answers():
                unanswered = 0
                self._over.wait(ASKED_EVERY)
                continue
            unanswered += 1
            if unanswered == ASKED:
                self.is_certain = True
                return


def _heard(
    connection: "psycopg.Connection[Any]", awaited: Generator[Any, Any, Any], looks: int, answers: Answers | None
) -> Generator[Any, Any, Any]:
    silent = 0
    doubt: _Doubt | None = None
    try:
        wanted = next(awaited)
        while True:
            ready = yield wanted
            silent = 0 if ready else silent + 1
            if ready and doubt is not None:
                doubt.end()
                doubt = None
            elif silent == DOUBTED and answers is not None:
                doubt = _Doubt(answers)
            if silent > looks or (doubt is not None and doubt.is_certain):
                connection.pgconn.finish()
                raise import_module("psycopg.errors").ConnectionTimeout("the server has said nothing for too long")
            wanted = awaited.send(ready)
    except StopIteration as ended:
        return ended.value
    finally:
        if doubt is not None:
            doubt.end()

"""A server that says nothing any more -> a connection that is lost.

A statement's time is the server's to keep. One whose processes stand still, as under a disk that hangs, keeps none,
while its machine answers for the network: whoever waited would never look for the server that took its place.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

SILENT = 400  # looks, of 0.1 s each: longer than any statement may take


def watch(connection: "psycopg.Connection[Any]", looks: int = SILENT) -> None:
    """Give this connection up where nothing comes for so many looks in a row while something is waited for."""
    wait: Callable[..., Any] = connection.wait

    def watching(awaited: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        return wait(_heard(connection, awaited, looks), *arguments, **options)

    connection.wait = watching  # type: ignore[method-assign, assignment] # everything that is asked of the server waits by it


def _heard(
    connection: "psycopg.Connection[Any]", awaited: Generator[Any, Any, Any], looks: int
) -> Generator[Any, Any, Any]:
    silent = 0
    try:
        wanted = next(awaited)
        while True:
            ready = yield wanted
            silent = 0 if ready else silent + 1
            if silent > looks:
                connection.pgconn.finish()
                raise connection.OperationalError("the server has said nothing for too long")
            wanted = awaited.send(ready)
    except StopIteration as ended:
        return ended.value

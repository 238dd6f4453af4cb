"""The process that others are forked from: it has imported all of relay, and waits for orders.

With each order come four files: the new process' stdin, stdout and stderr, and where its end is told. What is answered
is its number, and a handle that stands for it even after its end.
"""

import contextlib
import gc
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

STATUS = 4  # bytes that tell how a process has ended
_LONGEST = 1_000_000  # bytes of an order
_FILES = 4


def _import_everything() -> None:
    import relay  # noqa: PLC0415 - whoever only asks for a process needs none of it

    for found in pkgutil.walk_packages(relay.__path__, "relay."):
        if not found.name.startswith(("relay.__main__", "relay.journal.migrations", "relay.telemetry.otlp")):
            import_module(found.name)
    for name in ("alembic.command", "alembic.runtime.migration", "psycopg", "sqlalchemy.dialects.sqlite"):
        import_module(name)
    gc.collect()
    gc.freeze()


def _make_processes(orders: socket.socket) -> list[str]:
    """Fork as often as asked; returns in each of the processes, with the words that it is to run."""
    living: dict[int, tuple[int, int]] = {}  # by its handle: its number, and where its end is told
    with selectors.DefaultSelector() as watched:
        watched.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in watched.select():
                if key.fileobj is not orders:
                    watched.unregister(key.fd)
                    _tell_end(key.fd, *living.pop(key.fd))
                    continue
                order, streams, _, _ = socket.recv_fds(orders, _LONGEST, _FILES)
                if not order:
                    _end_all(living)
                pid = os.fork()
                if not pid:
                    return _become(json.loads(order), streams)
                *shared, telling = streams
                for stream in shared:
                    os.close(stream)
                handle = os.pidfd_open(pid)
                living[handle] = pid, telling
                watched.register(handle, selectors.EVENT_READ)
                socket.send_fds(orders, [str(pid).encode()], [handle])


def _tell_end(handle: int, pid: int, telling: int) -> None:
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(telling, status.to_bytes(STATUS, "little"))
    os.close(telling)
    os.close(handle)


def _end_all(living: Mapping[int, tuple[int, int]]) -> None:
    for handle in living:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    os._exit(0)


def _become(order: Mapping[str, object], streams: Sequence[int]) -> list[str]:
    """Be the process that was asked for; what it is to run."""
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    os.closerange(3, max(streams) + 64)
    environment = order["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    words = order["words"]
    assert isinstance(words, list)
    return words


def _run(words: list[str]) -> None:
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    _import_everything()
    _run(_make_processes(socket.socket(fileno=int(sys.argv[1]))))

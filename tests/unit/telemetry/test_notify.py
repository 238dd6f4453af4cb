"""Word to systemd, heard on a real socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from relay.telemetry.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """What NOTIFY_SOCKET says, and the socket that listens there."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@relay-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.settimeout(5)
        yield name, listening


def test_systemd_hears_each_word(manager: tuple[str, socket.socket]) -> None:
    """At a path, and at one of Linux' abstract names."""
    name, listening = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.status("2 lines ready\nREADY=1")
    notifier.alive()
    notifier.stopping()
    heard = [listening.recv(1000).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=2 lines ready READY=1", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_where_nobody_listens_nothing_happens(environment: dict[str, str]) -> None:
    """Relay runs without systemd as well, and after it."""
    notifier = Notifier.from_environment(environment)
    notifier.ready()
    assert notifier.watchdog_seconds is None


def test_a_full_socket_does_not_hold_relay_up(manager: tuple[str, socket.socket]) -> None:
    """A manager that does not read must not stop the event loop."""
    name, _ = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name})
    for _ in range(2000):
        notifier.alive()
    assert notifier.watchdog_seconds is None


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        pytest.param("500000", str(os.getpid()), 0.5, id="our own process"),  # a pid differs from worker to worker
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_the_watchdog_is_ours_only_if_systemd_says_so(
    microseconds: str, pid: str | None, seconds: float | None
) -> None:
    """WATCHDOG_PID may name another process, whose environment was inherited."""
    environment = {"WATCHDOG_USEC": microseconds} | ({"WATCHDOG_PID": pid} if pid else {})
    assert Notifier.from_environment(environment).watchdog_seconds == seconds

"""Word to systemd, heard on a real socket."""

import os
import socket
import time
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


def test_systemd_keeps_a_socket_hands_it_on_and_forgets_it(manager: tuple[str, socket.socket]) -> None:
    """The file comes with the words; what it is goes on without us."""
    name, listening = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name})
    with socket.create_server(("127.0.0.1", 0)) as ours:
        notifier.keep("webhooks", ours)
        said, files, _, _ = socket.recv_fds(listening, 1000, 4)
        with socket.socket(fileno=files[0]) as theirs:
            assert theirs.getsockname() == ours.getsockname()
    notifier.forget("webhooks")
    assert [said.decode(), listening.recv(1000).decode()] == [
        "FDSTORE=1\nFDNAME=webhooks",
        "FDSTOREREMOVE=1\nFDNAME=webhooks",
    ]
    assert len(files) == 1


def test_the_moment_in_which_a_reload_began_is_told(manager: tuple[str, socket.socket]) -> None:
    """Systemd 253 and newer tell by it whether a reload is the one that was asked for (sd_notify(3))."""
    name, listening = manager
    before = time.monotonic_ns() // 1000
    Notifier.from_environment({"NOTIFY_SOCKET": name}).reloading()
    said = listening.recv(1000).decode()
    assert said.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert before <= int(said.rpartition("=")[2]) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("environment", "keeps"),
    [
        ({"NOTIFY_SOCKET": "/run/any"}, True),
        ({"NOTIFY_SOCKET": "/run/any", "FDSTORE": "4"}, True),
        ({"NOTIFY_SOCKET": "/run/any", "FDSTORE": "0"}, False),
        ({"FDSTORE": "4"}, False),
        ({"NOTIFY_SOCKET": ""}, False),
    ],
)
def test_whether_systemd_keeps_sockets_is_known(environment: dict[str, str], keeps: bool) -> None:
    """Systemd before 254 does not say: it is taken to; a unit may say that it does not."""
    assert Notifier.from_environment(environment).keeps is keeps

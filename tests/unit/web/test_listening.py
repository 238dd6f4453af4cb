"""The socket that outlives a listener: handed over by systemd, kept with it, left where the settings have changed."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.telemetry.notify import Notifier
from relay.web.listening import NAME, Handed, Listening, handed_over

HERE = "127.0.0.1"


class Manager:
    """What systemd hears, and the files that come with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listening.bind(str(path))
        self._listening.settimeout(0)
        self.files: list[int] = []

    def heard(self) -> list[str]:
        """The words since it was last asked."""
        words = []
        with suppress(BlockingIOError):
            while True:
                said, files, _, _ = socket.recv_fds(self._listening, 1000, 4)
                words.append(said.decode())
                self.files += files
        return words

    def close(self) -> None:
        """Close everything."""
        self._listening.close()
        for file in self.files:
            os.close(file)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """One that listens."""
    with closing(Manager(tmp_path / "notify")) as made:
        yield made


@pytest.fixture
def opened() -> Iterator[Callable[..., socket.socket]]:
    """Makes listening sockets, and closes them in the end."""
    made: list[socket.socket] = []

    def listen(host: str = HERE, port: int = 0, **more: bool) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made.append(socket.create_server((host, port), family=family, **more))
        return made[-1]

    yield listen
    for one in made:
        one.close()


Open = Callable[..., socket.socket]
KEEP, FORGET = f"FDSTORE=1\nFDNAME={NAME}", f"FDSTOREREMOVE=1\nFDNAME={NAME}"


def never() -> socket.socket:
    """A socket that nobody needs."""
    raise AssertionError("a new socket is not needed")


def port_of(one: socket.socket) -> int:
    """Where it listens."""
    return int(one.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody who calls there is let into the backlog."""
    try:
        socket.create_connection((HERE, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def listening_to(manager: Manager, *handed: Handed) -> Listening:
    """What a process holds that was handed these."""
    return Listening(Notifier(str(manager.path)), handed)


def test_a_new_socket_is_kept_with_systemd(manager: Manager, opened: Open) -> None:
    """It goes on listening after the process has closed all that it has of it."""
    made = opened()
    port = port_of(made)
    claimed = listening_to(manager).claim(HERE, 0, lambda: made)
    assert manager.heard() == [KEEP]
    claimed.close()
    made.close()
    assert answers(port)


def test_one_life_after_the_other_has_the_same_socket(manager: Manager, opened: Open) -> None:
    """A listener closes its own, and callers wait for the next."""
    made = opened()
    listening = listening_to(manager)
    listening.claim(HERE, port_of(made), lambda: made).close()
    assert answers(port_of(made))
    with listening.claim(HERE, port_of(made), never) as again:
        assert again.getsockname() == made.getsockname()
    assert manager.heard() == [KEEP]


def test_what_is_handed_over_is_taken_and_stays_kept(manager: Manager, opened: Open) -> None:
    """The address is the settings'; no second socket is made."""
    kept = opened()
    with capture_logs() as logged, listening_to(manager, Handed(NAME, kept)).claim(HERE, port_of(kept), never) as one:
        assert one.getsockname() == kept.getsockname()
    assert logged == [{"event": "listener.handed_over", "log_level": "info", "name": NAME}]
    assert manager.heard() == [KEEP]


def test_what_listens_elsewhere_than_the_settings_say_is_closed_and_forgotten(manager: Manager, opened: Open) -> None:
    """At once, and for whoever else holds it: the same port may be wanted at another address."""
    kept = opened()
    port = port_of(kept)
    with (
        kept.dup() as of_systemd,
        listening_to(manager, Handed(NAME, kept)).claim("127.0.0.2", port, lambda: opened("127.0.0.2", port)) as one,
    ):
        assert one.getsockname() == ("127.0.0.2", port)
        assert not of_systemd.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not answers(port)
    assert manager.heard() == [FORGET, KEEP]


def test_the_same_port_at_every_address_can_follow_the_one_at_a_single_one(manager: Manager, opened: Open) -> None:
    """What systemd still holds of the old socket does not hold the port."""
    kept = opened()
    port = port_of(kept)
    with kept.dup(), listening_to(manager, Handed(NAME, kept)).claim("0.0.0.0", port, lambda: opened("0.0.0.0", port)):
        assert answers(port)


def test_a_socket_units_socket_is_taken_and_not_kept(manager: Manager, opened: Open) -> None:
    """Systemd has it in any case, under the name of the unit."""
    units = opened()
    with listening_to(manager, Handed("relay.socket", units)).claim(HERE, port_of(units), never):
        assert manager.heard() == []


def test_a_socket_unit_goes_before_what_was_kept(manager: Manager, opened: Open) -> None:
    """The operator has changed to a socket unit: what relay had made is given up."""
    units, kept = opened(), opened("::1")
    with listening_to(manager, Handed(NAME, kept), Handed("relay.socket", units)).claim(HERE, port_of(units), never):
        assert manager.heard() == [FORGET]


def test_a_socket_unit_that_listens_elsewhere_is_told(manager: Manager, opened: Open) -> None:
    """Who calls there would wait for ever: the operator has to hear of it."""
    units, made = opened(), opened()
    listening = listening_to(manager, Handed("relay.socket", units))
    with capture_logs() as logged, listening.claim(HERE, port_of(made), lambda: made):
        assert logged == [{"event": "listener.unwanted", "log_level": "warning", "name": "relay.socket"}]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_socket_of_both_kinds_of_ip_serves_every_address_of_either(manager: Manager, opened: Open, host: str) -> None:
    """`ListenStream=8080` means just that."""
    both = opened("::", dualstack_ipv6=True)
    with listening_to(manager, Handed("relay.socket", both)).claim(host, port_of(both), never) as one:
        assert one.family == socket.AF_INET6


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_address_may_be_spelled_in_several_ways(manager: Manager, opened: Open, host: str) -> None:
    """What is compared is where it leads."""
    kept = opened()
    with listening_to(manager, Handed(NAME, kept)).claim(host, port_of(kept), never) as one:
        assert one.getsockname()[0] == HERE


def test_what_is_no_listening_tcp_socket_is_never_taken(manager: Manager, opened: Open, tmp_path: Path) -> None:
    """An operator may hand over anything."""
    made = opened()
    port = port_of(made)
    deaf, datagrams, local = (
        socket.socket(),
        socket.socket(type=socket.SOCK_DGRAM),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    )
    datagrams.bind((HERE, port))
    local.bind(str(tmp_path / "local"))
    local.listen()
    handed = [Handed(NAME, one) for one in (deaf, datagrams, local)]
    with listening_to(manager, *handed).claim(HERE, port, lambda: made) as one:
        assert one.getsockname() == made.getsockname()


def test_a_life_with_another_address_leaves_the_one_before(manager: Manager, opened: Open) -> None:
    """The settings were read again meanwhile."""
    first, second = opened(), opened()
    was = port_of(first)
    listening = listening_to(manager)
    listening.claim(HERE, was, lambda: first).close()
    with listening.claim(HERE, port_of(second), lambda: second):
        assert not answers(was)
    assert manager.heard() == [KEEP, FORGET, KEEP]


@pytest.mark.parametrize("environment", [{}, {"FDSTORE": "0"}])
def test_where_nobody_keeps_the_socket_it_ends_with_the_listener(
    manager: Manager, opened: Open, environment: dict[str, str]
) -> None:
    """Without systemd, and where the unit says that it keeps nothing: a load balancer goes to another node at once."""
    address = {"NOTIFY_SOCKET": str(manager.path)} if environment else {}
    listening = Listening(Notifier.from_environment(environment | address))
    for _ in range(2):
        made = opened()
        port = port_of(made)
        listening.claim(HERE, port, lambda: made).close()  # noqa: B023 - it is called at once
        assert not answers(port)
    assert manager.heard() == []


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "one", "LISTEN_PID": "own"},
        {"LISTEN_FDS": "0", "LISTEN_PID": "own"},
        {"LISTEN_FDS": "", "LISTEN_PID": "own"},
    ],
)
def test_nothing_is_handed_over_that_is_not_meant_for_this_process(environment: dict[str, str]) -> None:
    """A variable that was inherited says nothing, and is not passed on either."""
    own = {name: value.replace("own", str(os.getpid())) for name, value in environment.items()}
    assert handed_over(own) == ()
    assert own == {}


TAKES = """
import json, os, subprocess, sys
files = [int(sys.argv[1]), os.open(os.devnull, os.O_RDONLY), int(sys.argv[2])]
for file in files:
    os.dup2(file, 100 + file)
for number, file in enumerate(files, start=3):
    os.dup2(100 + file, number)
from relay.web.listening import handed_over
os.environ["LISTEN_PID"] = str(os.getpid())
found = handed_over(os.environ)
child = subprocess.run(["/bin/sh", "-c", "ls /proc/self/fd; env"], capture_output=True, text=True, close_fds=False)
print(json.dumps({
    "found": [[one.name, one.socket.getsockname()[1]] for one in found],
    "child": [line for line in child.stdout.split() if line.startswith("LISTEN_")],
    "inherits": [one.name for one in found if os.get_inheritable(one.socket.fileno())],
}))
"""


def test_what_is_handed_over_has_its_names_and_no_child_gets_any_of_it(opened: Open, tmp_path: Path) -> None:
    """Files from number 3 on; one of them is no socket, and is left."""
    first, second = opened(), opened()
    script = tmp_path / "takes.py"
    script.write_text(TAKES)
    told = subprocess.run(
        [sys.executable, str(script), str(first.fileno()), str(second.fileno())],
        env={**os.environ, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "webhooks:thing:relay.socket"},
        pass_fds=[first.fileno(), second.fileno()],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [["webhooks", port_of(first)], ["relay.socket", port_of(second)]]
    assert told.stdout.strip() == f'{{"found": {str(expected).replace(chr(39), chr(34))}, "child": [], "inherits": []}}'

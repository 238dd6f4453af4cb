"""The addresses and the socket that relay is going to take: would it have them, if it were started now?"""

import errno
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from relay.cli.findings import Finding, wrong
from relay.settings import Endpoint, Settings

_PART = "settings"
_WHY = "relay does not start"
_BY_SYSTEMD = Path("/run/relay")  # RuntimeDirectory of the unit
_KEPT = re.compile(rb"^(?:SubState=listening|NFileDescriptorStore=[1-9].*)$", re.MULTILINE)


def look_at_listeners(settings: Settings) -> Sequence[Finding]:
    """What a start would stumble over. Only for a relay that does not run."""
    found = [*_address("webhooks.listen", settings.webhooks.listen), *_socket(settings.admin.socket)]
    return [*found, *_address("admin.listen", settings.admin.listen)]


def _address(setting: str, endpoint: Endpoint) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        socket.create_server(endpoint, family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_kept_by_systemd():
            return
        what, cure = _meaning(setting, endpoint, error)
        yield wrong(_PART, f"{setting}: {what}", _WHY, cure)


def _meaning(setting: str, endpoint: Endpoint, error: OSError) -> tuple[str, str]:
    match error.errno:
        case errno.EADDRINUSE:
            look = f"ss -ltnp 'sport = :{endpoint.port}'"
            return f"another program listens on {endpoint}", f"end it ({look} shows which), or write another port"
        case errno.EACCES:
            return f"relay's user may not listen on port {endpoint.port}", f"write a port from 1024 on in {setting}"
        case _:
            cure = f'write an address of this machine (ip address), or "127.0.0.1:{endpoint.port}"'
            return f"this machine has no address {endpoint.host}", cure


def _is_kept_by_systemd() -> bool:
    """Whether systemd holds the address for relay while it is stopped: in a socket unit, or in its descriptor store."""
    words = ("systemctl", "show", "--property=NFileDescriptorStore,SubState", "relay.service", "relay.socket")
    try:
        said = subprocess.run(words, check=False, capture_output=True, timeout=1).stdout  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(_KEPT.search(said))


def _socket(path: Path) -> Iterator[Finding]:
    if path.parent != _BY_SYSTEMD and not path.parent.is_dir():
        cure = f"make it, owned by relay's user: mkdir -p {path.parent}"
        yield wrong(_PART, f"admin.socket: the directory {path.parent} does not exist", _WHY, cure)
    elif path.exists() and not path.is_socket():
        cure = "name another place in admin.socket, or move the file away"
        yield wrong(_PART, f"admin.socket: {path} is there, and no socket", _WHY, cure)

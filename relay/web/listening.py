"""systemd -> listeners: the web-hook socket that outlives a process, handed over at its start and kept meanwhile.

While relay is started again the kernel goes on listening: who calls waits in the backlog, and nobody is refused.
"""

import os
import socket
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass

import structlog

from relay.telemetry.notify import Notifier

log = structlog.get_logger()

NAME = "webhooks"  # what systemd knows the socket by
_FIRST = 3  # the number of the first file that is handed over: sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Handed:
    """A socket that was handed over, and its name: `webhooks`, or that of an operator's socket unit."""

    name: str
    socket: socket.socket


def handed_over(environment: MutableMapping[str, str]) -> tuple[Handed, ...]:
    """What systemd hands over (sd_listen_fds(3)). It is said once, and no child of this process gets any of it.

    Args:
        environment: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are taken out of it.
    """
    pid, count, names = (environment.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return ()
    named = [*names.split(":"), *[""] * int(count)]
    found = (_socket(number) for number in range(_FIRST, _FIRST + int(count)))
    return tuple(Handed(name, one) for name, one in zip(named, found, strict=False) if one is not None)


def _socket(number: int) -> socket.socket | None:
    try:
        os.set_inheritable(number, False)  # noqa: FBT003 - the standard library's word
        return socket.socket(fileno=number)
    except OSError:
        return None  # it is open no more, or no socket


class Listening:
    """The web-hook listener's socket: one life of a node after the other has it, and the next process.

    Args:
        notifier: leads to systemd, which keeps it.
        handed: what was handed over.
    """

    def __init__(self, notifier: Notifier, handed: Sequence[Handed] = ()) -> None:
        self._notifier = notifier
        self._handed = tuple(handed)
        self._held: Handed | None = None

    def claim(self, host: str, port: int, make: Callable[[], socket.socket]) -> socket.socket:
        """A socket that listens on an address, for one life: where systemd keeps another, the address stays taken.

        Args:
            host: where it has to listen.
            port: 0 for any.
            make: makes one, where there is none yet; what it raises is raised.
        """
        if self._held is not None:
            self._handed = (self._held,)
        if self._handed:
            self._held = self._chosen(host, port)
        self._held = self._held or self._kept(make)
        return self._held.socket.dup() if self._held else make()

    def close(self) -> None:
        """Let go of it; systemd goes on keeping it."""
        if self._held is not None:
            self._held.socket.close()
            self._held = None

    def _chosen(self, host: str, port: int) -> Handed | None:
        """What is there already for this address; an operator's socket unit goes before what was kept."""
        fits = [one for one in self._handed if _listens(one.socket, host, port)]
        chosen = min(fits, key=lambda one: one.name == NAME, default=None)
        others, self._handed = [one for one in self._handed if one is not chosen], ()
        for one in others:
            self._leave(one)
        if any(one.name == NAME for one in others):
            self._notifier.forget(NAME)
        if chosen is None or chosen is self._held:
            return chosen
        if chosen.name == NAME:
            self._notifier.keep(NAME, chosen.socket)  # it may just have been forgotten with others of its name
        log.info("listener.handed_over", name=chosen.name)
        return chosen

    def _leave(self, one: Handed) -> None:
        """Close what is not needed. What listens elsewhere is the settings' past, or the operator's mistake."""
        if one.name == NAME:
            # Kept with systemd it would go on listening for a moment, and hold its port.
            _silence(one.socket)
        else:
            log.warning("listener.unwanted", name=one.name)
            one.socket.close()

    def _kept(self, make: Callable[[], socket.socket]) -> Handed | None:
        """A new one that systemd keeps; None where it keeps nothing: then callers are refused while relay is away."""
        if not self._notifier.keeps:
            return None
        made = Handed(NAME, make())
        self._notifier.keep(NAME, made.socket)
        return made


def _silence(listening: socket.socket) -> None:
    """Have it listen no more, whoever else holds it."""
    with listening:
        try:
            listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it did not listen


def _listens(one: socket.socket, host: str, port: int) -> bool:
    """Whether a socket accepts TCP connections to this address; IPv6's wildcard takes those to IPv4's as well."""
    try:
        accepts = one.type == socket.SOCK_STREAM and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        address = one.getsockname()
    except OSError:
        return False
    if not accepts or one.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    both = one.family == socket.AF_INET6 and not one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    hosts = {"::", "0.0.0.0"} if both and address[0] == "::" else {address[0]}  # noqa: S104 - it is compared with
    return _spelled(host) in hosts and port in {0, address[1]}


def _spelled(host: str) -> str:
    """An address as the kernel spells it; a name as it is."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, host))
        except OSError:
            continue
    return "127.0.0.1" if host == "localhost" else host

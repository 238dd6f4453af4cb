"""Word to systemd about how the service stands: ready, what it is doing, that it is alive, that it is stopping."""

import os
import socket
from collections.abc import Mapping
from typing import Self

_MICROSECONDS = 1_000_000


class Notifier:
    """Speaks the protocol of sd_notify(3); says nothing where nobody listens.

    Args:
        address: what systemd put into NOTIFY_SOCKET; a leading `@` stands for Linux' abstract names. None: silent.
        watchdog_seconds: how often at least systemd wants to hear `alive`, or None where it does not.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The notifier for what systemd says in the environment (sd_watchdog_enabled(3))."""
        microseconds, own = environment.get("WATCHDOG_USEC", ""), str(os.getpid())
        meant_for_us = environment.get("WATCHDOG_PID", own) == own
        watched = microseconds.isdecimal() and int(microseconds) > 0 and meant_for_us
        return cls(environment.get("NOTIFY_SOCKET"), int(microseconds) / _MICROSECONDS if watched else None)

    def ready(self) -> None:
        """The service has started."""
        self._say("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._say(f"STATUS={' '.join(text.split())}")

    def alive(self) -> None:
        """The service makes progress."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """The service has begun to stop."""
        self._say("STOPPING=1")

    def _say(self, word: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(0)
            try:
                out.sendto(word.encode(), self._address)
            except OSError:
                return  # systemd that does not listen must not end the service that it watches

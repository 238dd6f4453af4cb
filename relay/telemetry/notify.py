"""Word to systemd about how the service stands: ready, what it is doing, that it is alive, that it is stopping."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Self

_MICROSECONDS = 1_000_000


class Notifier:
    """Speaks the protocol of sd_notify(3); says nothing where nobody listens.

    Args:
        address: what systemd put into NOTIFY_SOCKET; a leading `@` stands for Linux' abstract names. None: silent.
        watchdog_seconds: how often at least systemd wants to hear `alive`, or None where it does not.
        keeps: whether it keeps sockets, where it listens.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None, *, keeps: bool = True) -> None:
        self._address = (f"\0{address[1:]}" if address.startswith("@") else address) if address else None
        self.watchdog_seconds = watchdog_seconds
        self.keeps = keeps and self._address is not None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The notifier for what systemd says in the environment (sd_watchdog_enabled(3), systemd.exec(5): FDSTORE)."""
        microseconds, own = environment.get("WATCHDOG_USEC", ""), str(os.getpid())
        meant_for_us = environment.get("WATCHDOG_PID", own) == own
        watched = microseconds.isdecimal() and int(microseconds) > 0 and meant_for_us
        seconds = int(microseconds) / _MICROSECONDS if watched else None
        # Only systemd 254 and newer say it by themselves; a unit may say it for all.
        return cls(environment.get("NOTIFY_SOCKET"), seconds, keeps=environment.get("FDSTORE") != "0")

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

    def reloading(self) -> None:
        """The service has begun to load its settings again; `ready` says that it has ended, however it went."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._say(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def keep(self, name: str, one: socket.socket) -> None:
        """Have systemd keep a socket, and hand it to the service's next process (sd_pid_notify_with_fds(3)).

        Args:
            name: under which it is handed over; letters alone.
            one: what it is already keeping it keeps once.
        """
        self._say(f"FDSTORE=1\nFDNAME={name}", [one.fileno()])

    def forget(self, name: str) -> None:
        """Have systemd close all that it keeps under a name."""
        self._say(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def _say(self, word: str, files: Sequence[int] = ()) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(0)
            try:
                out.connect(self._address)
                socket.send_fds(out, [word.encode()], list(files)) if files else out.send(word.encode())
            except OSError:
                return  # systemd that does not listen must not end the service that it watches

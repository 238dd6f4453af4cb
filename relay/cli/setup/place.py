"""Where everything that `relay init` writes goes: the service's folders, or one folder for everything."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from relay.settings.sources import DEFAULT_FILE


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for settings.

    Attributes:
        directory: absolute.
        is_service: the one where `relay run` looks by itself, whose state systemd looks after.
    """

    directory: Path

    @property
    def is_service(self) -> bool:
        """Whether relay finds the settings there by itself."""
        return self.directory == DEFAULT_FILE.parent

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.directory / DEFAULT_FILE.name

    @property
    def secrets(self) -> Path:
        """The folder of secrets, for one user alone."""
        return self.directory / "secrets"

    @property
    def state(self) -> Path:
        """The journal's folder, where systemd gives none."""
        return self.directory / "state"

    @property
    def socket(self) -> Path:
        """Where relay's commands reach it, where systemd gives no folder."""
        return self.state / "relay.sock"

    @property
    def mosquitto(self) -> Path:
        """The folder of what the broker is to have."""
        return self.directory / "mosquitto"

    @property
    def drop_in(self) -> Path:
        """The lines that let systemd hand out the secrets."""
        return self.directory / "systemd" / "secrets.conf"

    @property
    def broker_files(self) -> Path:
        """The folder in which the broker reads its files."""
        return Path("/etc/mosquitto") if self.is_service else self.mosquitto

    @property
    def broker_state(self) -> Path:
        """The folder in which the broker keeps its state."""
        return Path("/var/lib/mosquitto") if self.is_service else self.mosquitto / "state"


def usual_place(environment: Mapping[str, str], user: int) -> Path:
    """The folder that is meant where none is named: root's is the service's."""
    if user == 0:
        return DEFAULT_FILE.parent
    own = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", ".")) / ".config"
    return Path(own) / "relay"


def place_of(directory: Path | None) -> Place:
    """The place that is asked for on the command line, or the usual one."""
    return Place((directory or usual_place(os.environ, os.geteuid())).absolute())

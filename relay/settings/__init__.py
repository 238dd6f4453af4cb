"""The whole settings tree: TOML file < systemd's credentials < environment < flags."""

from relay.settings.loading import kept_at, load_settings
from relay.settings.model import (
    Admin,
    BusSection,
    JournalSection,
    Lab,
    Log,
    Media,
    Node,
    OptOut,
    Queue,
    Settings,
    Webhooks,
)
from relay.settings.problems import BadSettings, SettingProblem
from relay.settings.sources import config_path, default_socket
from relay.settings.types import Endpoint

__all__ = [
    "Admin",
    "BadSettings",
    "BusSection",
    "Endpoint",
    "JournalSection",
    "Lab",
    "Log",
    "Media",
    "Node",
    "OptOut",
    "Queue",
    "SettingProblem",
    "Settings",
    "Webhooks",
    "config_path",
    "default_socket",
    "kept_at",
    "load_settings",
]

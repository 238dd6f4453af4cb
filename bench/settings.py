"""relay's settings for a run: as in production, but that nothing holds it back."""

from dataclasses import dataclass
from pathlib import Path

HOOK_SECRET = "bench-0123456789abcdef"  # noqa: S105 - nobody else's
ALIAS = "alerts"

_SETTINGS = """
[node]
name = "bench"
grace = "3m"
[bus]
url = "mqtt://127.0.0.1:{broker}"
[journal]
url = "{journal}"
spool = "{folder}/spool.db"
[webhooks]
listen = "127.0.0.1:{hooks}"
[admin]
listen = "127.0.0.1:0"
socket = "{folder}/relay.sock"
[media]
directory = "{folder}/media"
[log]
format = "json"
level = "info"
[queue]
max_copies = 10000000
max_copies_per_line = 10000000
max_copies_per_client = 10000000
[lines.alerts]
provider = "att-sms"
base_url = "http://127.0.0.1:{provider}"
short_code = "12345"
app_key = "bench"
app_secret_file = "{folder}/app_secret"
webhook_secret_file = "{folder}/hook_secret"
calls_per_month = 1000000000
timeout = "2m"
window = {window}
receive = "{receive}"
receipts = "{receipts}"
recipients_per_call = {per_call}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """How the line stands to its provider.

    Attributes:
        receive: how texts come in.
        receipts: how delivery status comes in.
        speed: of a lab's clock; None for the machine's.
        per_call: recipients of a call.
        hours: when it sends; None: at any time.
    """

    receive: str = "off"
    receipts: str = "poll"
    speed: float | None = None
    per_call: int = 50
    hours: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is: ports of this machine, the journal's address, and a folder."""

    broker: int
    provider: int
    hooks: int
    journal: str
    folder: Path


def write_settings(places: Places, window: int, line: Line) -> Path:
    """Write them, and the secrets that they name; gives their file."""
    folder = places.folder
    for name, secret in {"app_secret": "bench", "hook_secret": HOOK_SECRET}.items():
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o600)
    values = {name: getattr(places, name) for name in ("broker", "provider", "hooks", "journal", "folder")}
    text = _SETTINGS.format(
        **values, window=window, receive=line.receive, receipts=line.receipts, per_call=line.per_call
    )
    text += "" if line.hours is None else f'hours = "{line.hours}"\n'
    lab = "" if line.speed is None else f"[lab]\nspeed = {line.speed}\n"
    (folder / "relay.toml").write_text(text + lab)
    return folder / "relay.toml"

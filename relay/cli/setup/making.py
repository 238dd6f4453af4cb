"""a draft that is done -> the files that it comes to, and what to do with them."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relay.cli.setup.brokerfiles import ACL, CONF, PASSWORDS, acl_text, conf_text, password_text
from relay.cli.setup.draft import Draft
from relay.cli.setup.files import PRIVATE, File
from relay.cli.setup.place import Place
from relay.cli.setup.tomltext import settings_text
from relay.settings import Settings
from relay.settings.keys import Keys

_UNIT = Path("/etc/systemd/system/relay.service.d/secrets.conf")
_USUAL = "/usr/local/bin:/usr/bin"
_TEXT = """echo '{"to": ["+12065550123"], "text": "Hello"}'"""


@dataclass(frozen=True, slots=True)
class Made:
    """What is to be written, and what is to be done then.

    Attributes:
        broker: commands that give the broker its part.
        before: commands that have to come before the three.
        three: check, run, send.
        after: commands that some lines need once relay runs.
        files: the settings file first.
        folders: further folders.
    """

    broker: Sequence[str]
    before: Sequence[str]
    three: Sequence[str]
    after: Sequence[str] = ()
    files: Sequence[File] = ()
    folders: Sequence[Path] = ()


def settle_place(draft: Draft, place: Place) -> None:
    """Say where the journal and the socket are, where systemd does not."""
    if not place.is_service:
        draft.put(("journal", "url"), f"sqlite:///{place.state / 'relay.db'}")
        draft.put(("admin", "socket"), str(place.socket))


def make(draft: Draft, place: Place, *, systemd: bool, salt: Callable[[], bytes], consents: Sequence[str] = ()) -> Made:
    """Everything that the answers come to.

    Args:
        draft: the answers.
        place: where it is to stand.
        systemd: systemd is to hand out the secrets.
        salt: 12 bytes of chance.
        consents: the lines whose subscribers have to agree.

    Raises:
        BadSettings: they do not fit together.
    """
    settings = draft.settings()
    named = {keys: None if systemd else f"{place.secrets.name}/{'.'.join(keys)}" for keys in draft.secrets}
    files = [File(place.config, settings_text(settings, draft.answered(), named))]
    files += [File(place.secrets / ".".join(keys), f"{secret}\n", PRIVATE) for keys, secret in draft.secrets.items()]
    files += _broker_files(settings, place, salt)
    if systemd:
        files.append(File(place.drop_in, _drop_in(draft, place)))
    folders = [] if place.is_service else [place.state, place.broker_state]
    return replace(commands(settings, place, systemd=systemd, consents=consents), files=files, folders=folders)


def commands(settings: Settings, place: Place, *, systemd: bool, consents: Sequence[str]) -> Made:
    """What is to be done then, without the files."""
    return Made(
        broker=list(_for_broker(settings, place)),
        before=list(_before(place, systemd=systemd)),
        three=_three(settings, place, systemd=systemd),
        after=[f"{_relay(place)} auth login {alias}{_socket(place)}" for alias in consents],
    )


def _broker_files(settings: Settings, place: Place, salt: Callable[[], bytes]) -> Iterator[File]:
    bus = settings.bus
    yield File(place.mosquitto / CONF, conf_text(settings, place))
    if bus.username:
        yield File(place.mosquitto / ACL, acl_text(settings))
        password = bus.password.get_secret_value() if bus.password else ""
        yield File(place.mosquitto / PASSWORDS, password_text(bus.username, password, salt()), PRIVATE)


def _drop_in(draft: Draft, place: Place) -> str:
    head = "# Lets systemd hand relay its secrets, which only root can read. Written by `relay init`.\n[Service]\n"
    return head + "".join(credential_line(keys, place) for keys in draft.secrets)


def credential_line(keys: Keys, place: Place) -> str:
    """The line of a unit that hands out a secret."""
    name = ".".join(keys)
    return f"LoadCredential={name}:{place.secrets / name}\n"


def _for_broker(settings: Settings, place: Place) -> Iterator[str]:
    source = place.mosquitto
    if not place.is_service:
        yield f"mosquitto -c {_typed(source / CONF)}"
        return
    yield f"sudo install -m 644 {source / CONF} /etc/mosquitto/{CONF}"
    if settings.bus.username:
        yield f"sudo install -m 644 {source / ACL} {place.broker_files / ACL}"
        yield f"sudo install -o mosquitto -m 600 {source / PASSWORDS} {place.broker_files / PASSWORDS}"
    yield "sudo systemctl restart mosquitto"


def _before(place: Place, *, systemd: bool) -> Iterator[str]:
    if systemd:
        yield f"sudo install -D -m 644 {_typed(place.drop_in)} {_UNIT}"
        yield "sudo systemctl daemon-reload"


def _three(settings: Settings, place: Place, *, systemd: bool) -> list[str]:
    config = "" if place.is_service else f" --config {_typed(place.config)}"
    credentials = f"CREDENTIALS_DIRECTORY={_typed(place.secrets)}" if systemd else ""
    by_hand = f"{_relay(place, credentials)} run{config}"
    return [
        f"{_relay(place, credentials)} check{config}",
        "sudo systemctl enable --now relay" if systemd and place.is_service else by_hand,
        f"{_TEXT} | {_relay(place)} send {next(iter(settings.lines))} --watch{_socket(place)}",
    ]


def _relay(place: Place, variable: str = "") -> str:
    """How this very program is called, by whoever may read its settings; sudo has a search path of its own."""
    program = Path(sys.argv[0]).absolute()
    by_name = program.name != "relay" or shutil.which("relay", path=_USUAL) == str(program)
    return " ".join(
        filter(None, ["sudo" if place.is_service else "", variable, "relay" if by_name else _typed(program)])
    )


def _socket(place: Place) -> str:
    return "" if place.is_service else f" --socket {_typed(place.socket)}"


def _typed(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))

"""settings -> the broker's part: the rights that relay needs and no more, persistence, and relay's password, hashed."""

import hashlib
import os
import pwd
from base64 import b64encode
from collections.abc import Iterable, Iterator

from relay.bus.topics import VERBS, Topics
from relay.cli.setup.place import Place
from relay.settings import Settings
from relay.settings.types import is_loopback

ACL = "relay.acl"
PASSWORDS = "relay.passwd"
CONF = "mosquitto.conf"

_LINE = "a"  # stands for any line while topics are made
_ROUNDS = 101  # mosquitto_passwd's own: a broker looks passwords up while clients wait

_CLIENTS = """
# Every client: its own commands and their answers, and how relay and its lines are. A client's name (%u) is the last
# level of its topics, so that clients are told apart.
{commands}
pattern read {base}/line/+/result/%u
pattern read {base}/line/+/receipt/%u
pattern read {base}/line/+/status
pattern read {base}/node/#
{replies}
# Who may read the texts that come in, and what happens to the lines. Copy this for each such client.
# user inbox
# topic read {base}/line/+/message
# topic read {base}/line/+/event/+
"""

_MORE = "# Where homeassistant.discovery is true:\n# topic readwrite homeassistant/#\n"

_CONF = """\
# mosquitto 2 for relay, written by `relay init`: the whole configuration.
{people}
{listener}

# By default a broker that is killed forgets every message that it had confirmed, sessions and retained topics
# included. With these it writes them down after each change, within a second at most.
persistence true
persistence_location {state}/
autosave_interval 1
autosave_on_changes true

# By default a client that is away has 1000 messages kept for it; the rest is dropped, and the sender is told Success.
max_queued_messages 1000000
max_queued_bytes 1073741824

# relay's longest command (bus.max_command_bytes) and what goes with it: longer ones relay answers itself.
message_size_limit 16777216

# Sessions of clients that never come back.
persistent_client_expiration 14d
"""
_ASKED_FOR = ("send", "check", "cancel", "lookup", "replay")  # commands that any client may give


def rights(settings: Settings) -> Iterator[tuple[str, str]]:
    """What relay has to be allowed: `read`, `write` or `readwrite`, and a topic filter, good for every line.

    What it publishes on it has to read as well: where nobody tells of a denial, it tries a topic by hearing itself.
    """
    topics = Topics(settings.bus.base)
    for verb in VERBS:
        yield "read", f"{_any_line(topics, verb)}/#"
    for said in ("status", "message"):
        yield "readwrite", _any_line(topics, said)
    for said in ("result", "receipt", "event"):
        yield "readwrite", f"{_any_line(topics, said)}/#"
    yield "readwrite", topics.dead
    for said in ("status", "info"):
        yield "readwrite", topics.node(_LINE, said).replace(f"/node/{_LINE}/", "/node/+/")
    if settings.bus.response_topics:
        yield "write", settings.bus.response_topics


def acl_text(settings: Settings) -> str:
    """The ACL file of mosquitto."""
    base, replies = settings.bus.base, settings.bus.response_topics
    own = "\n".join(f"topic {right} {topic}" for right, topic in rights(settings))
    answers = f"pattern read {replies.removesuffix('#')}%u/#\n" if replies.endswith("/#") else ""
    commands = "\n".join(f"pattern write {base}/line/+/{verb}/%u" for verb in _ASKED_FOR)
    clients = _CLIENTS.format(base=base, commands=commands, replies=answers)
    head = "# Who may do what on the broker, written by `relay init`. mosquitto denies what no line grants.\n"
    return f"{head}\n# relay itself.\nuser {settings.bus.username}\n{own}\n{_MORE}{clients}"


def conf_text(settings: Settings, place: Place) -> str:
    """The configuration of mosquitto."""
    people = ["", "# Nobody without a name. For another client: mosquitto_passwd FILE NAME", "allow_anonymous false"]
    people += [f"password_file {place.broker_files / PASSWORDS}", f"acl_file {place.broker_files / ACL}"]
    if not settings.bus.username:
        people = ["", "# Everybody who reaches it may do everything.", "allow_anonymous true"]
    listener = "\n".join(_listener(settings, place))
    head = "\n".join(["per_listener_settings false", *_owner(place), *people])
    return _CONF.format(people=head, listener=f"\n{listener}", state=place.broker_state)


def password_text(user: str, password: str, salt: bytes) -> str:
    """A line of mosquitto's password file, as mosquitto_passwd writes it.

    Args:
        user: the broker's name for relay.
        password: its password.
        salt: 12 bytes of chance.
    """
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"{user}:$7${_ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}\n"


def _owner(place: Place) -> list[str]:
    """Whom the broker runs as where it is started by hand, by root as well: whoever may read these files."""
    if place.is_service:
        return []
    try:
        return [f"user {pwd.getpwuid(os.geteuid()).pw_name}"]
    except KeyError:  # nobody that this machine knows by name, as in a container
        return []


def _listener(settings: Settings, place: Place) -> Iterable[str]:
    bus = settings.bus
    if not bus.tls:
        yield f"listener {bus.port} {'127.0.0.1' if is_loopback(bus.url) else ''}".rstrip()
        return
    yield f"listener {bus.port}"
    yield f"certfile {place.broker_files / 'certs/broker.pem'}"
    yield f"keyfile {place.broker_files / 'certs/broker.key'}"


def _any_line(topics: Topics, what: str) -> str:
    return topics.line(_LINE, what).replace(f"/line/{_LINE}/", "/line/+/")

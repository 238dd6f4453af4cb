"""What people get wrong, each made on purpose, and the words by which `relay check` names it and its cure.

docs/check.md shows this table; `python -m tests.unit.cli.mistakes` writes it there.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.unit.cli.checked import (
    Make,
    Place,
    address,
    answering,
    below,
    broker,
    clock_ahead,
    credential,
    file,
    more,
    no_file,
    online,
    public,
    running,
    server,
    swap,
    taken,
    together,
    variable,
    without,
)

PAGE = Path(__file__).parents[3] / "docs" / "check.md"
BEGIN, END = "<!-- mistakes: begin -->\n", "<!-- mistakes: end -->"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake.

    Attributes:
        name: what was done.
        what: words of the finding.
        cure: words of its cure.
        make: makes it.
    """

    name: str
    what: str
    cure: str
    make: Make


def newer_tables(place: Place) -> None:
    """A journal that a newer relay has written."""
    with closing(sqlite3.connect(place.put("relay.db", b"", 0o600))) as made:
        made.executescript(
            "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('9999')"
        )


def doing(act: "object") -> Make:
    """What a plain function makes wrong."""

    async def make(place: Place) -> None:
        assert callable(act)
        act(place)

    return make


CONNACK_OLD = b"\x20\x03\x00\x84\x00"  # unsupported protocol version
ALL = ["user relay", "topic readwrite relay/#", "topic write reply/#"]
OTHER_LINE = '[lines.other]\nprovider = "att-sms"\nbase_url = "{att}"\nshort_code = "12345"\napp_key = "demo-key"'
SETTINGS = (
    Mistake(
        "a key is misspelt",
        "there is no such setting",
        'did you mean "short_code"?',
        swap("short_code", "shortcode"),
    ),
    Mistake(
        "a table is misspelt", "there is no such setting", 'did you mean "webhooks"?', swap("[webhooks]", "[webhook]")
    ),
    Mistake(
        "a key stands above the tables",
        "there is no such setting",
        'did you mean "socket" below [admin]?',
        swap("\n[node]", 'socket = "/run/relay/relay.sock"\n[node]'),
    ),
    Mistake(
        "a provider is misspelt",
        "is no provider that relay has",
        'did you mean "att-sms"?',
        swap('"att-sms"', '"att-smss"'),
    ),
    Mistake(
        "a variable is misspelt",
        "RELAY_BUS__ULR: there is no such setting",
        'did you mean "RELAY_BUS__URL"?',
        variable("RELAY_BUS__ULR", "x"),
    ),
    Mistake(
        "a variable has one _ in place of two",
        "RELAY_BUS_URL: there is no such setting",
        'did you mean "RELAY_BUS__URL"?',
        variable("RELAY_BUS_URL", "x"),
    ),
    Mistake(
        "a credential is misspelt",
        "bus.pasword: there is no such setting",
        'did you mean "bus.password"?',
        credential("bus.pasword"),
    ),
    Mistake(
        "a secret stands in the settings file",
        "is a secret, and may not stand here",
        "name that in password_file",
        swap('password_file = "mqtt"', 'password = "marked-secret"'),
    ),
    Mistake(
        "everyone may read a secret's file",
        "names a file that everyone may read",
        "run: chmod o-rwx",
        file("alerts", "demo-secret", 0o644),
    ),
    Mistake("a secret's file is not there", "names a file that is not there", "install -m 600", no_file("office")),
    Mistake(
        "a secret's file is empty",
        "does not hold one line of text",
        "write the secret into it, and nothing else",
        file("office", ""),
    ),
    Mistake(
        "the settings are no TOML", "this is not TOML", "mend this line", swap('name = "relay-1"', "name = relay-1")
    ),
    Mistake("there is no settings file", "there is no such settings file", "--config", no_file("relay.toml")),
    Mistake(
        "everyone may write the settings file",
        "everyone may write",
        "run: chmod o-w",
        file("relay.toml", "", 0o666),
    ),
    Mistake(
        "a line is polled too often",
        "must be 5m or more",
        "mend lines.alerts.poll_interval",
        below("lines.alerts", 'poll_interval = "1m"'),
    ),
    Mistake("a short code has letters", "lines.alerts.short_code", "3 to 8 digits", swap('"12345"', '"12a45"')),
    Mistake(
        "a line has no secret",
        "lines.alerts.app_secret: is missing",
        "RELAY_LINES__ALERTS__APP_SECRET",
        without('app_secret_file = "alerts"'),
    ),
    Mistake(
        "the public address is plain http",
        "must be https",
        "mend webhooks.public_url",
        public("http://sms.example.com"),
    ),
    Mistake(
        "the provider is called by plain http",
        "must be https",
        "mend lines.alerts.base_url",
        swap('base_url = "{att}"\nshort', 'base_url = "http://api.att.com"\nshort'),
    ),
    Mistake(
        "a certificate has no key",
        "is given without its key",
        "set bus.key_file as well",
        together(file("cert", "x"), below("bus", 'cert_file = "cert"')),
    ),
    Mistake(
        "a password has no user name",
        "is given without a username",
        "set bus.username as well",
        without('username = "relay"'),
    ),
    Mistake(
        "the broker's address holds a password",
        "must hold no user or password",
        "username and password_file",
        address("broker", "mqtt://relay:marked-secret@127.0.0.1"),
    ),
    Mistake(
        "fast time on a line of AT&T's",
        "is for lines on this machine only",
        "leave [lab] out",
        together(more("[lab]\nspeed = 60"), without('base_url = "{att}"')),
    ),
    Mistake(
        "the journal has no absolute path",
        "absolute path",
        "sqlite:////var/lib/relay/relay.db",
        swap("sqlite:///{folder}", "sqlite:///data"),
    ),
    Mistake(
        "the admin server is open to all",
        "must be on loopback",
        "127.0.0.1:9464",
        swap('listen = "127.0.0.1:{admin}"', 'listen = "0.0.0.0:9464"'),
    ),
    Mistake(
        "a call may take longer than a stop",
        "does not fit",
        "set node.grace to",
        below("lines.alerts", 'timeout = "2m"'),
    ),
    Mistake(
        "two lines have one number",
        "the lines alerts and other are one and the same number",
        "take one of [lines.alerts] and [lines.other] out",
        more(f'{OTHER_LINE}\napp_secret_file = "alerts"'),
    ),
    Mistake(
        "both servers listen on one port",
        "webhooks.listen and admin.listen are both",
        "write another port in admin.listen",
        swap("{admin}", "{hooks}"),
    ),
    Mistake(
        "only AT&T may call, behind a proxy that is not named",
        "webhooks.allow lets nobody in",
        'write proxies = ["127.0.0.1"]',
        below("webhooks", 'allow = ["203.0.113.0/24"]'),
    ),
    Mistake(
        "the folder of attachments is not there",
        "media.folder names a folder that is not there",
        "mkdir -p",
        more('[media]\nfolder = "no-such-folder"'),
    ),
)
MACHINE = (
    Mistake(
        "another program listens on relay's port",
        "another program listens on 127.0.0.1:",
        "ss -ltnp 'sport = :",
        taken("hooks"),
    ),
    Mistake(
        "relay is to listen on another machine's address",
        "this machine has no address 203.0.113.1",
        "ip address",
        swap('listen = "127.0.0.1:{hooks}"', 'listen = "203.0.113.1:{hooks}"'),
    ),
    Mistake(
        "the control socket's directory is not there",
        "admin.socket: the directory",
        "mkdir -p",
        swap("{folder}/relay.sock", "{folder}/no/relay.sock"),
    ),
    Mistake(
        "a file is in the place of the control socket",
        "is there, and no socket",
        "name another place in admin.socket",
        file("relay.sock", ""),
    ),
    Mistake(
        "the journal's directory is not there",
        "does not exist",
        "make it, owned by relay's user",
        swap("sqlite:///{folder}/relay.db", "sqlite:///{folder}/no/relay.db"),
    ),
    Mistake(
        "the journal is another kind of file",
        "is no SQLite database",
        "name another file in journal.url",
        file("relay.db", "something else altogether"),
    ),
    Mistake("everyone may read the journal", "everyone may read", "run: chmod 600", file("relay.db", b"", 0o644)),
    Mistake(
        "the journal is of a newer relay",
        "tables that this relay does not know (revision 9999)",
        "install the newer relay again",
        doing(newer_tables),
    ),
    Mistake("the journal was lost", "is missing, and there was one before", "relay restore", file("relay.db.made", "")),
    Mistake("this machine's clock is wrong", "ahead of the provider's", "timedatectl set-ntp true", clock_ahead()),
)
BROKER = (
    Mistake(
        "no broker runs",
        "nobody listens there",
        "systemctl start mosquitto",
        address("broker", "mqtt://127.0.0.1:{port}"),
    ),
    Mistake(
        "the broker's host name is misspelt",
        "the host name broker.invalid is not known",
        "mend the host in bus.url",
        address("broker", "mqtt://broker.invalid"),
    ),
    Mistake(
        "the broker hangs",
        "the broker was reached and did not answer",
        "name the port of MQTT",
        server("broker", None, scheme="mqtt"),
    ),
    Mistake(
        "the broker's address is a web server's",
        "the broker sent what is no MQTT 5",
        "name the port of MQTT",
        server("broker", answering("400 Bad Request"), scheme="mqtt"),
    ),
    Mistake(
        "the broker's password is wrong",
        "refuses this user",
        "mosquitto_passwd /etc/mosquitto/relay.passwd relay",
        file("mqtt", "marked-wrong"),
    ),
    Mistake(
        "the broker asks for a name, and none is given",
        "refuses this user",
        "set bus.username and bus.password_file",
        together(without('username = "relay"'), without('password_file = "mqtt"')),
    ),
    Mistake(
        "mqtts:// to a port without TLS",
        "does not speak TLS",
        "name the port of TLS in bus.url, or write mqtt://",
        together(
            broker(), doing(lambda place: place.words.update(broker=place.words["broker"].replace("mqtt", "mqtts")))
        ),
    ),
    Mistake(
        "mqtt:// to a port with TLS",
        "closed the connection before it answered",
        "write mqtts:// in bus.url",
        together(
            broker(kind="good"),
            doing(lambda place: place.words.update(broker=place.words["broker"].replace("mqtts", "mqtt"))),
            swap('ca_file = "{ca}"\n', ""),
        ),
    ),
    Mistake("the broker's certificate has expired", "has expired", "renew it", broker(kind="expired")),
    Mistake(
        "the broker's certificate is another host's",
        "was made for another host",
        "write the name that it was made for in bus.url",
        broker(kind="other"),
    ),
    Mistake(
        "the broker's certificate is of an unknown authority",
        "comes from an authority that is not known here",
        "in bus.ca_file",
        together(broker(kind="good"), swap('ca_file = "{ca}"\n', "")),
    ),
    Mistake("the broker's certificate ends soon", "expires in 9 days", "renew it", broker(kind="soon")),
    Mistake(
        "the broker asks for relay's certificate",
        "it may ask for a certificate",
        "set bus.cert_file and bus.key_file",
        broker(kind="good", ask_certificate=True),
    ),
    Mistake(
        "the broker does not speak the MQTT that is asked for",
        "does not speak this version of MQTT",
        'protocol = "auto"',
        together(below("bus", 'protocol = "5"'), server("broker", CONNACK_OLD, scheme="mqtt")),
    ),
    Mistake(
        "the ACL denies results",
        "relay/line/alerts/result: publishing is denied",
        'below "user relay": topic readwrite relay/#',
        broker(
            acl=[
                "user relay",
                "topic read relay/#",
                *(f"topic write relay/line/+/{each}" for each in ("receipt", "message", "event/#")),
                "topic write relay/dead",
                "topic write reply/#",
            ]
        ),
    ),
    Mistake(
        "the ACL denies results, on MQTT 3.1.1",
        "relay/line/alerts/result: publishing is denied",
        'below "user relay": topic readwrite relay/#',
        together(
            below("bus", 'protocol = "3.1.1"'),
            broker(
                acl=[
                    "user relay",
                    "topic read relay/#",
                    *(f"topic write relay/line/+/{each}" for each in ("receipt", "message", "event/#")),
                    "topic write relay/dead",
                    "topic write reply/#",
                ]
            ),
        ),
    ),
    Mistake(
        "the ACL lets relay publish only",
        "commands do not arrive, and subscribing was granted",
        'below "user relay": topic readwrite relay/#',
        broker(acl=["user relay", "topic write relay/#", "topic write reply/#"]),
    ),
    Mistake(
        "the ACL denies answers to a Response Topic",
        "reply/relay-check: publishing is denied",
        "topic write reply/#",
        broker(acl=ALL[:2]),
    ),
    Mistake(
        "the broker keeps no retained messages",
        "keeps no retained messages",
        "retain_available true",
        broker(extra=["retain_available false"]),
    ),
    Mistake("the broker allows QoS 0 only", "allows QoS 0 only", "max_qos 1", broker(extra=["max_qos 0"])),
    Mistake(
        "the broker takes small messages only",
        "takes messages of up to 20000 bytes",
        "max_packet_size 16777216",
        broker(extra=["max_packet_size 20000"]),
    ),
    Mistake(
        "the broker takes one message at a time",
        "takes 1 messages at once",
        "max_inflight_messages 20",
        broker(extra=["max_inflight_messages 1"]),
    ),
    Mistake("the broker keeps nothing on disk", "keeps nothing on disk", "persistence true", broker(persistent=False)),
    Mistake(
        "the broker writes down every half hour",
        "writes down now and then only",
        "autosave_on_changes true",
        broker(extra=["autosave_on_changes false", "autosave_interval 1800"]),
    ),
    Mistake(
        "the broker drops what a client misses",
        "keeps 1000 messages for a client that is away",
        "max_queued_messages 1000000",
        broker(extra=["max_queued_messages 1000"]),
    ),
    Mistake(
        "two nodes have one name",
        "a node with the name relay-1 is online, and not on this machine",
        "give each its own node.name",
        online("relay-1"),
    ),
)
PROVIDER = (
    Mistake(
        "the App Secret is wrong",
        "refused the credentials",
        "compare app_key, app_secret",
        file("alerts", "marked-wrong"),
    ),
    Mistake(
        "the App Key is wrong",
        "refused the credentials",
        "compare app_key, app_secret",
        swap('"demo-key"', '"another-key"'),
    ),
    Mistake(
        "the session is wrong",
        "refused the session",
        "compare session of [lines.office]",
        file("office", "marked-wrong"),
    ),
    Mistake(
        "nobody listens at the provider's address",
        "nobody listens there",
        "mend host and port in lines.alerts.base_url",
        address("att", "http://127.0.0.1:{port}"),
    ),
    Mistake(
        "the provider's host name is misspelt",
        "the host name api.att.invalid is not known",
        "mend the host in lines.alerts.base_url",
        address("att", "https://api.att.invalid"),
    ),
    Mistake(
        "the provider's certificate is of an unknown authority",
        "comes from an authority that is not known here",
        "update-ca-certificates",
        server("att", answering("200 OK"), scheme="https", kind="good"),
    ),
    Mistake(
        "https:// to a provider that speaks none",
        "does not speak TLS",
        "write http:// in place of https://",
        server("att", answering("400 Bad Request"), scheme="https"),
    ),
    Mistake(
        "the provider's address is another web server's",
        "HTTP 404",
        "check that lines.alerts.base_url is the provider's own",
        server("att", answering("404 Not Found")),
    ),
    Mistake("the provider is down", "HTTP 503", "it may be down: try again", server("att", answering("503 Busy"))),
    Mistake(
        "the provider hangs", "takes the connection and does not answer", "the server there hangs", server("att", None)
    ),
)
HOOKS = (
    Mistake(
        "there is no public address",
        "webhooks.public_url is not set",
        "set webhooks.public_url",
        without('public_url = "http://127.0.0.1:{hooks}"'),
    ),
    Mistake(
        "AT&T cannot reach the public address",
        "AT&T cannot reach http://127.0.0.1",
        "on the internet",
        address("att", "https://api.att.invalid"),
    ),
    Mistake(
        "nobody listens at the public address",
        "nobody listens there",
        "mend host and port in webhooks.public_url",
        together(public(), address("public", "http://127.0.0.1:{port}")),
    ),
    Mistake(
        "the public address leads to another server",
        "it is not this relay (HTTP 404)",
        "have the proxy pass everything below",
        together(public(), server("public", answering("404 Not Found"))),
    ),
    Mistake(
        "the public address leads to a page for everything",
        "it is not this relay (HTTP 200)",
        "have the proxy pass everything below",
        together(public(), server("public", answering("200 OK"))),
    ),
    Mistake(
        "the proxy sends callers on",
        "it sends callers on to www.example.com (HTTP 301)",
        "write the address in webhooks.public_url that it ends at",
        together(public(), server("public", answering("301 Moved", "Location: https://www.example.com/\r\n"))),
    ),
    Mistake(
        "the proxy does not find relay",
        "the proxy there does not reach relay (HTTP 502)",
        "on to http://127.0.0.1:",
        together(public(), server("public", answering("502 Bad Gateway"))),
    ),
    Mistake(
        "the proxy asks for a password",
        "it turns callers away (HTTP 401)",
        "without asking who calls",
        together(public(), server("public", answering("401 Unauthorized"))),
    ),
    Mistake(
        "the proxy lets POST pass only",
        "it takes no GET (HTTP 405)",
        "let GET pass below",
        together(public(), server("public", answering("405 Method Not Allowed"))),
    ),
    Mistake(
        "the public address has a certificate of its own making",
        "comes from an authority that is not known here",
        "have it signed by a public authority",
        together(public(), server("public", answering("200 OK"), scheme="https", kind="good")),
    ),
    Mistake(
        "web hooks were removed at the provider's",
        "web hooks are missing: receive, send, progress, read, delete",
        "relay webhooks install office",
        running(),
    ),
)
MISTAKES = (*SETTINGS, *MACHINE, *BROKER, *PROVIDER, *HOOKS)


def table() -> Iterator[str]:
    """The rows of docs/check.md."""
    yield "| Mistake | What `relay check` says | The cure it gives |"
    yield "|---|---|---|"
    for mistake in MISTAKES:
        yield f"| {mistake.name} | … {mistake.what} … | … {mistake.cure} … |"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + "\n".join(table()) + "\n" + END + rest.partition(END)[2])

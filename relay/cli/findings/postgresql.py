"""The journal in PostgreSQL: does every host answer, is one of them fit for relay, and is what it promises kept?

Nothing is made or changed there.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from relay.cli.findings import Finding, good, hint, wrong
from relay.cli.findings.hosts import Host, ask_each, named_in
from relay.clock import Clock, SystemClock
from relay.journal import JournalUnusable
from relay.journal.pgconnect import Connecting, connecting
from relay.journal.postgres import OLDEST
from relay.journal.rows import is_known, newest
from relay.settings import Settings

_PART = "journal"
_WHY = "relay accepts nothing that it cannot write down"
_SYNC = "a power cut may take what relay has accepted, or bring back what it has sent"
_APART = timedelta(seconds=2)
_NEEDED = 10  # connections: two nodes' worth
_LOCAL = ("", "127.0.0.1", "::1", "localhost")


async def look_at_postgresql(
    settings: Settings, *, offline: bool = False, is_running: bool = False, clock: Clock | None = None
) -> Sequence[Finding]:
    """What is found of the journal's database.

    Args:
        settings: the whole tree.
        offline: look at nothing outside of this machine.
        is_running: relay runs on this machine, so that its own node may live.
        clock: this machine's time.
    """
    journal = settings.journal
    try:
        database = connecting(journal.url, journal.password.get_secret_value() if journal.password else None)
    except JournalUnusable as unusable:
        return [_unusable(str(unusable))]
    if offline:
        return [*_settings(settings, database), good(_PART, "PostgreSQL: not looked at")]
    hosts = await ask_each(database, clock or SystemClock())
    return await asyncio.to_thread(_judged, settings, database, hosts, is_running=is_running)


def _judged(settings: Settings, database: Connecting, hosts: Sequence[Host], *, is_running: bool) -> Sequence[Finding]:
    of_hosts = [*_hosts(hosts, database), *_primary(hosts, settings.node.name, is_running=is_running)]
    return [*_settings(settings, database), *of_hosts]


def _settings(settings: Settings, database: Connecting) -> Iterator[Finding]:
    named = named_in(database)
    hosts = str(named.get("host", "")).split(",")
    if "sslmode" not in named and not all(host in _LOCAL or host.startswith("/") for host in hosts):
        what = "journal.url asks for no encryption that is checked: texts and the password may be read on the way"
        yield hint(_PART, what, "add ?sslmode=verify-full to journal.url, and sslrootcert where your CA is your own")
    if "ballast" in settings.journal.model_fields_set:
        yield hint(_PART, "journal.ballast does nothing with PostgreSQL", "take it out")


def _hosts(hosts: Sequence[Host], database: Connecting) -> Iterator[Finding]:
    """Whether each of several answers, and whether the one that takes writes would be found."""
    away = [host for host in hosts if host.facts is None]
    if len(away) == len(hosts):
        yield _unusable(f"{', '.join(host.name for host in away)}: {away[0].failed}")
        return
    for host in away:
        yield wrong(
            _PART,
            f"{host.name}: {host.failed.partition(':')[0]}",
            "nothing could take over from the others",
            (f"start it again, or take it out of journal.url: {host.failed.partition(': ')[2] or 'see its log'}"),
        )
    if len(hosts) > 1 and named_in(database).get("target_session_attrs", "any") == "any":
        cure = "add target_session_attrs=read-write to journal.url"
        yield wrong(
            _PART, "journal.url names several hosts, and any of them will do", "a standby takes no writes", cure
        )
    if all(host.facts["is_standby"] for host in hosts if host.facts):
        cure = "name the primary as well, and add target_session_attrs=read-write to journal.url"
        yield wrong(_PART, "every host that answers is a standby", _WHY, cure)


def _primary(hosts: Sequence[Host], node: str, *, is_running: bool) -> Iterator[Finding]:
    """What is found of the one that takes writes."""
    for host in hosts:
        if host.facts is None:
            continue
        if host.facts["is_standby"]:
            yield good(_PART, f"{host.name}: PostgreSQL {host.facts['version']}, a standby")
            continue
        found = [finding for look in _LOOKS for finding in look(host)]
        found += _nodes(host, node, is_running=is_running)
        if all(finding.ok for finding in found):
            yield good(_PART, f"{host.name}: PostgreSQL {host.facts['version']}, {_tables(host)}")
        yield from found


def _tables(host: Host) -> str:
    if not host.facts["has_tables"]:
        return "relay will make its tables at the first start"
    living = host.facts["living"]
    lives = f"nodes that live: {', '.join(living)}" if living else "no node lives"
    is_old = host.facts["revision"] != newest()
    return f"tables of an older relay, which are brought up to date at the next start; {lives}" if is_old else lives


def _version(host: Host) -> Iterator[Finding]:
    if int(host.facts["number"]) < OLDEST * 10_000:
        what = f"PostgreSQL {host.facts['version']} is too old"
        yield wrong(_PART, what, "relay does not start with it", f"install PostgreSQL {OLDEST} or newer")


def _encoding(host: Host) -> Iterator[Finding]:
    if host.facts["encoding"] != "UTF8":
        what = f"the database has the encoding {host.facts['encoding']}"
        yield wrong(_PART, what, "it cannot keep every text", "create one with ENCODING 'UTF8' TEMPLATE template0")


def _rights(host: Host) -> Iterator[Finding]:
    if not host.facts["may_create"]:
        what = "relay's user may not make tables in the database"
        cure = "make it the owner: ALTER DATABASE … OWNER TO … and GRANT CREATE ON SCHEMA public TO …"
        yield wrong(_PART, what, "relay makes its tables itself, and changes them when it is updated", cure)
    if host.facts["foreign"]:
        what = f"tables belong to another user: {', '.join(host.facts['foreign'])}"
        cure = "ALTER TABLE … OWNER TO relay's user for each, or REASSIGN OWNED BY … TO …"
        yield wrong(_PART, what, "relay could not change them when it is updated", cure)


def _promises(host: Host) -> Iterator[Finding]:
    for name in ("fsync", "full_page_writes"):
        if host.facts[name] == "off":
            yield wrong(
                _PART, f"PostgreSQL runs with {name} = off", _SYNC, f"set {name} = on in postgresql.conf, and reload"
            )
    if host.facts["synchronous_commit"] == "off":
        what = "PostgreSQL runs with synchronous_commit = off: relay turns it on for its own transactions"
        yield hint(_PART, what, "nothing has to be done; a pooler must let relay set it")
    if host.facts["synchronous_commit"] == "local" and host.facts["standbys"]:
        what = "PostgreSQL has synchronous standbys, and synchronous_commit = local does not wait for them"
        why = "what was accepted last may be gone after a fail-over"
        yield wrong(_PART, what, why, "set synchronous_commit = on for relay's user")


def _time(host: Host) -> Iterator[Finding]:
    if abs(host.ahead) > _APART:
        where = "ahead of" if host.ahead > timedelta() else "behind"
        what = f"this machine's clock is {abs(host.ahead).total_seconds():.0f} s {where} the database's"
        why = "texts would be sent too early or too late, and times in events would not fit"
        yield wrong(_PART, what, why, "let both keep their time by NTP: timedatectl set-ntp true")


def _room(host: Host) -> Iterator[Finding]:
    free = host.facts["free"]
    if free < _NEEDED:
        what = f"PostgreSQL has {max(free, 0)} connections to spare"
        cure = "raise max_connections, or end what uses them: SELECT * FROM pg_stat_activity"
        yield wrong(_PART, what, f"relay uses up to {_NEEDED // 2} on each node, and stands still without", cure)


def _pooler(host: Host) -> Iterator[Finding]:
    if host.is_pooled:
        what = "a pooler stands between: nodes find each other's work by looking, up to a second later"
        yield hint(_PART, what, "name PostgreSQL itself in journal.url, unless connections are scarce")


def _newer(host: Host) -> Iterator[Finding]:
    revision = host.facts.get("revision")
    if host.facts["has_tables"] and not is_known(revision):
        what = f"the journal has tables that this relay does not know (revision {revision})"
        yield wrong(_PART, what, "relay does not start with them", "install the newer relay here as well")


def _nodes(host: Host, node: str, *, is_running: bool) -> Iterator[Finding]:
    if node in host.facts.get("living", ()) and not is_running:
        what = f"a node with the name {node} lives, and it is not on this machine"
        why = "two nodes of one name put each other out of work"
        yield wrong(
            _PART, what, why, "give this one a name of its own: node.name (if it was just killed, wait for 10 s)"
        )


def _unusable(said: str) -> Finding:
    what, _, cure = said.rpartition(": ")
    return wrong(_PART, what or said, _WHY, cure or "see PostgreSQL's log")


_LOOKS: Sequence[Callable[[Host], Iterator[Finding]]] = (
    _version,
    _encoding,
    _rights,
    _newer,
    _promises,
    _time,
    _room,
    _pooler,
)

"""Where the journal is kept: the address of a file, or of a database in PostgreSQL, refused without being shown."""

import re
from urllib.parse import parse_qsl, unquote

_POSTGRESQL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^/?#@]*)@)?(?P<hosts>[^/?#@]*)/?(?P<name>[^?#@/]*)(?:\?(?P<more>.*))?"
)
_SCHEMES = ("postgresql:", "postgres:")
_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
# A standby takes no writes.
_WRITING = {"any", "read-write", "primary"}


def is_postgresql(url: str) -> bool:
    """Whether a journal's address names a database in PostgreSQL."""
    return url.startswith(_SCHEMES)


def journal_url(value: str) -> str:
    """`sqlite:////absolute/path`, or `postgresql://user@host/database`."""
    return _postgresql_url(value) if is_postgresql(value) else _sqlite_url(value)


def _sqlite_url(value: str) -> str:
    if not value.startswith("sqlite:"):
        raise ValueError(
            'must begin with "sqlite:////" and name a file, such as "sqlite:////var/lib/relay/relay.db", or with'
            ' "postgresql://", such as "postgresql://relay@db.example:5432/relay"'
        )
    if not value.startswith("sqlite:////") or value.endswith("/") or {"?", "#", "\0"} & set(value):
        raise ValueError(
            'must be "sqlite:///" and the absolute path of a file, such as "sqlite:////var/lib/relay/relay.db"'
        )
    return value


def _postgresql_url(value: str) -> str:
    """An address as libpq takes it, with what it may not hold and what relay needs looked at first."""
    found = _POSTGRESQL.fullmatch(value)
    if not found or not value.isprintable() or " " in value:
        raise ValueError(
            'must be an address such as "postgresql://relay@db.example:5432/relay"; what is special in a name is'
            " written as %40 for @, and so on"
        )
    options = dict(parse_qsl(found["more"] or "", keep_blank_values=True))
    if ":" in (found["user"] or "") or {"password", "sslpassword"} & options.keys():
        raise ValueError(
            "must hold no password: it is a setting of its own, password_file, or the credential journal.password"
        )
    if not (unquote(found["name"]) or options.get("dbname")):
        raise ValueError('must name a database, as "postgresql://relay@db.example:5432/relay" does')
    _refuse_unfit(options)
    _refuse_unread(value)
    return value


def _refuse_unfit(options: dict[str, str]) -> None:
    if options.get("sslmode", "prefer") not in _MODES:
        raise ValueError(f"must have an sslmode out of {', '.join(sorted(_MODES))}")
    if options.get("target_session_attrs", "any") not in _WRITING:
        raise ValueError("must find a server that takes writes: target_session_attrs=read-write")


def _refuse_unread(value: str) -> None:
    """What the driver's own parser does not take: a misspelt option, say. Without the driver it is told at a start."""
    try:
        import psycopg  # noqa: PLC0415 - it is an extra, and takes longer to load than all settings
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - as above
    except ImportError:  # pragma: no cover - the extra is installed wherever tests run
        return
    try:
        conninfo_to_dict(value)
    except psycopg.Error:
        raise ValueError(
            "must have only options that PostgreSQL knows, such as ?sslmode=verify-full&target_session_attrs=read-write"
        ) from None

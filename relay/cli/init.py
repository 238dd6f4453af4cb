"""relay init: asks what relay needs, tries each answer, and writes settings that work."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption

EXAMPLE = """\b
Example: relay init
Without a question:
  relay init --yes --broker mqtts://broker.example --broker-password-file mqtt-password --kind att-sms \\
    --alias alerts --short-code 12345 --app-key KEY --app-secret-file app-secret

It needs no running relay and sends no text. Everything is written at the end, or nothing: Ctrl-C leaves nothing behind,
and no file that is there is touched without --force. Secrets never stand in an argument: their flags name files (- is
a line of standard input), or they come as RELAY_BUS__PASSWORD, RELAY_LINES__ALERTS__APP_SECRET and the like.
Exit code 0: written; 1: an answer failed its try, or a file is there; 2: an answer is missing or malformed.
"""

_WHERE = "Where to write; /etc/relay for root, else ~/.config/relay."
_LOGIN = "The file with the password of an account with a user name (--set username=NAME)."
_MORE = "Another setting of the line, such as receipts=off; repeatable."


def _answer(flag: str, about: str) -> str | None:
    """An option that answers a question."""
    option: str | None = typer.Option(None, flag, help=about, show_default=False)
    return option


def init(
    *,
    directory: Path | None = typer.Option(None, "--directory", help=_WHERE, show_default=False),
    broker: str | None = _answer("--broker", "The broker: mqtt://host, or mqtts://host for TLS."),
    broker_user: str | None = _answer("--broker-user", "relay's user there, or none. Default: relay."),
    broker_password_file: str | None = _answer("--broker-password-file", "The file with its password."),
    broker_ca: str | None = _answer("--broker-ca", "The file with the authority to trust, where it is your own."),
    kind: str | None = _answer("--kind", "The line's kind: att-sms, att-landline or att-inapp."),
    alias: str | None = _answer("--alias", "The line's name in topics."),
    number: str | None = _answer("--number", "The line's phone number."),
    short_code: str | None = _answer("--short-code", "The line's short code."),
    registration_id: str | None = _answer("--registration-id", "As on the account's page. Default: the short code."),
    app_key: str | None = _answer("--app-key", "The App Key."),
    app_secret_file: str | None = _answer("--app-secret-file", "The file with the App Secret."),
    session_file: str | None = _answer("--session-file", "The file with the session key of Landline Texting."),
    password_file: str | None = _answer("--password-file", _LOGIN),
    receive: str | None = _answer("--receive", "How texts come in: poll, callback (a web hook) or off. Default: poll."),
    public_url: str | None = _answer("--public-url", "How AT&T reaches relay's web hooks, or none."),
    base_url: str | None = _answer("--base-url", "Where the line is called: a simulator, for labs."),
    more: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help=_MORE, show_default=False),
    systemd: bool = typer.Option(False, "--systemd", help="Let systemd hand relay its secrets (LoadCredential)."),
    add_line: bool = typer.Option(False, "--add-line", help="Add a line to the settings that are there."),
    yes: bool = typer.Option(False, "--yes", "--non-interactive", "-y", help="Ask nothing: flags answer."),
    offline: bool = typer.Option(False, "--offline", help="Try no answer: call nobody."),
    keep: bool = typer.Option(False, "--keep", help="Write answers that fail their try as well."),
    force: bool = typer.Option(False, "--force", help="Write over files that are there."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the files without secrets, and write nothing."),
    as_json: bool = JsonOption,
) -> None:
    """Make a configuration: ask for all it needs, and try it."""
    options = locals()
    from relay.cli.initializing import Asked, set_up  # noqa: PLC0415 - takes a second, and no other command needs it

    set_up(Asked.of(options))

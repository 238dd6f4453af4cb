"""Every command as its user meets it, without a daemon."""

import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from relay import __version__
from relay.cli.main import app

COMMANDS = [
    *("init", "run", "check", "reload", "status", "send", "tail", "trace", "explain", "schema", "demo", "simulate"),
    *("replay", "backup", "restore", "export", "import", "migrate", "forget", "queue", "queue list"),
    *("queue show", "queue hold", "queue release", "queue retry", "queue cancel", "queue resolve"),
    *("webhooks", "webhooks list", "webhooks install", "webhooks repair", "webhooks remove"),
    *("auth", "auth login", "auth status", "auth revoke"),
    *("optout", "optout list", "optout add", "optout remove", "optout import", "optout export"),
    *("dead", "dead list", "dead show", "dead replay", "dead discard"),
]
CORPUS = Path(__file__).parents[2] / "bad_configs"


def relay(*words: str, stdin: str | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(words), input=stdin)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str):
    """Whoever is in doubt copies a line that works."""
    told = relay(*command.split(), "--help")

    assert told.exit_code == 0
    assert re.search(rf"Example: (echo .* \| )?relay {command}", told.output)


def test_every_command_is_listed_with_a_whole_sentence():
    """No line of the overview is cut off."""
    told = relay("--help").output.partition("Commands:")[2]

    assert all(f"\n  {command} " in told for command in COMMANDS if " " not in command)
    assert "..." not in told


def test_the_version_is_told():
    """`--version` needs no settings."""
    told = relay("--version")
    assert (told.exit_code, told.output) == (0, f"relay {__version__}\n")


WRONG = [
    *([], ["nosuch"], ["run", "--nosuch"], ["send"], ["simulate", "--shape", "x"]),
    *(
        ["webhooks"],
        ["webhooks", "install"],
        ["auth", "login"],
        ["auth", "revoke"],
        ["dead", "show"],
        ["dead", "nosuch"],
        ["optout"],
        ["optout", "nosuch"],
        ["optout", "list", "+12065550101"],
    ),
    *(["queue", verb] for verb in ("show", "hold", "release", "retry", "cancel")),
    *(["queue", "list", *wrong] for wrong in (("--status", "sent"), ("--uncertain", "--status", "queued"))),
    ["queue", "list", "--limit", "10001"],
    ["queue", "cancel", "--line", "alerts"],
    *(["auth", "login", "desk", "--timeout", wrong] for wrong in ("soon", "0s", "25h")),
]


@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage_ends_with_2(words: list[str]):
    """The shell can tell a misspelt command from one that failed."""
    assert relay(*words).exit_code == 2


@pytest.mark.parametrize("listen", ["here", "127.0.0.1", "127.0.0.1:port"])
def test_an_address_that_is_none_is_wrong_usage(listen: str):
    """The message says what would be right."""
    told = relay("simulate", "--listen", listen)
    assert told.exit_code == 2
    assert "must be an address and a port" in told.output


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("name", sorted(file.stem for file in CORPUS.glob("*.toml")))
def test_bad_settings_end_with_78_and_without_a_traceback(command: str, name: str):
    """For systemd this code means that a second start would be no use."""
    told = relay(command, "--config", str(CORPUS / f"{name}.toml"))

    assert told.exit_code == 78
    assert name in told.output
    assert "Traceback" not in told.output
    assert "MARKED-SECRET" not in told.output


def test_check_tells_bad_settings_as_json_too():
    """A program can read each finding."""
    told = relay("check", "--json", "--config", str(CORPUS / "out_of_bounds.toml"))
    assert all(line.startswith('{"part":"settings","ok":false,') for line in told.output.splitlines())


ASKING = [
    *(
        ["status"],
        ["tail"],
        ["trace", "some/id"],
        ["queue", "list"],
        ["webhooks", "list"],
        ["webhooks", "install", "x"],
    ),
    *(["queue", "show", "some/id"], ["queue", "hold", "some/id"], ["queue", "release", "--line", "x"]),
    *(["queue", "retry", "x", "y"], ["queue", "cancel", "--line", "x", "--yes"]),
    *(["auth", "login", "desk"], ["auth", "status"], ["auth", "revoke", "desk"]),
    *(["dead", "list"], ["dead", "show", "some/id"], ["dead", "replay", "x"], ["dead", "discard", "x"]),
]


@pytest.mark.parametrize("words", ASKING)
def test_without_a_daemon_a_sentence_says_so(words: list[str], tmp_path: Path):
    """It names the socket, and what to do."""
    told = relay(*words, "--socket", str(tmp_path / "relay.sock"))

    assert told.exit_code == 1
    assert told.output.startswith(f"no relay is running behind {tmp_path}/relay.sock: start it")


@pytest.mark.parametrize("stdin", ["", "[]", '"text"', '{"to": ', '{"to": "\\ud800"}'])
def test_send_wants_an_object_on_standard_input(stdin: str, tmp_path: Path):
    """What is no JSON object is refused before anybody is asked, and is not repeated."""
    told = relay("send", "alerts", "--socket", str(tmp_path / "relay.sock"), stdin=stdin)

    assert told.exit_code == 1
    assert told.output.startswith("standard input must be one JSON object")

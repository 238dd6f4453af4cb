"""`relay init` without a question: flags answer, and every way to fail says what to do."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.providers import discover
from relay.settings import load_settings

MODELS = {name: provider.settings for name, provider in discover().items()}
SMS = {"--kind": "att-sms", "--alias": "alerts", "--short-code": "12345", "--app-key": "key"}
SECRET = "marked-app-secret"
PASSWORD = "marked-bus-secret"


class Init:
    """The command, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = folder / "made"
        self.app_secret = self.secret("app", SECRET)
        self.password = self.secret("bus", PASSWORD)

    def secret(self, name: str, text: str) -> Path:
        """A file with a secret."""
        path = self.folder / name
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        return path

    def flags(self) -> dict[str, Any]:
        """Answers that are right."""
        secrets = {"--broker-password-file": self.password, "--app-secret-file": self.app_secret}
        return {"--broker": "mqtt://127.0.0.1:1", **SMS, **secrets}

    def run(self, *words: str, flags: dict[str, Any] | None = None, **given: Any) -> Result:
        """What comes of it; nobody is called."""
        answers = self.flags() if flags is None else flags
        pairs = [str(word) for flag in answers.items() for word in flag]
        base = ["init", "--yes", "--directory", str(self.made)]
        return CliRunner().invoke(app, [*base, *pairs, *(words or ["--offline"])], **given)


@pytest.fixture
def init(tmp_path: Path) -> Init:
    """The command, in an empty folder."""
    return Init(tmp_path)


@pytest.mark.parametrize(
    "missing", ["--broker", "--broker-password-file", "--kind", "--short-code", "--app-key", "--app-secret-file"]
)
def test_a_missing_answer_is_named_by_its_flag(init: Init, missing: str) -> None:
    """Nothing is asked, and nothing is written."""
    done = init.run(flags={flag: value for flag, value in init.flags().items() if flag != missing})
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{missing} is missing: ")
    assert not init.made.exists()


@pytest.mark.parametrize(
    ("flag", "answer", "said"),
    [
        ("--broker", "http://127.0.0.1", "must be an address such as"),
        ("--kind", "att", "must be one of: att-inapp, att-landline, att-sms"),
        ("--alias", "Alerts", "is no name for a line"),
        ("--alias", "2065550100", "no phone number"),
        ("--short-code", "12", "3 to 8 digits"),
        ("--app-key", "a\x7fkey", "must be one line of printable text"),
        ("--app-key", "\udcff", "must be one line of printable text"),
        ("--receive", "push", "must be 'poll', 'callback' or 'off'"),
        ("--set", "recieve=off", 'did you mean "receive"'),
        ("--set", "app_secret=x", "is a secret: use --app-secret-file"),
        ("--set", "receipts", "write it as KEY=VALUE"),
        ("--app-secret-file", "/nowhere", "names a file that is not there"),
    ],
)
def test_a_wrong_answer_is_told_with_what_would_be_right(init: Init, flag: str, answer: str, said: str) -> None:
    """In the settings' own words; the exit code is that of wrong usage."""
    done = init.run(flags={**init.flags(), flag: answer})
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not init.made.exists()


def test_a_web_hook_needs_an_address_that_att_reaches(init: Init) -> None:
    """It is asked for where a line is called back, and has to be https."""
    hooked = {**init.flags(), "--receive": "callback"}
    assert init.run(flags=hooked).stderr.startswith("--public-url is missing")
    assert "must be https" in init.run(flags={**hooked, "--public-url": "http://sms.example"}).stderr
    assert init.run(flags={**hooked, "--public-url": "https://sms.example"}).exit_code == 0
    text = (init.made / "relay.toml").read_text()
    assert 'receive = "callback"' in text
    assert 'public_url = ["https://sms.example"]' in text


def test_an_answer_that_fails_its_try_is_not_written_unless_it_is_kept(init: Init) -> None:
    """Nobody listens there: the finding is told, and --keep writes all the same."""
    done = init.run("--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "!!  127.0.0.1:1 cannot be reached" in done.stderr
    assert "Nothing was written." in done.stderr
    assert not init.made.exists()
    nowhere = {**init.flags(), "--base-url": "http://127.0.0.1:1"}
    kept = init.run("--keep", "--json", flags=nowhere)
    assert kept.exit_code == 0, kept.stderr
    assert [finding["part"] for finding in json.loads(kept.stdout)["tried"]] == ["broker", "alerts"]
    assert (init.made / "relay.toml").exists()


def test_what_is_there_is_never_overwritten_without_being_told(init: Init) -> None:
    """It says which file, and how to add a line; --force begins anew."""
    assert init.run().exit_code == 0
    before = (init.made / "relay.toml").read_text()
    again = init.run(flags={**init.flags(), "--short-code": "54321"})
    assert again.exit_code == 1
    assert f"There is already: {init.made}/relay.toml" in again.stderr
    assert "--add-line" in again.stderr
    assert (init.made / "relay.toml").read_text() == before
    (init.made / "relay.toml").unlink()
    assert "secrets/bus.password" in init.run().stderr
    assert init.run("--offline", "--force").exit_code == 0


def test_a_dry_run_shows_everything_but_secrets(init: Init) -> None:
    """On standard output, with nothing written; a password's hash is a secret, too."""
    done = init.run("--offline", "--dry-run", "--systemd")
    assert done.exit_code == 0
    assert f"LoadCredential=bus.password:{init.made}/secrets/bus.password" in done.stdout
    assert '# password comes as the systemd credential "bus.password"' in done.stdout
    assert "user relay\ntopic read relay/line/+/send/#" in done.stdout
    assert done.stdout.count("(left out: it is secret)") == 3
    assert not [secret for secret in (SECRET, PASSWORD, "$7$") if secret in done.output]
    assert not init.made.exists()


def test_programs_are_told_what_was_made(init: Init) -> None:
    """One JSON object: the files with their rights, and the commands to try."""
    body = json.loads(init.run("--offline", "--json").stdout)
    modes = {Path(file["path"]).name: file["mode"] for file in body["files"]}
    assert modes["relay.toml"] == "0644"
    assert modes["lines.alerts.app_secret"] == modes["relay.passwd"] == "0600"
    assert body["try"][0] == f"relay check --config {init.made}/relay.toml"
    assert not [secret for secret in (SECRET, PASSWORD) if secret in json.dumps(body)]


def test_secrets_may_come_from_the_environment_and_from_standard_input(init: Init) -> None:
    """Under the names that the settings give them."""
    flags = {**init.flags(), "--broker-password-file": "-"}
    del flags["--app-secret-file"]
    done = init.run(flags=flags, input="piped-bus-secret\n", env={"RELAY_LINES__ALERTS__APP_SECRET": "from-outside"})
    assert done.exit_code == 0, done.stderr
    assert (init.made / "secrets/bus.password").read_text() == "piped-bus-secret\n"
    assert (init.made / "secrets/lines.alerts.app_secret").read_text() == "from-outside\n"


def test_a_line_can_be_added_to_settings_that_are_there(init: Init) -> None:
    """Its table, its secret, the public address; what is there keeps its comments."""
    assert init.run().exit_code == 0
    before = (init.made / "relay.toml").read_text()
    session = init.secret("session", "00000000-0000-0000-0000-000000000000:1")
    more = {"--kind": "att-landline", "--alias": "office", "--number": "2065550100", "--session-file": session}
    more["--public-url"] = "https://sms.example"
    assert init.run("--offline", "--add-line", flags={**more, "--alias": "alerts"}).exit_code == 2
    done = init.run("--offline", "--add-line", flags=more)
    assert done.exit_code == 0, done.stderr
    settings = load_settings(path=init.made / "relay.toml", environment={}, line_models=MODELS)
    assert list(settings.lines) == ["alerts", "office"]
    assert settings.webhooks.public_url == ("https://sms.example",)
    assert set(before.splitlines()) - set((init.made / "relay.toml").read_text().splitlines()) == {"# public_url = []"}


def test_a_line_that_is_added_is_handed_its_secret_by_systemd_as_well(init: Init) -> None:
    """Where the settings that are there were made so."""
    assert init.run("--offline", "--systemd").exit_code == 0
    flags = {"--kind": "att-inapp", "--alias": "desk", "--number": "2065550111", "--app-key": "key"}
    flags |= {"--app-secret-file": str(init.app_secret), "--public-url": "https://sms.example"}
    done = init.run("--offline", "--add-line", flags=flags)
    assert done.exit_code == 0, done.stderr
    assert "relay auth login desk" in done.stdout
    assert "LoadCredential=lines.desk.app_secret:" in (init.made / "systemd/secrets.conf").read_text()
    assert "app_secret_file" not in (init.made / "relay.toml").read_text()
    credentials = {"CREDENTIALS_DIRECTORY": str(init.made / "secrets")}
    loaded = load_settings(path=init.made / "relay.toml", environment=credentials, line_models=MODELS)
    assert list(loaded.lines) == ["alerts", "desk"]


def test_an_authority_is_wanted_where_tls_is_spoken_only(init: Init) -> None:
    """Its file is named as the settings need it, wherever they stand."""
    secure = {**init.flags(), "--broker": "mqtts://broker.example", "--broker-ca": "ca.pem"}
    assert init.run(flags=secure).stderr.startswith("--broker-ca: names a file that is not there")
    (init.folder / "ca.pem").write_text("as if")
    secure["--broker-ca"] = str(init.folder / "ca.pem")
    assert init.run(flags=secure).exit_code == 0
    assert f'ca_file = "{init.folder}/ca.pem"' in (init.made / "relay.toml").read_text()


@pytest.mark.parametrize(
    ("flag", "answer"),
    [("--public-url", "https://sms.example"), ("--number", "2065550100"), ("--session-file", "/nowhere"),
     ("--broker-ca", "/nowhere")],
)  # fmt: skip
def test_a_flag_that_answers_nothing_is_told(init: Init, flag: str, answer: str) -> None:
    """An SMS line that is polled has no use for them: what was said is not dropped in silence."""
    done = init.run(flags={**init.flags(), flag: answer})
    assert (done.exit_code, done.stderr) == (2, f"{flag}: nothing here asks for that; leave it out\n")
    assert not init.made.exists()


def test_a_password_and_nobody_whose_it_is_contradict_each_other(init: Init) -> None:
    """The broker asks for no name, and a password was named."""
    done = init.run(flags={**init.flags(), "--broker-user": "none"})
    assert (done.exit_code, done.stderr.partition(":")[0]) == (2, "--broker-password-file")


def test_a_broker_user_fits_into_mosquittos_password_file(init: Init) -> None:
    """A name ends there at a colon: relay would never be let in."""
    done = init.run(flags={**init.flags(), "--broker-user": "relay:1"})
    assert (done.exit_code, done.stderr.startswith("--broker-user: must have no colon")) == (2, True)


def test_commands_to_type_are_right_for_a_shell_wherever_the_folder_is(init: Init) -> None:
    """A space or a dollar in its name does not make another command of them."""
    init.made = init.folder / "my $(relay)'s"
    done = init.run()
    typed = [line for line in done.stdout.splitlines() if line.startswith("  ") and " --config " in line]
    typed += [line for line in done.stdout.splitlines() if line.startswith("  mosquitto -c ")]
    assert [shlex.split(line)[-1] for line in typed] == [
        *[str(init.made / "relay.toml")] * 2,
        str(init.made / "mosquitto/mosquitto.conf"),
    ]


@pytest.mark.parametrize("name", ["a\nallow_anonymous true", "\udcff"])
def test_a_folder_has_a_name_that_every_program_can_read(init: Init, name: str) -> None:
    """It stands in mosquitto's configuration: another line there, or what is no text, is refused."""
    init.made = init.folder / name
    done = init.run()
    assert (done.exit_code, "--directory" in done.stderr) == (2, True)
    assert not init.made.exists()


@pytest.mark.parametrize("text", ["[bus", "\u00ff" * 3, f"a = {'[' * 3000}"])
def test_settings_that_cannot_be_read_are_not_taken_for_missing(init: Init, text: str) -> None:
    """Whoever adds a line to them is told what finds the mistake, and not to make them anew."""
    assert init.run().exit_code == 0
    (init.made / "relay.toml").write_text(text, encoding="latin-1")
    done = init.run("--offline", "--add-line")
    assert (done.exit_code, "relay check --offline --config" in done.stderr) == (1, True)
    assert "without --add-line" not in done.stderr


def test_a_line_cannot_be_added_to_nothing(init: Init) -> None:
    """The folder is named."""
    done = init.run("--offline", "--add-line")
    assert (done.exit_code, str(init.made) in done.stderr) == (1, True)

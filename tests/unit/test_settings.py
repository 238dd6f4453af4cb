"""Where settings come from, which of them goes first, and what is refused."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field, SecretStr

from relay.providerkit.duration import Duration
from relay.providerkit.spec import LineSettings
from relay.rules.line import Scope
from relay.settings import BadSettings, Endpoint, SettingProblem, Settings, load_settings
from relay.settings.types import node_name_of

Load = Callable[..., Settings]

MINIMAL = """
[bus]
url = "mqtt://127.0.0.1:1883"

[lines.front-desk]
provider = "pigeon"
"""


class Pigeon(LineSettings):
    """A provider that no folder has."""

    base_url: str = "https://pigeon.example"
    loft_key: SecretStr = SecretStr("none")
    events: tuple[str, ...] = ()
    every: Duration = Field(60.0, ge=1)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a settings text."""

    def load_text(
        text: str = MINIMAL, environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Settings:
        file = tmp_path / "relay.toml"
        file.write_text(text)
        return load_settings(
            path=file, environment=environment or {}, line_models={"pigeon": Pigeon}, overrides=overrides
        )

    return load_text


def refused(load: Callable[[], object]) -> list[SettingProblem]:
    """The problems that a load is refused with."""
    with pytest.raises(BadSettings) as refusal:
        load()
    return refusal.value.problems


def secret_file(folder: Path, content: str = "from-a-file\n", mode: int = 0o600) -> Path:
    """A file that holds a secret."""
    file = folder / "secret"
    file.write_text(content)
    file.chmod(mode)
    return file


def pigeon(settings: Settings) -> Pigeon:
    """The one line that the tests set up."""
    line = settings.lines["front-desk"]
    assert isinstance(line, Pigeon)
    return line


def test_a_minimal_file_gets_the_contracts_defaults(load: Load) -> None:
    """Two tables are enough."""
    settings = load()
    assert (settings.bus.host, settings.bus.port, settings.bus.tls) == ("127.0.0.1", 1883, False)
    assert (settings.bus.base, settings.bus.response_topics, settings.bus.protocol) == ("relay", "reply/#", "auto")
    assert (settings.bus.max_command_bytes, settings.bus.max_recipients) == (2 * 1024 * 1024, 10_000)
    assert settings.node.grace == 20
    assert settings.journal.path == Path("/var/lib/relay/relay.db")
    assert settings.admin.socket == Path("/run/relay/relay.sock")
    assert settings.webhooks.listen == Endpoint("127.0.0.1", 8080)
    assert settings.lab is None


def test_systemds_folders_hold_the_journal_and_the_socket(load: Load) -> None:
    """STATE_DIRECTORY and RUNTIME_DIRECTORY are where a service may write; the first of several counts."""
    settings = load(environment={"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "RUNTIME_DIRECTORY": "/run/a"})
    assert settings.journal.path == Path("/var/lib/a/relay.db")
    assert settings.journal.spool == Path("/var/lib/a/spool.db")
    assert settings.admin.socket == Path("/run/a/relay.sock")


def test_flags_go_before_environment_before_credentials_before_the_file(load: Load, tmp_path: Path) -> None:
    """Each source is overridden by the next, key by key and not table by table."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("node.name", "bus.username", "log.level"):
        (folder / name).write_text("debug" if name == "log.level" else "credential\n")
    settings = load(
        MINIMAL.replace(
            "[bus]", '[node]\nname = "file"\n[log]\nlevel = "error"\nformat = "json"\n[bus]\nusername = "file"'
        ),
        {"CREDENTIALS_DIRECTORY": str(folder), "RELAY_NODE__NAME": "environment", "RELAY_BUS__USERNAME": "environment"},
        {"node": {"name": "flag"}},
    )
    assert (settings.node.name, settings.bus.username) == ("flag", "environment")
    assert (settings.log.level, settings.log.format) == ("debug", "json")


def test_a_line_is_named_in_the_environment_with_an_underscore_for_its_dash(load: Load) -> None:
    """Variables cannot have a dash; an alias cannot have an underscore."""
    settings = load(environment={"RELAY_LINES__FRONT_DESK__WINDOW": "3", "RELAY_LINES__FRONT_DESK__EVERY": "90"})
    assert (settings.lines["front-desk"].window, pigeon(settings).every) == (3, 90)


def test_a_line_may_come_from_the_environment_alone() -> None:
    """A container needs no file."""
    environment = {"RELAY_BUS__URL": "mqtts://broker.example", "RELAY_LINES__FRONT_DESK__PROVIDER": "pigeon"}
    settings = load_settings(path=None, environment=environment, line_models={"pigeon": Pigeon})
    assert (settings.bus.port, settings.bus.tls, list(settings.lines)) == (8883, True, ["front-desk"])


def test_lists_are_separated_by_commas_in_the_environment(load: Load) -> None:
    """The environment has no arrays."""
    settings = load(environment={"RELAY_LINES__FRONT_DESK__EVENTS": "read, delete"})
    assert pigeon(settings).events == ("read", "delete")


def test_public_url_may_name_several_hosts_and_loses_its_last_slash(load: Load) -> None:
    """As an array, or separated by commas."""
    several = '[webhooks]\npublic_url = "https://a.example/, http://127.0.0.1:8080"\n'
    assert load(several + MINIMAL).webhooks.public_url == ("https://a.example", "http://127.0.0.1:8080")


@pytest.mark.parametrize("source", ["file", "credential", "environment", "environment file", "flags"])
def test_a_secret_comes_from_any_place_but_the_settings_file(source: str, load: Load, tmp_path: Path) -> None:
    """Its line's end does not belong to it."""
    file = secret_file(tmp_path, "the-secret\n")
    file.rename(tmp_path / "lines.front-desk.loft_key")
    file = tmp_path / "lines.front-desk.loft_key"
    text, environment, flags = MINIMAL, {}, {}
    match source:
        case "file":
            text += f'loft_key_file = "{file.name}"\n'
        case "credential":
            environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        case "environment":
            environment = {"RELAY_LINES__FRONT_DESK__LOFT_KEY": "the-secret"}
        case "environment file":
            environment = {"RELAY_LINES__FRONT_DESK__LOFT_KEY_FILE": str(file)}
        case "flags":
            flags = {"lines": {"front-desk": {"loft_key": "the-secret"}}}
    assert pigeon(load(text, environment, flags)).loft_key.get_secret_value() == "the-secret"


def test_an_overridden_secrets_file_is_not_read(load: Load) -> None:
    """A credential takes the place of a file that is not there on this machine."""
    text = MINIMAL + 'loft_key_file = "/no/such/file"\n'
    settings = load(text, {"RELAY_LINES__FRONT_DESK__LOFT_KEY": "given"})
    assert pigeon(settings).loft_key.get_secret_value() == "given"


def test_a_secret_file_that_everyone_may_read_is_refused_with_the_command_to_run(load: Load, tmp_path: Path) -> None:
    """It may have been read already; the person who mends it should know."""
    file = secret_file(tmp_path, mode=0o644)
    [problem] = refused(lambda: load(MINIMAL + 'loft_key_file = "secret"\n'))
    assert problem.where == f"{tmp_path / 'relay.toml'}:7"
    assert problem.key == "lines.front-desk.loft_key_file"
    assert problem.cure == f"run: chmod o-rwx {file}"


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n", "with\0nothing", "x" * 70_000])
def test_a_secret_is_one_line_of_text(content: str, load: Load, tmp_path: Path) -> None:
    """What could not be a secret is a mistake, and would break headers."""
    secret_file(tmp_path, content)
    [problem] = refused(lambda: load(MINIMAL + 'loft_key_file = "secret"\n'))
    assert problem.what.startswith("names a file that")


def test_a_secret_is_given_once(load: Load, tmp_path: Path) -> None:
    """Which of two would hold is nobody's guess."""
    names = ("RELAY_LINES__FRONT_DESK__LOFT_KEY", "RELAY_LINES__FRONT_DESK__LOFT_KEY_FILE")
    given = dict(zip(names, ("a", str(secret_file(tmp_path))), strict=True))
    [problem] = refused(lambda: load(MINIMAL, given))
    assert "given twice" in problem.what


def test_no_secret_is_shown_by_settings_or_their_refusal(load: Load) -> None:
    """Neither repr nor an error's text has it."""
    secret = {"RELAY_LINES__FRONT_DESK__LOFT_KEY": "MARKED-SECRET", "RELAY_LINES__FRONT_DESK__WEBHOOK_SECRET": "MARKED"}
    assert "MARKED" not in repr(load(environment={"RELAY_LINES__FRONT_DESK__LOFT_KEY": "MARKED-SECRET"}))
    with pytest.raises(BadSettings) as refusal:
        load(environment=secret)
    assert "MARKED" not in f"{refusal.value} {refusal.value.problems!r}"
    assert refusal.value.problems[0].key == "RELAY_LINES__FRONT_DESK__WEBHOOK_SECRET"


@pytest.mark.parametrize(
    ("variable", "right"),
    [
        ("RELAY_BUS_URL", "RELAY_BUS__URL"),
        ("RELAY_BSU__URL", "RELAY_BUS__URL"),
        ("RELAY_LOG__LEVLE", "RELAY_LOG__LEVEL"),
        ("RELAY_LINES__FRONT_DESK__LOFTKEY", "RELAY_LINES__FRONT_DESK__LOFT_KEY"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_right_one(variable: str, right: str, load: Load) -> None:
    """pydantic-settings would let it pass."""
    [problem] = refused(lambda: load(environment={variable: "x"}))
    assert (problem.where, problem.key) == ("environment", variable)
    assert problem.cure == f'did you mean "{right}"?'


def test_a_misspelt_credential_is_refused_and_another_programs_is_not(load: Load, tmp_path: Path) -> None:
    """Only names that begin as a table of ours are ours."""
    for name in ("bus.pasword", "other.program", "tls"):
        (tmp_path / name).write_text("x")
    [problem] = refused(lambda: load(environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}))
    assert (problem.where, problem.key, problem.cure) == ("credential", "bus.pasword", 'did you mean "bus.password"?')


def test_a_key_of_a_certificate_may_be_a_credential(load: Load, tmp_path: Path) -> None:
    """The setting is then the credential's own path, whoever else may read the folder."""
    (tmp_path / "bus.key_file").write_text("key")
    (tmp_path / "cert.pem").write_text("cert")
    text = MINIMAL.replace("mqtt:", "mqtts:").replace("[bus]", '[bus]\ncert_file = "cert.pem"')
    settings = load(text, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.bus.key_file == tmp_path / "bus.key_file"


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    """From the command line, and from RELAY_CONFIG."""
    missing = tmp_path / "no.toml"
    asked: list[tuple[Path | None, dict[str, str]]] = [(missing, {}), (None, {"RELAY_CONFIG": str(missing)})]
    for path, environment in asked:
        with pytest.raises(BadSettings) as refusal:
            load_settings(path=path, environment=environment, line_models={})
        [problem] = refusal.value.problems
        assert (problem.where, problem.what) == (str(missing), "there is no such settings file")


def test_without_any_settings_the_places_are_named_that_were_looked_at() -> None:
    """The first thing that a new user sees."""
    [problem] = refused(lambda: load_settings(path=None, environment={}, line_models={}))
    for place in ("--config", "$RELAY_CONFIG", "/etc/relay/relay.toml"):
        assert place in problem.what


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """It is told as such, and not as a traceback."""
    file = tmp_path / "relay.toml"
    file.write_bytes(b'[bus]\nurl = "\xff"\n')
    [problem] = refused(lambda: load_settings(path=file, environment={}, line_models={}))
    assert problem.what == "this is not UTF-8 text"


def test_all_problems_are_told_at_once_one_a_line(load: Load) -> None:
    """A person mends a file once, and not once a mistake."""
    with pytest.raises(BadSettings) as refusal:
        load(MINIMAL + "window = 0\ncolour = 1\n[log]\nlevel = 1\n", {"RELAY_NOD__NAME": "x"})
    assert len(str(refusal.value).splitlines()) == len(refusal.value.problems) == 4


def test_the_labs_clock_runs_only_where_every_line_is_on_loopback(load: Load) -> None:
    """Sixty times too fast is sixty times too many calls."""
    lab = "[lab]\nspeed = 60\nepoch = 2026-11-21T09:00:00Z\n"
    [problem] = refused(lambda: load(lab + MINIMAL))
    assert problem.key == "lab.speed"
    assert "front-desk" in problem.what
    settings = load(lab + MINIMAL + 'base_url = "http://localhost:1234"\n')
    assert settings.lab is not None
    assert (settings.lab.speed, settings.lab.epoch) == (60, datetime(2026, 11, 21, 9, tzinfo=UTC))


@pytest.mark.parametrize("address", ["[::1]:8080", "127.0.0.1:0", "localhost:65535"])
def test_an_address_to_listen_on_is_spoken_as_it_was_written(address: str, load: Load) -> None:
    """IPv6 needs its brackets."""
    assert str(load(environment={"RELAY_WEBHOOKS__LISTEN": address}).webhooks.listen) == address


@pytest.mark.parametrize("address", ["8080", ":8080", "::1:8080", "127.0.0.1:70000", "127.0.0.1:x", "[::1]", "a:٣"])
def test_an_address_to_listen_on_has_a_host_and_a_port(address: str, load: Load) -> None:
    """Nothing is guessed."""
    [problem] = refused(lambda: load(environment={"RELAY_WEBHOOKS__LISTEN": address}))
    assert problem.key == "RELAY_WEBHOOKS__LISTEN"


@pytest.mark.parametrize(
    "url", ["mqtt://", "mqtt://h:0", "mqtt://h:x", "mqtt://h:99999", "tcp://h", "mqtt://h/x", "mqtt://h?x", "mqtt://[x"]
)
def test_a_brokers_url_is_a_scheme_a_host_and_a_port(url: str, load: Load) -> None:
    """What relay would ignore is refused."""
    [problem] = refused(lambda: load(environment={"RELAY_BUS__URL": url}))
    assert problem.what.startswith("must")


@pytest.mark.parametrize(("text", "size"), [("64 kB", 64_000), ("64KiB", 65_536), ("5000", 5000), ("1 MB", 1_000_000)])
def test_a_size_has_a_unit_or_is_bytes(text: str, size: int, load: Load) -> None:
    """Thousands, and 1024s with an i."""
    assert load(environment={"RELAY_WEBHOOKS__MAX_BODY": text}).webhooks.max_body == size


@pytest.mark.parametrize("topics", ["", "reply/#", "reply/+/x", "site/reply"])
def test_response_topics_are_a_filter_below_a_name(topics: str, load: Load) -> None:
    """And nothing at all switches them off."""
    assert load(environment={"RELAY_BUS__RESPONSE_TOPICS": topics}).bus.response_topics == topics


@pytest.mark.parametrize("topics", ["#", "+/x", "$SYS/#", "/reply", "reply/#/x", "reply/a#", "reply/a+", "relay/#"])
def test_response_topics_cannot_reach_everything(topics: str, load: Load) -> None:
    """Nobody borrows relay's rights to publish elsewhere."""
    [problem] = refused(lambda: load(environment={"RELAY_BUS__RESPONSE_TOPICS": topics}))
    assert problem.key == "RELAY_BUS__RESPONSE_TOPICS"


def test_a_collector_is_a_base_url_that_holds_no_password(load: Load) -> None:
    """Plain http is for a collector on this machine, or in one's own network; none is the default."""
    assert load().telemetry.traces is None
    for url in ("http://127.0.0.1:4318", "https://otel.example/v1/traces", "http://collector:4318/"):
        assert load(MINIMAL + f'[telemetry]\ntraces = "{url}"\n').telemetry.traces == url
    for url in ("collector:4318", "grpc://collector:4317", "http://[::1", "http://u:marked-secret@collector:4318"):
        [problem] = refused(partial(load, MINIMAL + f'[telemetry]\ntraces = "{url}"\n'))
        assert problem.key == "telemetry.traces"
        assert "marked-secret" not in str(problem)


def test_traces_need_what_is_an_extra(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """`relay check` and a start say so, with the cure."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    [problem] = refused(lambda: load(MINIMAL + '[telemetry]\ntraces = "http://127.0.0.1:4318"\n'))
    assert (problem.key, problem.cure) == ("telemetry.traces", "install att-relay[otel]")
    assert load().telemetry.traces is None


def test_credentials_of_the_broker_belong_together(load: Load) -> None:
    """A password without a name, and a certificate without encryption, are mistakes."""
    [problem] = refused(lambda: load(environment={"RELAY_BUS__PASSWORD": "x"}))
    assert problem.what == "is given without a username"


def test_a_line_cannot_be_made_of_nothing_but_a_misspelt_table(load: Load) -> None:
    """A value where a table should be is told, wherever it comes from."""
    [problem] = refused(lambda: load(environment={"RELAY_BUS": "x"}))
    assert problem.what == "is a table of settings, and not a value"


def test_the_process_environment_is_not_read_behind_the_callers_back(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminals set LINES; pydantic-settings alone would take it for ours."""
    for name in ("LINES", "LOG", "BUS", "RELAY_BUS__URL"):
        monkeypatch.setenv(name, "40")
    assert list(load().lines) == ["front-desk"]


@pytest.mark.parametrize("name", ["12065550123", "-a", "A", "a_b", "", "a" * 33])
def test_a_node_is_named_so_that_it_can_stand_in_a_topic(name: str, load: Load) -> None:
    """No phone number ever appears in a topic."""
    [problem] = refused(lambda: load(environment={"RELAY_NODE__NAME": name}))
    assert problem.key == "RELAY_NODE__NAME"


@pytest.mark.parametrize(
    ("host", "name"),
    [("Relay-1.example.com", "relay-1"), ("my_host", "my-host"), ("___", "relay"), ("2065550123", "relay")],
)
def test_a_host_gives_the_node_a_valid_name(host: str, name: str) -> None:
    """Whatever the machine is called."""
    assert node_name_of(host) == name


def test_a_line_sends_as_it_likes_where_nothing_else_is_said(load: Load) -> None:
    """No hours, no limits, no replies, no company; opt-outs hold for all lines."""
    settings = load()
    line = settings.lines["front-desk"]
    limits = (line.calls_per_second, line.calls_per_day, line.calls_per_month)
    assert (line.hours, line.zone, line.group, limits, line.company) == (None, None, None, (None,) * 3, 0)
    assert (line.replies.given, settings.optout.scope, settings.queue.repeat_limit) == ({}, Scope.ALL, 10)


def test_the_rules_of_sending_may_come_from_the_environment(load: Load) -> None:
    """The replies' table is one level deeper than all others."""
    variables = {
        "HOURS": "mon-fri 08:00-21:00",
        "ZONE": "America/Denver",
        "GROUP": "shop",
        "URGENT_ANY_TIME": "true",
        "CALLS_PER_SECOND": "0.5",
        "CALLS_PER_DAY": "2000",
        "COMPANY": "2s",
        "REPLIES__STOP": "You are unsubscribed.",
    }
    environment = {f"RELAY_LINES__FRONT_DESK__{name}": value for name, value in variables.items()}
    settings = load(environment={**environment, "RELAY_OPTOUT__SCOPE": "group", "RELAY_QUEUE__REPEAT_LIMIT": "0"})
    line = settings.lines["front-desk"]
    assert (str(line.hours), line.zone, line.group) == ("mon-fri 08:00-21:00", ZoneInfo("America/Denver"), "shop")
    assert (line.calls_per_second, line.calls_per_day, line.company, line.urgent_any_time) == (0.5, 2000, 2, True)
    assert line.replies.given == {"stop": "You are unsubscribed."}
    assert (settings.optout.scope, settings.queue.repeat_limit) == (Scope.GROUP, 0)


def test_a_reply_of_the_environment_goes_before_the_files_and_leaves_its_others(load: Load) -> None:
    """Key by key, as everywhere."""
    text = MINIMAL + '[lines.front-desk.replies]\nstop = "file"\nhelp = "file"\n'
    settings = load(text, {"RELAY_LINES__FRONT_DESK__REPLIES__STOP": "environment"})
    assert settings.lines["front-desk"].replies.given == {"stop": "environment", "help": "file"}


def test_a_misspelt_reply_of_the_environment_is_refused_with_the_right_one(load: Load) -> None:
    """As any other variable."""
    [problem] = refused(lambda: load(environment={"RELAY_LINES__FRONT_DESK__REPLIES__STPO": "x"}))
    assert problem.cure == 'did you mean "RELAY_LINES__FRONT_DESK__REPLIES__STOP"?'


def test_no_reply_is_shown_by_the_settings(load: Load) -> None:
    """It is a text that is sent, and no text stands in a log."""
    shown = repr(load(environment={"RELAY_LINES__FRONT_DESK__REPLIES__STOP": "MARKED"}))
    assert "MARKED" not in shown

"""Every configuration and body in the documentation is taken by what it is for: relay, its schemas, a real server."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from relay.cli.findings import Finding
from relay.interface import schema, schema_names
from relay.settings import load_settings
from tests import databases
from tests.brokers import Certificates, Mosquitto, free_port
from tests.documents.pages import BLOCKS, Block, blocks
from tests.repo.sources import ROOT
from tests.repo.test_rules_pages import MODELS
from tests.systemd.test_units import analyze, installed

__all__ = ["installed"]

HERE, COMMANDS = "tests/documents/test_configurations.py", "tests/documents/test_commands.py"
# Each language of a block, and the test that takes such blocks.
HANDLED = {
    "sh": COMMANDS,
    "console": COMMANDS,
    "text": "tests/documents/test_outputs.py",
    "mermaid": "tests/repo/test_generated_pages.py",
    **dict.fromkeys(("toml", "json", "yaml", "ini", "env", "python", "sql", "postgresql", "pg_hba"), HERE),
    **dict.fromkeys(("mosquitto", "mosquitto-acl", "haproxy", "nginx"), HERE),
}
SECRETS = {f"RELAY_LINES__{name}": "s" for name in ("ALERTS__APP_SECRET", "OFFICE__SESSION", "DESK__APP_SECRET")}
SELDOM = {"$schema", "$id", "$defs", "required"}


def each(*languages: str) -> pytest.MarkDecorator:
    """A test for each block of these languages."""
    return pytest.mark.parametrize("block", blocks(*languages), ids=lambda block: block.place)


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_no_block_is_without_its_test(page: str) -> None:
    """Whoever writes a new one says in which language it is, and what takes that language."""
    assert [block.place for block in BLOCKS if block.page == page and block.language not in HANDLED] == []
    assert [name for name in HANDLED.values() if not (ROOT / name).exists()] == []


@each("toml")
def test_settings_load(block: Block) -> None:
    """Over the settings file that explains itself."""
    load_settings(
        path=ROOT / "config/relay.toml",
        environment=SECRETS,
        line_models=MODELS,
        overrides=tomllib.loads(block.text),
    )
    assert [name for name in re.findall(r"#:schema (\S+)", block.text) if not (ROOT / name).exists()] == []


@each("env")
def test_variables_are_settings(block: Block) -> None:
    """Over the same file."""
    own = dict(line.split("=", 1) for line in block.text.splitlines())
    load_settings(path=ROOT / "config/relay.toml", environment={**SECRETS, **own}, line_models=MODELS)


def shapes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every shape that a body, or a part of one, may have: by name, with nothing required and nothing unknown."""
    for name in schema_names():
        if name not in {"asyncapi", "settings"}:
            whole = schema(name)
            defs = {one: closed(shape) for one, shape in whole.get("$defs", {}).items()}
            yield name, {**closed(whole), "$defs": defs}
            yield from ((f"{name}: {one}", {**shape, "$defs": defs}) for one, shape in defs.items())
    yield "finding", {"type": "object", "properties": {name: {} for name in FINDING}, "additionalProperties": False}


FINDING = ("part", "ok", "level", "what", "why", "cure")


def closed(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape that takes a part of itself, and no field that it does not know."""
    kept = {name: value for name, value in shape.items() if name not in SELDOM}
    if "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = False
    return {name: closed(value) if isinstance(value, dict) else value for name, value in kept.items()}


SHAPES = {name: Draft202012Validator(shape) for name, shape in shapes()}


@each("json")
def test_every_body_has_a_shape(block: Block) -> None:
    """It is a command as relay takes it, or an event, a status or a part of one, with no field that relay has not."""
    body = json.loads(block.text)
    assert body
    if "specversion" in body:
        Draft202012Validator(schema("envelope")).validate(body)
    elif {"to", "text"} <= body.keys() and "message_id" not in body:
        Draft202012Validator(schema("send")).validate(body)
    else:
        assert [name for name, shape in SHAPES.items() if shape.is_valid(body)], "nothing has this shape"


@pytest.mark.parametrize("body", [{"state": "sleepy"}, {"request_id": "a", "outcome": "accepted", "colour": "red"}])
def test_a_body_of_no_shape_is_found(body: dict[str, Any]) -> None:
    """The check can fail."""
    assert not [name for name, shape in SHAPES.items() if shape.is_valid(body)]


def test_a_finding_is_said_so() -> None:
    """As `relay check --json` does."""
    assert set(FINDING) - {"ok", "level"} <= set(Finding.__annotations__)


def payloads(found: Any) -> Iterator[dict[str, Any]]:
    """What is published, however deep it stands."""
    if isinstance(found, dict) and {"topic", "payload"} <= found.keys():
        yield found
    for below in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from payloads(below)


@each("yaml")
def test_yaml_is_read_by_whom_it_is_for(block: Block, tmp_path: Path) -> None:
    """Prometheus has its own word; Home Assistant's are its scripts, and what they publish is a request."""
    found = yaml.safe_load(block.text)
    if "scrape_configs" in found:
        for name in found["rule_files"]:
            shutil.copy(ROOT / "monitoring" / name, tmp_path)
        (tmp_path / "prometheus.yml").write_text(block.text)
        subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)
        return
    assert found.keys() <= {"triggers", "conditions", "actions"}
    assert all({"action", "trigger"} & step.keys() for step in (*found.get("triggers", ()), *found.get("actions", ())))
    for one in payloads(found):
        Draft202012Validator(schema("send")).validate(json.loads(one["payload"]))


@each("ini")
def test_systemd_understands_every_example(installed: Path, block: Block) -> None:
    """As a drop-in of the service, or as the unit that it is."""
    if "[Socket]" in block.text:
        unit = installed / "relay.socket"
        unit.write_text(block.text)
    else:
        unit = installed / "relay.service"
        (installed / "relay.service.d/more.conf").write_text(block.text)
    found = analyze("verify", "--man=no", unit)
    assert [line for line in found.stderr.splitlines() if str(installed) in line] == []
    assert found.returncode == 0, found.stderr


@each("python")
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With relay where a shell finds it."""
    program = tmp_path / "relay"
    program.write_text(f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m relay "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    exec(compile(block.text, block.place, "exec"), {})  # noqa: S102 - that is what it is for


def test_postgresql_takes_what_is_for_it() -> None:
    """Statements, under other names; settings; and who may come in from where."""
    server = databases.shared().server
    known = {name for (name,) in server.execute("SELECT name FROM pg_settings")}
    lines = [line for block in blocks("postgresql") for line in block.text.splitlines()]
    assert lines
    assert [line for line in lines if line.partition(" = ")[0] not in known] == []

    for block in blocks("sql"):
        own = re.sub(r"\b(relay|standby)\b", r"pages_\1", block.text)
        try:
            for statement in filter(str.strip, own.split(";\n")):
                server.execute(statement)
        finally:
            server.execute("DROP DATABASE IF EXISTS pages_relay")
            server.execute("DROP ROLE IF EXISTS pages_relay, pages_standby")

    rule = re.compile(r"hostssl +(relay|replication) +(relay|standby) +10\.0\.0\.\d+/32 +scram-sha-256")
    allowed = [line for block in blocks("pg_hba") for line in block.text.splitlines()]
    assert allowed
    assert [line for line in allowed if not rule.fullmatch(line)] == []


async def test_a_broker_starts_with_what_is_for_it(tmp_path: Path) -> None:
    """Its listener, with certificates of this test's; its rights, for each node."""
    certificates = Certificates.make(tmp_path)
    [listener], [rights] = blocks("mosquitto"), blocks("mosquitto-acl")
    here = {
        "8883 10.0.0.31": f"{free_port()} 127.0.0.1",
        "/etc/mosquitto/certs/broker.pem": str(certificates.certificate("server")),
        "/etc/mosquitto/certs/broker.key": str(certificates.key("server")),
    }
    text = listener.text
    for shown, real in here.items():
        assert shown in text
        text = text.replace(shown, real)
    (tmp_path / "broker").mkdir()
    users = {f"relay-{number}": "secret" for number in (1, 2, 3)}
    acl = [line.replace("relay-1", name) for name in users for line in rights.text.splitlines()]
    async with Mosquitto(tmp_path / "broker", users=users, acl=acl, extra=text.splitlines()) as broker:
        assert any(here["8883 10.0.0.31"].split()[0] in line for line in broker.said)


@each("haproxy", "nginx")
def test_a_load_balancer_knows_each_node(block: Block) -> None:
    """At the port of `webhooks.listen`, with quotation and braces closed; the programs themselves are not here."""
    [settings] = [one for one in blocks("toml") if one.page == block.page]
    port = tomllib.loads(settings.text)["webhooks"]["listen"].rpartition(":")[2]
    assert re.findall(r"^\s*server (?:relay-\d )?(10\.0\.0\.\d+:\d+)", block.text, re.MULTILINE) == [
        f"10.0.0.1{number}:{port}" for number in (1, 2, 3)
    ]
    assert block.text.count("{") == block.text.count("}")

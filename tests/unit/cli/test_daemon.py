"""Where the command line looks for the daemon, and what it makes of its answers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from typer import Exit

from relay.cli.daemon import Daemon, find_socket, talk


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing of relay."""
    for name in ("RELAY_ADMIN__SOCKET", "RELAY_CONFIG", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Path]:
    """A socket that nobody accepts on any more."""
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        yield path


def test_the_environment_names_the_socket_first(bare: pytest.MonkeyPatch, tmp_path: Path):
    """As for every setting, the environment goes before the file."""
    (tmp_path / "relay.toml").write_text('[admin]\nsocket = "/file.sock"\n')
    bare.setenv("RELAY_CONFIG", str(tmp_path / "relay.toml"))
    bare.setenv("RELAY_ADMIN__SOCKET", "/environment.sock")
    assert find_socket() == Path("/environment.sock")


def test_then_the_settings_file(bare: pytest.MonkeyPatch, tmp_path: Path):
    """The daemon and its commands read the same file."""
    (tmp_path / "relay.toml").write_text('[admin]\nsocket = "/file.sock"\n')
    bare.setenv("RELAY_CONFIG", str(tmp_path / "relay.toml"))
    assert find_socket() == Path("/file.sock")


@pytest.mark.parametrize("text", ["", "[admin]", "admin = 1", "[admin]\nsocket = 5", "not toml", "[admin", "\udcff"])
def test_a_file_that_does_not_say_leaves_the_default(bare: pytest.MonkeyPatch, tmp_path: Path, text: str):
    """A command that only asks needs no good settings."""
    (tmp_path / "relay.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    bare.setenv("RELAY_CONFIG", str(tmp_path / "relay.toml"))
    bare.setenv("RUNTIME_DIRECTORY", "/run/other")
    assert find_socket() == Path("/run/other/relay.sock")


def test_a_socket_that_a_dead_daemon_left_is_nobody(refusing: Path, capsys: pytest.CaptureFixture[str]):
    """It says that no relay runs, with exit code 1."""

    async def ask(daemon: Daemon) -> None:
        await daemon.get("/status")

    with pytest.raises(Exit) as ended:
        talk(refusing, ask)
    assert ended.value.exit_code == 1
    assert "no relay is running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            web.json_response({"error": "the journal's queue is full; try again"}, status=503),
            "the journal's queue is full",
        ),
        (web.Response(status=500, text="500 Internal Server Error"), "relay could not answer (HTTP 500)"),
    ],
)
def test_a_refusal_of_the_daemon_is_told_in_its_words(
    answer: web.Response, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Whatever the daemon answers, the user reads a sentence."""

    async def refuse(_: web.Request) -> web.Response:
        return answer

    async def ask(daemon: Daemon) -> None:
        app = web.Application()
        app.router.add_get("/status", refuse)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(tmp_path / "relay.sock")).start()
            await daemon.get("/status")
        finally:
            await runner.cleanup()

    with pytest.raises(Exit) as ended:
        talk(tmp_path / "relay.sock", ask)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith(said)

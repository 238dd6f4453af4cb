"""An MQTT broker on a free port of loopback: mosquitto where it is installed, amqtt in this process where it is not."""

import asyncio
import importlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relay.demo.trouble import Trouble

Kind = Literal["auto", "mosquitto", "amqtt"]

_SBIN = "/usr/local/sbin:/usr/sbin"  # Debian keeps mosquitto where only root's PATH looks
_PATIENCE = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker. `protocol` is what relay is to speak with it, as in `bus.protocol`."""

    name: str
    port: int
    protocol: Literal["auto", "3.1.1"]


@asynccontextmanager
async def running_broker(kind: Kind, folder: Path) -> AsyncIterator[Broker]:
    """Run one.

    Raises:
        Trouble: there is none, or it does not start.
    """
    program = None if kind == "amqtt" else await asyncio.to_thread(find_mosquitto)
    if program is None and kind == "mosquitto":
        raise Trouble("mosquitto is not installed: apt-get install mosquitto, or take --broker amqtt")
    async with _mosquitto(program, folder) if program else _amqtt() as broker:
        yield broker


def find_mosquitto() -> str | None:
    """The program, where it is installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


def free_port() -> int:
    """A port of loopback that nobody listens on, for servers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def _mosquitto(program: str, folder: Path) -> AsyncIterator[Broker]:
    port = free_port()
    config = await asyncio.to_thread(_write_config, folder, port)
    # A session of its own: Ctrl-C is for us, and we stop it last.
    process = await asyncio.create_subprocess_exec(
        program,
        "-c",
        str(config),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await _listening(port, process)
        yield Broker("mosquitto", port, "auto")
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _write_config(folder: Path, port: int) -> Path:
    state = folder / "mosquitto"
    state.mkdir()
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {state}/",
        f"log_dest file {state}/mosquitto.log",
        # Started by root it would give up its rights, and with them the folder.
        *(["user root"] if os.geteuid() == 0 else []),
    ]
    config = state / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    return config


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while process.returncode is None:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)
    raise Trouble("mosquitto is installed and does not start: try --broker amqtt")


@asynccontextmanager
async def _amqtt() -> AsyncIterator[Broker]:
    try:
        amqtt = await asyncio.to_thread(importlib.import_module, "amqtt.broker")
    except ImportError:
        raise Trouble(
            "there is no MQTT broker here: apt-get install mosquitto, or pip install 'att-relay[demo]'"
        ) from None
    port = free_port()
    broker = amqtt.Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield Broker("amqtt, in this process", port, "3.1.1")
    finally:
        await broker.shutdown()

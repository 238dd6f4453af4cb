"""A real mosquitto for tests: on a free port, with its own configuration, killed and started again at will."""

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_PATIENCE = 10.0  # seconds for anything a local broker does


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority of our own, a server's certificate for 127.0.0.1 and localhost, and a client's."""

    folder: Path

    @property
    def ca(self) -> Path:
        """Whom to trust."""
        return self.folder / "ca.pem"

    def certificate(self, name: str) -> Path:
        """The certificate of `server` or `client`."""
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Its key."""
        return self.folder / f"{name}.key"

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make them with openssl."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        ca_key = folder / "ca.key"
        _openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", made.ca, "-subj", "/CN=relay test", "-days", "2")
        names = folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        for name in ("server", "client"):
            request = folder / f"{name}.csr"
            _openssl("req", *new_key, "-keyout", made.key(name), "-out", request, "-subj", f"/CN={name}")
            signed: list[str | Path] = [
                "-CA",
                made.ca,
                "-CAkey",
                ca_key,
                "-CAcreateserial",
                "-extfile",
                names,
                "-days",
                "2",
            ]
            _openssl("x509", "-req", "-in", request, "-out", made.certificate(name), *signed)
        return made


class Mosquitto:
    """One broker on 127.0.0.1; `async with` starts and stops it.

    Args:
        folder: an empty directory of its own.
        persistent: it keeps its state on disk, at once, as `config/mosquitto.conf` of an operator should.
        users: who may connect, with which password; anybody without it.
        acl: the lines of an ACL file.
        certificates: it speaks TLS with these.
        ask_certificate: it wants a client's certificate as well.
        extra: further lines of its configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        persistent: bool = False,
        users: Mapping[str, str] | None = None,
        acl: Sequence[str] | None = None,
        certificates: Certificates | None = None,
        ask_certificate: bool = False,
        extra: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._scheme = "mqtts" if certificates else "mqtt"
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=10_000)
        self._spoke = asyncio.Condition()
        lines = [f"listener {self.port} 127.0.0.1", "log_dest stderr", "log_type all"]
        if os.geteuid() == 0:
            lines.append("user root")  # it would give up its rights, and with them the folder
        lines += self._persistence(persistent=persistent) + self._people(users, acl)
        lines += self._tls(certificates, ask_certificate=ask_certificate)
        lines += extra  # of two lines about one thing the last counts
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    @property
    def url(self) -> str:
        """Its address, as in relay's settings."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    async def start(self, *, forget: bool = False) -> None:
        """Start it; again on the same port, with what it kept or having forgotten everything."""
        if forget:
            shutil.rmtree(self.folder / "state", ignore_errors=True)
        (self.folder / "state").mkdir(exist_ok=True)
        self._said.clear()
        config = self.folder / "mosquitto.conf"
        self._process = await asyncio.create_subprocess_exec(
            _program("mosquitto"), "-c", str(config), stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process.stderr))
        await self.logged("running")

    async def stop(self) -> None:
        """Ask it to end, as a service manager does."""
        await self._end(lambda process: process.terminate())

    async def kill(self) -> None:
        """End it at once, with no chance to save anything."""
        await self._end(lambda process: process.kill())

    async def logged(self, words: str, times: int = 1) -> None:
        """Wait until lines with these words were logged so many times since it was started."""
        async with asyncio.timeout(_PATIENCE), self._spoke:
            await self._spoke.wait_for(lambda: sum(words in line for line in self._said) >= times)

    @property
    def said(self) -> list[str]:
        """The lines logged since it was started."""
        return list(self._said)

    async def _end(self, how: Callable[[asyncio.subprocess.Process], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            how(process)
        await process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, stderr: asyncio.StreamReader | None) -> None:
        assert stderr is not None
        async for line in stderr:
            async with self._spoke:
                self._said.append(line.decode(errors="replace"))
                self._spoke.notify_all()

    def _persistence(self, *, persistent: bool) -> list[str]:
        if not persistent:
            return ["persistence false"]
        at_once = ["autosave_interval 1", "autosave_on_changes true"]
        # Its own limit of 1000 drops what a reader who is slow has not taken yet, and tells nobody.
        roomy = ["max_queued_messages 1000000"]
        return ["persistence true", f"persistence_location {self.folder / 'state'}/", *at_once, *roomy]

    def _people(self, users: Mapping[str, str] | None, acl: Sequence[str] | None) -> list[str]:
        lines = [f"allow_anonymous {'false' if users else 'true'}"]
        if users:
            passwords = self.folder / "passwords"
            passwords.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
            subprocess.run([_program("mosquitto_passwd"), "-U", passwords], check=True, capture_output=True)
            lines.append(f"password_file {passwords}")
        if acl:
            rights = self.folder / "acl"
            rights.write_text("\n".join(acl) + "\n")
            lines.append(f"acl_file {rights}")
        return lines

    def _tls(self, certificates: Certificates | None, *, ask_certificate: bool) -> list[str]:
        if certificates is None:
            return []
        own = [f"certfile {certificates.certificate('server')}", f"keyfile {certificates.key('server')}"]
        return [f"cafile {certificates.ca}", *own, f"require_certificate {'true' if ask_certificate else 'false'}"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody who connects is given meanwhile.

    Each worker has its own: a server that is stopped in a test finds its port free when it is started again.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def _own_ports() -> Iterator[int]:
    """Below those that Linux gives to whoever connects (ip_local_port_range)."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first = _FIRST_PORT + worker * _PORTS_EACH
    begin = os.getpid() % _PORTS_EACH
    return itertools.cycle(first + (begin + number) % _PORTS_EACH for number in range(_PORTS_EACH))


_FIRST_PORT, _PORTS_EACH, _WORKERS = 12_000, 5_000, 4
_PORTS = _own_ports()


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise AssertionError(f"{name} is missing, and these tests need a real broker: apt-get install mosquitto")
    return found


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)

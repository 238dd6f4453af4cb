"""A real PgBouncer for tests, in transaction mode: each transaction may run on another of the server's sessions."""

import contextlib
import shutil
import subprocess
import time
from typing import Self

import psycopg

from tests import brokers
from tests.postgres import RELAY, Server, owner

_PATIENCE = 30  # seconds for anything a local pooler does
_CONFIG = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
pidfile = {pidfile}
unix_socket_dir =
auth_type = trust
auth_file = {people}
admin_users = admin
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
server_reset_query = DISCARD ALL
ignore_startup_parameters = extra_float_digits,options
"""


class Pooler:
    """A PgBouncer in front of a server, which is to let in everybody. It ends with the server at the latest.

    Attributes:
        port: of 127.0.0.1, the same in every life.
    """

    def __init__(self, server: Server, *, sessions: int = 5) -> None:
        """Prepare one.

        Args:
            server: whom it stands in front of.
            sessions: how many it keeps there, for each user and database: clients of more share them.
        """
        self.port = brokers.free_port()
        self._server = server
        self._file = server.folder / f"pooler-{self.port}.ini"
        self._log = server.folder / f"pooler-{self.port}.log"
        # The server's holder ends whoever has a file of this kind there.
        pidfile = self._file.with_suffix(".pid")
        people = self._file.with_suffix(".people")
        people.write_text("".join(f'"{one}" ""\n' for one in (RELAY, "postgres", "admin")))
        config = _CONFIG.format(server=server.port, port=self.port, sessions=sessions, pidfile=pidfile, people=people)
        self._file.write_text(config)
        self._running: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """The address of a database behind it."""
        return f"postgresql://{RELAY}@127.0.0.1:{self.port}/{database}"

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        assert program is not None, "pgbouncer is missing, and these tests need a real one: run scripts/tools"
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [program, "-q", str(self._file)],
                cwd=self._server.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **owner(),
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._takes_connections():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running.wait(0.01)
                raise AssertionError(f"PgBouncer has ended at its start: {self.log[-3000:]}")
            assert time.monotonic() < deadline, f"PgBouncer does not start: {self.log[-3000:]}"

    def stop(self) -> None:
        """End it at once: every connection through it is cut."""
        if self._running is not None:
            self._running.terminate()
            self._running.wait(_PATIENCE)
            self._running = None

    def restart(self) -> None:
        """End it and start it again."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _takes_connections(self) -> bool:
        try:
            with psycopg.connect(f"postgresql://admin@127.0.0.1:{self.port}/pgbouncer", autocommit=True) as console:
                console.execute("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

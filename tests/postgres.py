"""A real PostgreSQL for tests: on a free port, in a directory of its own, stopped, killed and started again at will.

It ends with the process that made it, however that ends: a holder waits for that, stops it and removes its directory.
"""

import atexit
import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import psycopg
from psycopg import sql

from tests import brokers

CURE = "these tests need a real PostgreSQL, 15 or newer: run scripts/tools"
OLDEST = 15
RELAY = "relay"  # the role that owns relay's databases, and may no more than that
_OWNER = "postgres"  # who runs it where the tests are root: PostgreSQL refuses to be root
_PATIENCE = 60  # seconds for anything a local PostgreSQL does
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # a container's /dev/shm is small
    "wal_keep_size": "256MB",  # for a standby that stands still for a while
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
    "timezone": "UTC",
}
# Commits are still waited for, as relay wants it; a machine that loses its power is no subject of a test.
_CARELESS = {"fsync": "off", "full_page_writes": "off", "checkpoint_timeout": "1h", "max_wal_size": "1GB"}
_HOLDER = """
cat > /dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) &&
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null
for file in "$1"/*.pid; do
    [ ! -e "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null
done
"$0" -D "$1/data" -m immediate -w -t 10 stop >/dev/null 2>&1
rm -rf "$1"
"""


class Server:
    """One PostgreSQL. `start` makes its data where there is none; it keeps its port and its data until `close`.

    Everything here blocks: beside a relay in the same event loop, call it on a thread.

    Attributes:
        port: of 127.0.0.1, the same in every life.
        folder: holds its data, its socket and its log.
        password: what relay's role logs in with; None: everybody is let in.
    """

    def __init__(
        self, *, durable: bool = False, password: str | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Prepare one.

        Args:
            durable: whether it syncs what it commits; the tests are quicker where it does not.
            password: what relay's role has to log in with.
            settings: more of postgresql.conf.
        """
        self.port = brokers.free_port()
        self.password = password
        self.folder = _own_folder()
        self._settings = {**_SETTINGS, **({} if durable else _CARELESS), **(settings or {})}
        self._running: subprocess.Popen[bytes] | None = None
        self._holder = _held(self.folder)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def processes(self) -> list[int]:
        """The postmaster and all of its children; empty where it does not run."""
        return [] if self._running is None else [self._running.pid, *_children(self._running.pid)]

    def url(self, database: str, *, user: str = RELAY, driver: str = "postgresql") -> str:
        """The address of a database. It holds no password.

        Args:
            database: its name.
            user: `relay`, or `postgres`, who may do everything.
            driver: `postgresql` as people write it, `postgresql+psycopg` for SQLAlchemy.
        """
        return f"{driver}://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        if not self.data.exists():
            self._make()
        else:
            self._start()

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop it: wait for its clients to leave, or cut them, or leave the rest to the recovery at the next start."""
        self.control("stop", "-m", mode)
        self._ended()

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop it and start it again."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL to all of its processes at once; returns when they are gone."""
        processes = self.processes
        with contextlib.ExitStack() as watched:
            ends = [end for process in processes for end in _watched(process, watched)]
            self._signal(signal.SIGKILL, processes)
            for end in ends:
                assert select.select([end], [], [], _PATIENCE)[0], "a process of PostgreSQL outlives SIGKILL"
        self._ended()

    def pause(self) -> None:
        """SIGSTOP to all of its processes: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP, self.processes)
        ends = time.monotonic() + _PATIENCE
        while any(_runs(process) for process in self.processes):
            assert time.monotonic() < ends, "a process of PostgreSQL's does not stop"

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT, self.processes)

    def close(self) -> None:
        """Stop it in whatever state it is, and remove its directory."""
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(_PATIENCE)
        self._ended()

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database that is relay's own; gives its address.

        Args:
            name: of the new one.
            template: what it begins as; nobody may be connected to that.
        """
        new, owner = sql.Identifier(name), sql.Identifier(RELAY)
        like = sql.Identifier(template or "template1")
        # As files: three times as quick as through the log, the default.
        make = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy")
        self.execute(make.format(new, owner, like))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, and cut whoever uses it. There need be none."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def cut(self, database: str) -> None:
        """End every connection to a database, as an administrator does; returns when they are gone."""
        self.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", database)

    def execute(self, statement: "str | sql.Composable", *values: Any, database: str = "postgres") -> list[Any]:
        """Run one statement as the administrator, outside a transaction; gives its rows."""
        with psycopg.connect(self.url(database, user=_OWNER), autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)  # type: ignore[arg-type] # a test's own text
            return [] if cursor.description is None else cursor.fetchall()

    def control(self, *words: str) -> None:
        """Let pg_ctl do something with it, and wait until that is done."""
        finish(program("pg_ctl"), "-D", str(self.data), "-w", "-t", str(_PATIENCE), *words, cwd=self.folder)

    def configure(self, **settings: str) -> None:
        """Set more of postgresql.conf: in force from the next start, or from `control("reload")` where that does."""
        self._settings |= settings
        lines = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        # PostgreSQL reads its own file first: this one stays as the tests write it.
        text = "".join(f"{name} = {_quoted(value)}\n" for name, value in lines.items())
        (self.data / "postgresql.auto.conf").write_text(text)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self) -> None:
        """Make its data, and relay's role."""
        finish("cp", "-r", str(_seed()), str(self.data), cwd=self.folder)
        self.configure()
        self._let_in()
        self._start()
        password = sql.SQL("PASSWORD {}").format(self.password) if self.password else sql.SQL("")
        self.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(sql.Identifier(RELAY), password))

    def _start(self) -> None:
        # As a child, which is waited for: where nobody waits for orphans, a killed one would seem to live.
        words = (program("postgres"), "-D", str(self.data))
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                words,
                cwd=self.folder,
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
                raise AssertionError(f"PostgreSQL has ended at its start: {self.log[-3000:]}")
            assert time.monotonic() < deadline, f"PostgreSQL does not start: {self.log[-3000:]}"

    def _takes_connections(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _ended(self) -> None:
        if self._running is not None:
            self._running.wait(_PATIENCE)
            self._running = None

    def _let_in(self) -> None:
        """Write who is let in, and how."""
        how = "scram-sha-256" if self.password else "trust"
        lines = ["local all all trust", f"host all {RELAY} 127.0.0.1/32 {how}"]
        lines += [f"host {what} all 127.0.0.1/32 trust" for what in ("all", "replication")]
        (self.data / "pg_hba.conf").write_text("\n".join(lines) + "\n")

    def _signal(self, number: signal.Signals, processes: list[int]) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _runs(process: int) -> bool:
    """Whether a process is neither stopped nor gone: a signal may take its time to arrive."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "TZX"
    except OSError:
        return False


@cache
def program(name: str) -> str:
    """Where a program of PostgreSQL's is. Debian keeps them where no PATH looks."""
    homes = [home for home in Path("/usr/lib/postgresql").glob("*/bin") if home.parent.name.isdigit()]
    newest_first = sorted(homes, key=lambda home: -int(home.parent.name))
    kept = [str(home) for home in newest_first if int(home.parent.name) >= OLDEST]
    found = shutil.which(name, path=os.pathsep.join([*kept, os.environ.get("PATH", "")]))
    if found is None:
        raise AssertionError(f"{name} is missing: {CURE}")
    return found


def owner() -> dict[str, Any]:
    """As whom PostgreSQL's programs run, for subprocess: as oneself, unless that is root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(_OWNER)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="relay-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, _OWNER, _OWNER)
    return folder


def _held(folder: Path) -> "subprocess.Popen[bytes]":
    """Whoever tidies up `folder` when its standard input ends: when that is closed, or when the tests are killed."""
    words = ("sh", "-c", _HOLDER, program("pg_ctl"), str(folder))
    # In a session of its own: Ctrl-C is for the tests.
    return subprocess.Popen(words, stdin=subprocess.PIPE, cwd=folder, start_new_session=True, **owner())


@cache
def _seed() -> Path:
    """The data of a server that has never run: a copy is made in a tenth of the time."""
    folder = _own_folder()
    holder = _held(folder)
    assert holder.stdin is not None
    atexit.register(holder.wait, _PATIENCE)
    atexit.register(holder.stdin.close)
    words = (program("initdb"), "-D", str(folder / "seed"), "-U", _OWNER, "-A", "trust", "--no-sync")
    # People's databases sort by a language, so that ids do not stand in the order of their bytes.
    finish(*words, "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", cwd=folder)
    return folder / "seed"


def finish(*words: str, cwd: Path) -> None:
    """Run one of PostgreSQL's programs to its good end."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    done = subprocess.run(words, cwd=cwd, check=False, text=True, timeout=2 * _PATIENCE, **quiet, **owner())  # type: ignore[call-overload] # untyped
    assert done.returncode == 0, f"{Path(words[0]).name} has failed: {done.stderr[-3000:]}"


def _quoted(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))


def _children(process: int) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == process]


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _watched(process: int, stack: contextlib.ExitStack) -> Iterator[int]:
    """What becomes readable when a process ends."""
    with contextlib.suppress(ProcessLookupError):
        end = os.pidfd_open(process)
        stack.callback(os.close, end)
        yield end

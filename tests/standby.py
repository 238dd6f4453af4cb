"""A real standby for tests: it streams from its primary, follows behind it or keeps pace, and can be promoted."""

import psycopg
from psycopg import sql

from tests.postgres import Server, finish, program

_NAME = "standby"
_PATIENCE = 60_000  # milliseconds for anything that a local standby does


class Standby(Server):
    """A copy of another server, made when it is first started, to which everything comes that is written there.

    It can be read from. Promoted, it is a server as any other; another `Standby` can be made of it then.
    """

    def __init__(self, primary: Server, *, durable: bool = False) -> None:
        """Prepare one for a primary that runs, and has not been given a password."""
        super().__init__(durable=durable)
        self._primary = primary

    def promote(self) -> None:
        """Be a primary from now on; returns when it takes writes."""
        self.control("promote")

    def catch_up(self) -> None:
        """Wait until everything is here that the primary has committed by now."""
        [[reached]] = self._primary.execute("SELECT pg_current_wal_insert_lsn()::text")
        with psycopg.connect(self.url("postgres", user="postgres"), autocommit=True) as connection:
            connection.execute(f"SET statement_timeout = {_PATIENCE}")
            connection.execute(_WAIT.format(sql.Literal(reached)))

    def _make(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user=postgres application_name={_NAME}"
        words = (program("pg_basebackup"), "-D", str(self.data), "-d", source, "-X", "stream", "-c", "fast")
        finish(*words, "--write-recovery-conf", "--no-sync", cwd=self.folder)
        self._settings["primary_conninfo"] = source
        self.configure()
        self._start()


def keep_pace(primary: Server, *, synchronous: bool) -> None:
    """Let each commit of a primary wait until its standby has it on disk; or no more.

    Without a standby that runs, commits wait for ever then.
    """
    primary.configure(synchronous_standby_names=_NAME if synchronous else "")
    primary.control("reload")
    # Every session is told of it before it reads its next statement, and the standby is then taken for one.
    with psycopg.connect(primary.url("postgres", user="postgres"), autocommit=True) as connection:
        connection.execute(f"SET statement_timeout = {_PATIENCE}")
        connection.execute(_IN_FORCE.format(sql.Literal("sync" if synchronous else "async")))


_WAIT = sql.SQL("""
DO $$ BEGIN
    WHILE pg_last_wal_replay_lsn() < {}::pg_lsn LOOP PERFORM pg_sleep(0.01); END LOOP;
END $$
""")
_IN_FORCE = sql.SQL("""
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = {}) LOOP
        PERFORM pg_sleep(0.01);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
END $$
""")

"""The beginning of a node's life over a shared database: a name that lives already is another relay's."""

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

from relay import __version__
from relay.journal.failures import JournalInUse
from relay.journal.nodes import BELL, end_lives
from relay.journal.nodeschema import node
from relay.journal.opening import count_anew
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

_LOOK_AGAIN = 0.5  # real seconds


class StillLives(Exception):  # noqa: N818 - it says what is so
    """A node of this name has beaten lately, in a process of which nobody knows here whether it runs."""

    def __init__(self, life: str, until: datetime, seconds: float) -> None:
        super().__init__(f"{life} lives for {seconds:.0f} s more, unless it beats")
        self.life = life
        self.until = until
        self.seconds = seconds


def begin_life(tx: Transaction, name: str, version: str, process: str, seconds: float) -> str:
    """Begin a life of the node `name`; gives its id.

    Args:
        tx: where to.
        name: of the node.
        version: of this relay.
        process: what `this_process` gives.
        seconds: how long it lasts without a beat.

    Raises:
        StillLives: somebody else may live under this name.
    """
    now = tx.real_now
    for row in tx.execute(select(node).where(node.c.name == name, node.c.ended_at.is_(None))).all():
        if row.until > now and row.process != process and not is_gone(row.process):
            raise StillLives(row.id, row.until, (row.until - now).total_seconds())
        end_lives(tx, [row.id])
    if not tx.execute(select(node.c.id).where(node.c.ended_at.is_(None))).first():
        # Nobody else counts: whatever has happened to the counters, they are right again.
        count_anew(tx)
    token = (tx.execute(select(func.max(node.c.token)).where(node.c.name == name)).scalar() or 0) + 1
    life = f"{name}/{token}"
    times = {"since": now, "until": now + timedelta(seconds=seconds)}
    begun = {"id": life, "name": name, "token": token, "version": version, "process": process, "mark": 0}
    tx.execute(insert(node), [{**begun, **times}])
    tx.bells.add(BELL)
    return life


async def join(writer: Writer, name: str, seconds: float) -> str:
    """Begin a life of the node `name`, once it is certain that no other process lives under it; gives its id.

    Args:
        writer: where to.
        name: of the node.
        seconds: how long a life lasts without a beat, and how long this may wait for the end of a former one.

    Raises:
        JournalInUse: another process does.
    """
    process = await asyncio.to_thread(this_process)
    first: StillLives | None = None
    while True:
        try:
            return await writer.run(lambda tx: begin_life(tx, name, __version__, process, seconds))
        except StillLives as other:
            if first is None or first.life != other.life:
                first = other
            if other.until != first.until:
                # It has beaten meanwhile.
                raise JournalInUse(
                    f"another relay works with this journal as node {name}: give each node a name of its own, in"
                    " node.name"
                ) from None
            await asyncio.sleep(min(max(other.seconds, 0.05), _LOOK_AGAIN))


def this_process() -> str:
    """Which process this is: boot of the machine, space of process ids, id, and when it began."""
    return "/".join((*_where(), str(os.getpid()), _began(os.getpid()) or "0"))


def is_gone(process: str) -> bool:
    """Whether that process has certainly ended: it was one of this machine, and is there no more."""
    *where, pid, began = process.split("/")
    return tuple(where) == _where() and pid.isdecimal() and _began(int(pid)) != began


def _where() -> tuple[str, ...]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, str(Path("/proc/self/ns/pid").stat().st_ino)


def _began(pid: int) -> str | None:
    """When a process began, in ticks since the boot; None where there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program, in brackets, may hold anything.
    return told.rpartition(")")[2].split()[19]

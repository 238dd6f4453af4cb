"""The lab's anchor: which real time was which time of the lab. Made once, kept, and the same after every restart."""

import json
from datetime import datetime

from relay.clock import Clock
from relay.ids import Ids
from relay.journal.columns import as_json
from relay.journal.journal import Journal

_KEY = "anchor"


async def lab_anchor(
    url: str, epoch: datetime | None, *, real: Clock, node: str = "relay", password: str | None = None
) -> tuple[datetime, datetime]:
    """The anchor of the journal at `url`: (real time, the lab's time then). On SQLite nobody may have it open.

    Args:
        url: the journal.
        epoch: when the lab's time begins, if it has not begun yet; None: now.
        real: real time.
        node: this relay's name, among others with the same journal.
        password: for PostgreSQL.

    Raises:
        JournalUnusable: the journal cannot be opened.
    """
    async with await Journal.open(url, clock=real, ids=Ids(real), node=f"{node}.lab", password=password) as journal:
        memory = journal.memory("lab")
        kept = await memory.get(_KEY)
        if kept is None:
            now = real.now()
            kept = await memory.put_first(_KEY, as_json([now.isoformat(), (epoch or now).isoformat()]))
    anchor_real, anchor_lab = map(datetime.fromisoformat, json.loads(kept))
    return anchor_real, anchor_lab

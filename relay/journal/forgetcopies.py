"""A forgotten person's copies -> copies to nobody: canceled where they wait; messages that were theirs alone are wiped.

Who takes part in a message that others got, too, vanishes from it, and its text stays: it was written to the others.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, literal, select, update

from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Problem
from relay.domain.spellings import Spellings
from relay.domain.states import Fact, State
from relay.journal.callrows import settle
from relay.journal.columns import BROKEN, as_json
from relay.journal.copies import Happening, copies_where, happen
from relay.journal.erasure import Erasure, pieces
from relay.journal.failures import UnknownId
from relay.journal.listing import one_of
from relay.journal.outgoing import FORGOTTEN, is_forgotten
from relay.journal.redacting import redacted
from relay.journal.retention import without_numbers
from relay.journal.scanning import found
from relay.journal.schema import command, copy, message
from relay.journal.steering import SteeringVerbs
from relay.journal.sums import command_sum, copy_sum, echo_sum, fits
from relay.journal.transaction import STANDS_FOR, Transaction

_GIVEN_UP = Problem(
    ErrorCode.UNCERTAIN, "given up because the recipient was forgotten: nobody knows whether it was sent"
)
_COLUMNS = (copy.c.id, copy.c.address, copy.c.address_raw, copy.c.waits)


async def forget_copies(erasure: Erasure, steering: SteeringVerbs) -> None:
    """Forget whom copies go to. Those that wait are canceled before; those that are under way are left."""
    who = erasure.who
    async for rows in found(erasure.reader, select(*_COLUMNS), copy.c.id, "", lambda row: bool(_name(who, row))):
        for waiting in (row.id for row in rows if row.waits):
            try:
                await steering.cancel([waiting])
            except UnknownId:  # it was forgotten for its age meanwhile
                continue
        for some in pieces([row.id for row in rows]):
            done, under_way = await erasure.writer.run(partial(_forget, who=who, ids=some))
            erasure.done += done
            erasure.left["under_way"] += under_way


def _name(who: Spellings, row: Any) -> str | None:
    """What stands for a copy's recipient from now on; None: it is somebody else."""
    if row.address.startswith(STANDS_FOR):
        return None
    return who.name_of(row.address) or who.name_of(row.address_raw)


def _forget(tx: Transaction, who: Spellings, ids: Sequence[str]) -> tuple[Counter[str], int]:
    """Gives what was done, and how many copies are left because they are under way."""
    uncertain = [one for one in copies_where(tx, one_of(copy.c.id, ids)) if one.state is State.UNCERTAIN]
    happen(tx, [Happening(one, Fact.ABANDONED, problem=_GIVEN_UP) for one in uncertain])
    settle(tx, [one.call_id for one in uncertain])
    rows = tx.execute(select(copy).where(one_of(copy.c.id, ids))).all()
    free = [row for row in rows if not row.waits]
    for row in free:
        _replace(tx, who, row)
    touched = {row.message_id for row in free}
    done = Counter(copies=len(free), messages=_wipe(tx, who, touched), commands=_unname(tx, who, touched))
    return done, len(rows) - len(free)


def _replace(tx: Transaction, who: Spellings, row: Row[Any]) -> None:
    name = _name(who, row)
    was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    whom = {"address_kind": AddressKind.OTHER.value, "address": name, "address_raw": name}
    whole = row.sum is not None and fits(row.sum, copy_sum(was))
    problem = row.problem if row.problem is BROKEN else redacted(row.problem, who)
    changed = {**whom, "problem": problem, "unseen": 0, "sum": copy_sum({**was, **whom}) if whole else row.sum}
    tx.execute(update(copy).where(copy.c.id == row.id).values(changed))


def _wipe(tx: Transaction, who: Spellings, ids: Collection[str]) -> int:
    """Wipe what those of these messages say that are nobody's any more."""
    if not ids:
        return 0
    somebody = copy.c.address.not_like(literal(f"{STANDS_FOR}%"))
    others = select(copy.c.message_id).where(one_of(copy.c.message_id, sorted(ids)), somebody).distinct()
    alone = set(ids).difference(tx.execute(others).scalars())
    rows = tx.execute(select(message).where(one_of(message.c.id, sorted(alone)))).all() if alone else []
    for row in rows:
        tx.execute(update(message).where(message.c.id == row.id).values({**FORGOTTEN, **_echo(who, row)}))
    return sum(not is_forgotten(row.content) for row in rows)


def _echo(who: Spellings, row: Row[Any]) -> dict[str, Any]:
    """The columns of what a message's receipts repeat, without what its client said of the person."""
    was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    if not fits(row.echo_sum, echo_sum(row.echo, was)):
        return {}
    kept = json.loads(row.echo)
    reply = None if who.stand_in(as_json(kept and kept["reply"])) else kept and kept["reply"]
    echo = as_json({"metadata": None, "reply": reply}) if kept else row.echo
    named = {"request_id": _id_of(who, row.request_id, row.id)}
    return {**named, "echo": echo, "echo_sum": echo_sum(echo, {**was, **named})}


def _unname(tx: Transaction, who: Spellings, ids: Collection[str]) -> int:
    """Keep the answers to these messages' requests without numbers, and ids that hold the number under others."""
    if not ids:
        return 0
    changed = 0
    for row in tx.execute(select(command).where(one_of(command.c.message_id, sorted(ids)))).all():
        values = without_numbers(row)
        key = _id_of(who, row.key, row.message_id)
        if values and key != row.key:
            was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
            values |= {"key": key, "answer": {**values["answer"], "request_id": key}}
            values["sum"] = row.sum and command_sum({**was, **values})
        here = (command.c.key == row.key, command.c.line == row.line, command.c.client == row.client)
        if values:
            tx.execute(update(command).where(*here).values(values))
            changed += key != row.key
    return changed


def _id_of(who: Spellings, request_id: str, message_id: str) -> str:
    """A request's id; another one where its client has put the number into it."""
    return f"{STANDS_FOR}{message_id}" if who.stand_in(request_id.encode()) else request_id

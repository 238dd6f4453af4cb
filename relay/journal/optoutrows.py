"""The rows of `optout` and `optin`: who wants no more texts, since when, and what shows it.

There is one row for each number, line and source that holds, so that every kind of evidence is kept. What is lifted
stays, with what lifted it. Words may come in any order: what counts is when they were said.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, bindparam, func, insert, literal, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import MessageClass
from relay.journal.announce import News, SetAside, announce, set_aside
from relay.journal.codec import timestamp
from relay.journal.columns import Moment, Words
from relay.journal.listing import listed, unpacked
from relay.journal.ruleschema import optin, optout, optout_holds
from relay.journal.sums import fits, optout_sum
from relay.journal.transaction import Transaction
from relay.rules.optouts import applies

Source = Literal["keyword", "provider", "operator", "import"]

OPTED_OUT = Problem(
    ErrorCode.OPTED_OUT,
    "this recipient asked for no more texts: `relay optout list --of FILE` shows when, where and by which message",
)


@dataclass(frozen=True, slots=True)
class OptOut:
    """That a number's opt-out holds on a line.

    Attributes:
        at: since when.
        line: where it was asked for; None: by an operator, for every line.
        source: `keyword`, `provider`, `operator` or `import`.
        unconfirmed: the opt-outs that the line may confirm and for which no confirmation was let through: the rows
            of each.
        confirmed_by: the copies that were let through as confirmations.
    """

    at: datetime
    line: str | None
    source: str
    unconfirmed: tuple[tuple[str, ...], ...]
    confirmed_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Word:
    """That somebody opted out or in, and what shows it.

    Attributes:
        address: who.
        line: where; None: an operator, for every line.
        at: when it was said.
        source: who said it.
        word: the keyword as it was written, or the provider's code.
        message_id: the message that said it, or whose copy was refused.
        copy_id: the copy that the provider refused.
    """

    address: str = field(repr=False)
    line: str | None
    at: datetime
    source: Source
    word: str | None = None
    message_id: str | None = None
    copy_id: str | None = None


def opted_out(tx: Transaction, line: str, values: Sequence[str]) -> dict[str, OptOut]:
    """Those of these addresses that get nothing from `line`, and why."""
    if not _any_holds(tx):
        return {}
    peers: defaultdict[str, list[str]] = defaultdict(list)
    for value in values:
        peers[tx.peer(value)].append(value)
    rows: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in _holding(tx, list(peers)):
        if not is_whole(row):
            # It is safe to believe that it was asked for everywhere.
            mend(tx, row)
            rows[row.peer].append(row)
        elif applies(tx.rules, line, row.line, row.line_group):
            rows[row.peer].append(row)
    return {value: _opt_out(line, found) for peer, found in rows.items() for value in peers[peer]}


def _any_holds(tx: Transaction) -> bool:
    """Whether there is any opt-out at all: read once, for nobody else writes until the transaction ends."""
    if _ANY_HOLDS not in tx.known:
        tx.known[_ANY_HOLDS] = tx.beside(_FIRST_HOLDING).first() is not None
    return bool(tx.known[_ANY_HOLDS])


def _holding(tx: Transaction, peers: Sequence[str]) -> Sequence[Row[Any]]:
    """The opt-outs of some that hold."""
    if len(peers) == 1:
        return tx.beside(_HOLDING_OF, {"who": peers[0]}).all()
    return tx.beside(_HOLDING, {"peers": listed(peers)}).all()


def is_whole(row: Row[Any]) -> bool:
    """Whether this opt-out says what was noted."""
    return fits(row.sum, optout_sum(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name


def mend(tx: Transaction, row: Row[Any]) -> None:
    """Let a damaged opt-out hold on every line from now on, and list it for a person, once.

    Whose it is is read from its address, where that was not erased.
    """
    peer = row.peer if row.address is None else tx.peer(row.address)
    mended = {**row._mapping, "peer": peer, "line": None, "line_group": None, "source": "operator"}  # noqa: SLF001 - as above
    tx.execute(_MEND, {**{name: mended[name] for name in _MENDED}, "this": row.id, "checked": optout_sum(mended)})
    why = "the journal's row is damaged: this opt-out holds on every line now"
    set_aside(tx, SetAside("damaged", row.line, "opt-out", why), about=row.id)


def passes(out: OptOut, what: MessageClass, copy_id: str | None) -> bool:
    """Whether a copy may go to somebody who has opted out: one confirmation may, and it may be tried again."""
    return what is MessageClass.COMPLIANCE and (bool(out.unconfirmed) or copy_id in out.confirmed_by)


def confirm(tx: Transaction, out: OptOut, copy_id: str) -> None:
    """Let this copy through as a confirmation; no other passes for the same opt-out."""
    if copy_id not in out.confirmed_by:
        tx.execute(_CONFIRM, [{"this": row_id, "by": copy_id} for row_id in out.unconfirmed[0]])


def opt_out(tx: Transaction, asked: Word, *, imported: bool = False) -> bool:
    """Note that somebody wants no more texts, and announce it where it was not known.

    What was asked for before a later opt-in on the same line is noted as lifted.

    Args:
        tx: where to.
        asked: who, where, when, and what shows it.
        imported: it is from a list: what has the same time and source is the same, whether it holds or is lifted.

    Returns:
        whether it is new: nothing held on this line before.
    """
    peer = tx.peer(asked.address)
    rows = tx.execute(_ON_LINE, {"who": peer, "here": asked.line}).all()
    known = next((row for row in rows if (row.at, row.source) == (asked.at, asked.source)), None)
    if known is not None and imported:
        return False
    if known is not None and known.message_id is None and asked.message_id is not None:
        # It was heeded before its message could be announced.
        tx.execute(_SHOWN_BY, {"this": known.id, "by": asked.message_id})
        return False
    back = tx.execute(_OPTED_IN, {"who": peer, "here": asked.line}).first() if asked.line else None
    # Providers tell times in whole seconds: of two words with the same time, the one that is heard of later counts.
    if back is not None and back.at > asked.at:
        _add(tx, peer, asked, lifted_at=back.at, lifted_by="keyword", lifted_message_id=back.message_id)
        return False
    holding = [row for row in rows if row.lifted_at is None]
    same = next((row for row in holding if row.source == asked.source), None)
    if same is not None:
        tx.execute(_AGAIN, {"this": same.id, "again": max(asked.at, same.again_at or same.at)})
        return False
    confirmed_by = next((row.confirmed_by for row in holding if row.confirmed_by), None)
    opt_out_id = _add(tx, peer, asked, confirmed_by=confirmed_by)
    if not holding:
        _tell(tx, "event.opt-out", replace(asked, source="import") if imported else asked, opt_out_id)
    return not holding


def opt_in(tx: Transaction, asked: Word) -> bool:
    """Lift what the number had asked for on the same line until then; gives whether nothing holds there any more.

    It is remembered: what was asked for earlier, and is heard of later, is lifted too.
    """
    here = {"who": tx.peer(asked.address), "here": asked.line}
    known = tx.execute(_OPTED_IN, here).first()
    if known is None:
        row = {"peer": here["who"], "line": asked.line, "at": asked.at, "message_id": asked.message_id}
        tx.execute(insert(optin), [row])
    elif known.at < asked.at:
        tx.execute(_OPT_IN, {**here, "now": asked.at, "by": asked.message_id})
    holding = [row for row in tx.execute(_ON_LINE, here) if row.lifted_at is None]
    over = [row for row in holding if (row.again_at or row.at) <= asked.at]
    _lift(tx, over, at=asked.at, by="keyword", message_id=asked.message_id)
    if not over or len(over) < len(holding):
        return False
    _tell(tx, "event.opt-in", asked, over[0].id)
    return True


def stops_since(tx: Transaction, value: str, line: str, since: datetime) -> int:
    """How often somebody has opted out by keyword on a line since then."""
    return int(tx.execute(_STOPS, {"who": tx.peer(value), "here": line, "since": since}).scalar_one())


def lift(tx: Transaction, value: str, line: str | None) -> int:
    """Lift what holds for a number, on one line or everywhere, because an operator says so; gives how many."""
    everything = [row for row in tx.execute(_OF, {"who": tx.peer(value)}) if row.lifted_at is None]
    over = [row for row in everything if line in {None, row.line}]
    _lift(tx, over, at=tx.now, by="operator", message_id=None)
    if over:
        places = {row.line for row in over}
        where = tx.rules.lines if None in places else sorted(places)
        _tell_on(tx, where, "event.opt-in", Word(value, None, tx.now, "operator"), over[0].id)
    return len(over)


def _opt_out(line: str, rows: Sequence[Row[Any]]) -> OptOut:
    """What holds, of the opt-outs that apply: one for each line, whatever the sources.

    A line that was asked itself confirms that alone: what was asked for elsewhere is confirmed there.
    """
    by_line: defaultdict[str | None, list[Row[Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        by_line[row.line].append(row)
    confirmed_by = frozenset(row.confirmed_by for row in rows if row.confirmed_by is not None)
    to_confirm = [by_line[line]] if line in by_line else list(by_line.values())
    unconfirmed = [
        tuple(row.id for row in there) for there in to_confirm if all(row.confirmed_by is None for row in there)
    ]
    first = min(rows, key=lambda row: row.at)
    return OptOut(first.at, first.line, first.source, tuple(unconfirmed), confirmed_by)


def _add(tx: Transaction, peer: str, asked: Word, **more: Any) -> str:
    opt_out_id = tx.ids.new()
    row = {
        "id": opt_out_id,
        "peer": peer,
        "address": asked.address,
        "line": asked.line,
        "line_group": tx.rules.of(asked.line).group if asked.line else None,
        "source": asked.source,
        "word": asked.word,
        "message_id": asked.message_id,
        "copy_id": asked.copy_id,
        "at": asked.at,
        **more,
    }
    tx.execute(_NOTE, [{**row, "sum": optout_sum(row)}])
    tx.known[_ANY_HOLDS] = True
    return opt_out_id


def _lift(tx: Transaction, rows: Sequence[Row[Any]], *, at: datetime, by: str, message_id: str | None) -> None:
    if rows:
        tx.execute(_LIFT, [{"this": row.id, "then": at, "who": by, "by": message_id} for row in rows])


def _tell(tx: Transaction, kind: str, asked: Word, opt_out_id: str) -> None:
    """Announce it on its line; what an operator says of every line, on every line that there is."""
    _tell_on(tx, tx.rules.lines if asked.line is None else [asked.line], kind, asked, opt_out_id)


def _tell_on(tx: Transaction, lines: Iterable[str], kind: str, asked: Word, opt_out_id: str) -> None:
    body = {
        "address": asked.address,
        "to": asked.address,
        "source": asked.source,
        "word": asked.word,
        "scope": tx.rules.scope.value,
        "message_id": asked.message_id,
        "copy_id": asked.copy_id,
        "code": asked.word if asked.source == "provider" else None,
        "at": timestamp(asked.at),
    }
    heard_there = asked.source in {"keyword", "provider"}
    for line in lines:
        # Nobody listens to a line that an operator names and that is gone.
        if heard_there or line in tx.rules.lines:
            announce(tx, News(kind, line, asked.message_id or opt_out_id, body))


_ANY_HOLDS = "whether any opt-out holds"
_FIRST_HOLDING = select(optout.c.id).where(optout_holds).limit(1)
_HOLDING_OF = select(optout).where(optout_holds, optout.c.peer == bindparam("who"))
_HOLDING = select(optout).where(
    optout_holds,
    optout.c.peer.in_(select(unpacked(bindparam("peers", type_=Words)).c.value)),
)
_OF = select(optout).where(optout.c.peer == bindparam("who")).order_by(optout.c.id)
_ON_LINE = _OF.where(optout.c.line.is_not_distinct_from(bindparam("here", type_=Words)))
_OPTED_IN = select(optin).where(optin.c.peer == bindparam("who"), optin.c.line == bindparam("here"))
_OPT_IN = (
    update(optin)
    .where(optin.c.peer == bindparam("who"), optin.c.line == bindparam("here"))
    .values(at=bindparam("now", type_=Moment), message_id=bindparam("by", type_=Words))
)
_STOPS = select(func.count()).where(
    optout.c.peer == bindparam("who"),
    optout.c.line == bindparam("here"),
    optout.c.source == literal("keyword"),
    optout.c.at > bindparam("since", type_=Moment),
)
_NOTE = insert(optout)
_MENDED = ("peer", "line", "line_group", "source")
_MEND = (
    update(optout)
    .where(optout.c.id == bindparam("this"))
    .values(
        peer=bindparam("peer"),
        line=bindparam("line", type_=Words),
        line_group=bindparam("line_group", type_=Words),
        source=bindparam("source"),
        sum=bindparam("checked"),
    )
)
_LIFT = (
    update(optout)
    .where(optout.c.id == bindparam("this"))
    .values(
        lifted_at=bindparam("then", type_=Moment),
        lifted_by=bindparam("who", type_=Words),
        lifted_message_id=bindparam("by", type_=Words),
    )
)
_SHOWN_BY = update(optout).where(optout.c.id == bindparam("this")).values(message_id=bindparam("by", type_=Words))
_AGAIN = update(optout).where(optout.c.id == bindparam("this")).values(again_at=bindparam("again", type_=Moment))
_CONFIRM = update(optout).where(optout.c.id == bindparam("this")).values(confirmed_by=bindparam("by", type_=Words))

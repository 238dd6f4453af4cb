"""How the node stands: for its retained topics, and for `relay status`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from relay import __version__
from relay.bus.mqtt import Bus
from relay.journal import NodeSeen, Spool
from relay.providerkit.spec import Line, NeedsConsent, SyncsMailbox
from relay.settings import Settings
from relay.stagekit import Standing
from relay.telemetry.health import LineHealth, LineState
from relay.telemetry.notify import Notifier
from relay.telemetry.saying import Saying
from relay.telemetry.statuswords import headline
from relay.turns import BUS, Turns, line_turn

_IN_ORDER = frozenset({LineState.READY, LineState.THROTTLED})

LastTexts = Callable[[], Awaitable[Mapping[str, Mapping[str, datetime]]]]


class NodeStatus:
    """Tells the bus how the node and its lines stand, whenever that changes.

    Args:
        settings: the node's name and lines.
        standing: relay's time, the journal that counts what waits, and how the lines stand.
        lines: every line, by alias.
        spool: where web hooks are kept while the journal takes none.
        turns: this node's: it tells of the lines whose turns it has.
    """

    def __init__(
        self,
        settings: Settings,
        standing: Standing,
        lines: Mapping[str, Line],
        spool: Spool | None = None,
        *,
        turns: Turns,
    ) -> None:
        self._settings = settings
        self._clock = standing.clock
        self._journal = standing.journal
        self._board = standing.board
        self._lines = lines
        self._spool = spool
        self._turns = turns
        self._told: set[str] = set()  # the lines that it tells of
        self._bus: Bus | None = None
        self._started = self._clock.now()
        self._since = self._started
        self._state = ""
        self._reason: str | None = None
        self._deaf = False
        self._denied: tuple[str, ...] = ()
        self._needs_restart: tuple[str, ...] = ()
        self._saying: Saying | None = None
        self._last_texts: LastTexts | None = None

    def follow(self, settings: Settings) -> None:
        """Go by these settings from now on: their lines are others."""
        self._settings = settings
        if self._bus is not None:
            self._bus.set_retained("node_info", settings.node.name, self._info())

    def gone(self, line: str) -> None:
        """Have nothing said of a line any more that is being removed, where it is this node's to tell of."""
        if self._bus is not None and line in self._told:
            self._told.discard(line)
            self._bus.clear_retained("line_status", line)

    def needs_restart(self, keys: Sequence[str]) -> None:
        """These settings were changed, and are taken at the next start."""
        self._needs_restart = tuple(keys)

    def tell(self, notifier: Notifier) -> None:
        """Keep systemd's STATUS right from now on. Needs the running loop."""
        self._saying = Saying(notifier.status)

    def tell_again(self) -> None:
        """Somebody else has said something in STATUS, which stays for a moment."""
        if self._saying is not None:
            self._saying.again()

    def follow_texts(self, last_texts: LastTexts) -> None:
        """Show `last_in` and `last_out` of each line, as this gives them."""
        self._last_texts = last_texts

    def show_on(self, bus: Bus) -> None:
        """Keep the retained topics on `bus` right from now on."""
        self._bus = bus
        bus.set_retained("node_info", self._settings.node.name, self._info())
        self._turns_changed()
        self._turns.on_change(self._turns_changed)
        self._board.listen(self._line_changed)
        bus.on_listening(self._hearing_changed)
        bus.on_connected(self._show_node)
        bus.on_denied(self._rights_changed)
        self._journal.on_shut(self._show_node)

    def stopping(self) -> None:
        """Say that the node is about to stop."""
        self._show("stopping", None)

    def readiness(self) -> dict[str, Any]:
        """Whether everything is in order now, and what is not: the journal, the bus, the lines."""
        connected, shut = bool(self._bus and self._bus.connected), self._journal.shut
        return {
            "ready": self._state == "online" and connected,
            "state": self._state or "starting",
            "reason": self._reason if connected else "the broker is not connected",
            "journal": shut.why if shut is not None else "open",
            "bus": "connected" if connected else "away",
            "lines": {line: health.state.value for line, health in self._board.all().items()},
        }

    async def as_body(self) -> dict[str, Any]:
        """Everything `relay status` shows."""
        texts = await self._last_texts() if self._last_texts is not None else {}
        return {
            **self._headed(),
            "summary": self.summary(),
            "now": _written(self._clock.now()),
            "started": _written(self._started),
            "turns": self._turns.held,
            "nodes": [_node(seen) for seen in await self._living()],
            "lines": {
                line: {**health.as_body(), **await self._limits(line), **self._flow(line, texts)}
                for line, health in self._board.all().items()
            },
            "consent": {alias: asdict(await line.consent()) for alias, line in self._consenting()},
            "mailboxes": {alias: await self._mailbox(alias) for alias in self._with_mailbox()},
            "spool": self._spooled(),
            "needs_restart": list(self._needs_restart),
            "journal": await self._journal.queries.status(),
        }

    def summary(self) -> str:
        """How the node stands, in one sentence: the same everywhere."""
        return headline(self._headed())

    def _headed(self) -> dict[str, Any]:
        """What the sentence is made of."""
        bus = {
            "connected": bool(self._bus and self._bus.connected),
            "protocol": self._bus.protocol if self._bus else None,
        }
        return {
            "node": self._settings.node.name,
            "version": __version__,
            "state": self._state,
            "reason": self._reason,
            "since": _written(self._since),
            "bus": bus,
        }

    def _flow(self, line: str, texts: Mapping[str, Mapping[str, datetime]]) -> dict[str, Any]:
        """When a text last came in and went out, and when the provider is next asked for some."""
        last, poll = texts.get(line, {}), self._board.next_poll(line)
        times = {"last_in": last.get("in"), "last_out": last.get("out"), "next_poll_at": poll}
        return {name: _written(at) if at is not None else None for name, at in times.items()}

    def _spooled(self) -> dict[str, Any] | None:
        """How many web hooks this node has to fold into the journal, and since when; None where it has no spool."""
        return {"hooks": self._spool.waiting, "since": self._spool.since} if self._spool else None

    async def _limits(self, line: str) -> dict[str, Any]:
        """What the line has spent of what it may, since when it is held, and when it may call next where not now."""
        standing, held_at = await self._journal.limits.standing(line), await self._journal.steering.held(line)
        month, permit, own = standing.month, standing.permit, self._settings.lines.get(line)
        limits = {
            "today": standing.today,
            "calls_per_day": own.calls_per_day if own else None,
            "month": month.as_body() if month else None,
        }
        return {"limits": limits, "held_at": held_at, "next_call_at": permit.at if permit.limit else None}

    def _consenting(self) -> "list[tuple[str, NeedsConsent]]":
        return [(alias, line) for alias, line in self._lines.items() if isinstance(line, NeedsConsent)]

    def _with_mailbox(self) -> list[str]:
        lines = self._lines.items()
        return [alias for alias, line in lines if isinstance(line, SyncsMailbox) and line.syncs_mailbox]

    async def _mailbox(self, alias: str) -> dict[str, Any]:
        """Since when the subscriber's messages are followed, and whether all that was there is known."""
        standing = await self._journal.mailbox.standing(alias)
        return {"since": standing.since, "followed": standing.cursor is not None}

    async def _living(self) -> list[NodeSeen]:
        """The nodes that share the journal; none where it is one's own."""
        return await self._journal.nodes.living() if self._turns.is_shared else []

    def _line_changed(self, line: str, health: LineHealth) -> None:
        if self._bus is not None and line in self._told:
            self._bus.set_retained("line_status", line, health.as_body())
        self._show_node()

    def _turns_changed(self) -> None:
        """Tell of the lines that are this node's to tell of now, and of the others no more."""
        if self._bus is None:
            return
        theirs = {line for line in self._board.all() if self._turns.holds(line_turn(line))}
        for line in self._told - theirs:
            self._bus.forget_retained("line_status", line)
        for line in sorted(theirs - self._told):
            self._bus.set_retained("line_status", line, self._board.of(line).as_body())
        self._told = theirs
        # Whose turn it is no more need not hear commands; whose turn it has just become does not hear them yet.
        self._deaf = self._deaf and self._turns.holds(BUS)
        self._show_node()

    def _hearing_changed(self) -> None:
        """The connection that hears commands has its own life: while only that is down, nobody else would know."""
        self._deaf = self._bus is not None and not self._bus.listening and self._turns.holds(BUS)
        self._show_node()

    def _rights_changed(self) -> None:
        """The broker denies topics that relay needs, or grants them again."""
        denied = self._bus.denied if self._bus is not None else {}
        self._denied = tuple(denied)
        for line in self._board.all():
            if line in denied.values():
                self._board.report(line, "bus", LineState.SUSPENDED, "topic_denied")
            else:
                self._board.clear(line, "bus")
        self._show_node()

    def _show_node(self) -> None:
        if self._state == "stopping":
            return
        troubled = sorted(line for line, health in self._board.all().items() if health.state not in _IN_ORDER)
        shut = self._journal.shut
        reasons = ["commands are not heard"] if self._deaf and shut is None else []
        reasons += [f"nothing new is taken: {shut.why}"] if shut is not None else []
        reasons += [f"denied by the broker: {', '.join(self._denied)}"] if self._denied else []
        reasons += [f"lines: {', '.join(troubled)}"] if troubled else []
        self._show("degraded" if reasons else "online", "; ".join(reasons) or None)

    def _show(self, state: str, reason: str | None) -> None:
        if state != self._state:
            self._state, self._since = state, self._clock.now()
        self._reason = reason
        summary = self.summary()
        if self._saying is not None:
            self._saying.say(summary, now=state == "stopping")
        body = {"state": state, "reason": reason, "since": _written(self._since), "summary": summary}
        if self._bus is not None:
            self._bus.set_retained("node_status", self._settings.node.name, body)

    def _info(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "lines": {alias: line.provider for alias, line in self._settings.lines.items()},
            "schemas": {"envelope": "1.0", "data": "v1"},
            "started": _written(self._started),
        }


def _node(seen: NodeSeen) -> dict[str, Any]:
    """A living node, as `relay status` shows it."""
    times = {"since": _written(seen.since), "until": _written(seen.until)}
    return {"name": seen.name, "version": seen.version, **times, "turns": list(seen.turns)}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Every stage that the settings ask for, made of the core, the bus and what they share."""

from collections.abc import Callable
from functools import partial
from typing import Any

from relay.bus.mqtt import Bus
from relay.clock import SystemClock
from relay.eventshare import TurnsShare
from relay.journal import Bell
from relay.lines import Seen
from relay.providerkit.spec import AsksStatus, FetchesInbox, FetchesParts, Line, Sends, SyncsMailbox, TakesHooks
from relay.stagekit import Stage, Standing
from relay.stages.accountant import Accountant
from relay.stages.auditor import Auditor
from relay.stages.bookkeeper import Bookkeeper
from relay.stages.collector import Collector
from relay.stages.consumer import Consumer
from relay.stages.folder import Folder
from relay.stages.herald import Herald
from relay.stages.installer import Installer
from relay.stages.inturn import InTurn
from relay.stages.janitor import Janitor
from relay.stages.leftovers import Leftovers
from relay.stages.locksmith import Locksmith
from relay.stages.poller import Poller
from relay.stages.publisher import Publisher
from relay.stages.receiver import Receiver
from relay.stages.replayer import Replayer
from relay.stages.sender import Sender
from relay.stages.sweeper import Sweeper
from relay.stages.syncer import Syncer
from relay.stages.timekeeper import Timekeeper
from relay.stages.tracker import Tracker
from relay.turns import BUS, UPKEEP, line_turn
from relay.wiring.core import Core, lifetimes
from relay.wiring.homeassistant import devices
from relay.wiring.services import Services


class Stages:
    """Makes the stages, in groups that start and stop together."""

    def __init__(self, base: Core, bus: Bus, standing: Standing, services: Services) -> None:
        self._base = base
        self._bus = bus
        self._standing = standing
        self._services = services
        self.changed = Bell()  # to be rung when the lines have changed
        hooked: Seen[Any] = Seen(base.lines, lambda line: line if isinstance(line, TakesHooks) else None)
        self.receiver = Receiver(hooked, standing, base.spool)
        self.leftovers = Leftovers(base.lines, standing)
        services.turns.on_change(self._let_all_send)

    def to_bus(self) -> list[Stage]:
        """What announces."""
        turns = self._services.turns
        share = TurnsShare(self._base.journal, turns, self._base.lines) if turns.is_shared else None
        return [Publisher(self._standing, bus=self._bus, share=share)]

    def readers(self) -> list[Stage]:
        """What understands the bytes that were kept."""
        leftovers = self._one_at_a_time(UPKEEP, lambda: Leftovers(self._base.lines, self._standing), "leftovers")
        return [*self._folder(), self.receiver, leftovers]

    def of_lines(self) -> list[Stage]:
        """What sends and follows the sent; what fetches, and what has hooks delivered: every line's."""
        lines = self._base.lines.values()
        return [
            *(stage for line in lines for stage in self._to_provider(line)),
            *(stage for line in lines for stage in self._from_provider(line)),
        ]

    def of(self, line: Line) -> list[Stage]:
        """The same of one line."""
        return [*self._to_provider(line), *self._from_provider(line)]

    def keepers(self) -> list[Stage]:
        """What takes commands, what tidies up, what keeps an eye on budgets, and what publishes again."""
        base, standing, services = self._base, self._standing, self._services
        upkeep: dict[str, Callable[[], Stage]] = {
            "janitor": lambda: Janitor(journal=base.journal, kept_for=lifetimes(base.settings)),
            "accountant": lambda: Accountant(base.lines, standing),
            "replayer": lambda: Replayer(standing, bus=self._bus),
            "auditor": lambda: Auditor(base.journal),
        }
        tidying = [self._one_at_a_time(UPKEEP, make, name) for name, make in upkeep.items()]
        consumer = self._one_at_a_time(BUS, lambda: Consumer(bus=self._bus, intake=services.intake), "consumer")
        herald = self._one_at_a_time(BUS, self._herald, "herald")
        # On every node: its folder may be its own.
        sweeper = Sweeper(services.media)
        return [*tidying, herald, sweeper, *self._locksmiths(), *self._bookkeepers(), *self._timekeepers(), consumer]

    def _one_at_a_time(
        self, turn: str, make: Callable[[], Stage], name: str, line: str | None = None, part: str | None = None
    ) -> Stage:
        """A stage that runs on the node whose turn it is; on a journal of one's own, as it is.

        Args:
            turn: whose.
            make: makes it.
            name: its name.
            line: its line.
            part: under which it reports how the line stands.
        """
        turns = self._services.turns
        if not turns.is_shared:
            return make()
        parts = (part,) if part else ()
        return InTurn(turn, turns, make, name=name, board=self._standing.board, line=line, parts=parts)

    def _herald(self) -> Stage:
        base = self._base
        memory = base.journal.memory(Herald.owner)
        wanted = lambda: devices(base.settings, base.lines)  # noqa: E731 - as they are then
        return Herald(wanted, bus=self._bus, memory=memory, changed=self.changed)

    def _folder(self) -> list[Stage]:
        spool = self._base.spool
        return [Folder(spool, self._standing, self.receiver.look_again)] if spool else []

    def _locksmiths(self) -> list[Stage]:
        services = self._services
        return [Locksmith(services.secrets, self._standing)] if services.turns.is_shared else []

    def _bookkeepers(self) -> list[Stage]:
        return [Bookkeeper(self._base.journal)] if self._services.turns.is_shared else []

    def _timekeepers(self) -> list[Stage]:
        clock = self._base.clock
        return [Timekeeper(self._standing, clock.stepped)] if isinstance(clock, SystemClock) else []

    def _to_provider(self, line: Line) -> list[Stage]:
        stages: list[Stage] = []
        window = self._window(line)
        if isinstance(line, Sends):
            keeper = self._services.keepers.get(line.alias)
            hooks = keeper.stand if keeper else None
            stages.append(Sender(line, self._standing, owner=self._base.journal.owner, window=window, hooks=hooks))
        if isinstance(line, AsksStatus):
            # Also where its settings do not ask any more: what was sent before they changed is still followed.
            stages.append(Tracker(line, self._standing, window=window))
        return stages

    def _from_provider(self, line: Line) -> list[Stage]:
        standing, services, alias = self._standing, self._services, line.alias
        stages: list[Stage] = []

        def add(name: str, part: str, make: Callable[[], Stage]) -> None:
            stages.append(self._one_at_a_time(line_turn(alias), make, f"{name}/{alias}", alias, part))

        if isinstance(line, FetchesInbox) and line.polls_inbox:
            has_turn = partial(services.turns.holds, line_turn(alias))
            add("poller", "inbox", partial(Poller, line, standing, has_turn=has_turn))
        if isinstance(line, SyncsMailbox) and line.syncs_mailbox:
            add("syncer", "mailbox", partial(Syncer, line, standing))
        if isinstance(line, FetchesParts):
            own: dict[str, Any] = {"patience": self._base.settings.media.patience, "window": self._window(line)}
            add("collector", "arrivals", partial(Collector, line, standing, media=services.media, **own))
        if alias in services.keepers:
            add("installer", "hooks", partial(Installer, services.keepers[alias], standing))
        return stages

    def let_send(self, alias: str) -> None:
        """Where another node sees to a line's web hooks, nobody waits for them here."""
        keeper = self._services.keepers.get(alias)
        if keeper is not None and not self._services.turns.holds(line_turn(alias)):
            keeper.stand.set()

    def _let_all_send(self) -> None:
        for alias in self._services.keepers:
            self.let_send(alias)

    def _window(self, line: Line) -> int:
        return self._base.settings.lines[line.alias].window

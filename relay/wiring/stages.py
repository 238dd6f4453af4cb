"""Every stage that the settings ask for, made of the core, the bus and what they share."""

from relay.bus.mqtt import Bus
from relay.clock import SystemClock
from relay.providerkit.spec import AsksStatus, FetchesInbox, FetchesParts, Line, Sends, SyncsMailbox, TakesHooks
from relay.stagekit import Stage, Standing
from relay.stages.accountant import Accountant
from relay.stages.auditor import Auditor
from relay.stages.collector import Collector
from relay.stages.consumer import Consumer
from relay.stages.installer import Installer
from relay.stages.janitor import Janitor
from relay.stages.leftovers import Leftovers
from relay.stages.poller import Poller
from relay.stages.publisher import Publisher
from relay.stages.receiver import Receiver
from relay.stages.replayer import Replayer
from relay.stages.sender import Sender
from relay.stages.sweeper import Sweeper
from relay.stages.syncer import Syncer
from relay.stages.timekeeper import Timekeeper
from relay.stages.tracker import Tracker
from relay.wiring.core import Core, lifetimes
from relay.wiring.services import Services


class Stages:
    """Makes the stages, in groups that start and stop together."""

    def __init__(self, base: Core, bus: Bus, standing: Standing, services: Services) -> None:
        self._base = base
        self._bus = bus
        self._standing = standing
        self._services = services
        hooked = {alias: line for alias, line in base.lines.items() if isinstance(line, TakesHooks)}
        self.receiver = Receiver(hooked, standing)
        self.leftovers = Leftovers(base.lines, standing)

    def to_bus(self) -> list[Stage]:
        """What announces."""
        return [Publisher(self._standing, bus=self._bus)]

    def readers(self) -> list[Stage]:
        """What understands the bytes that were kept."""
        return [self.receiver, self.leftovers]

    def to_providers(self) -> list[Stage]:
        """What sends, and what follows the sent."""
        return [stage for line in self._base.lines.values() for stage in self._to_provider(line)]

    def from_providers(self) -> list[Stage]:
        """What fetches, and what has hooks delivered."""
        return [stage for line in self._base.lines.values() for stage in self._from_provider(line)]

    def keepers(self) -> list[Stage]:
        """What takes commands, what tidies up, what keeps an eye on budgets, and what publishes again."""
        kept_for = lifetimes(self._base.settings)
        janitor, sweeper = Janitor(journal=self._base.journal, kept_for=kept_for), Sweeper(self._services.media)
        accountant = Accountant(self._base.lines, self._standing)
        replayer, auditor = Replayer(self._standing, bus=self._bus), Auditor(self._base.journal)
        consumer = Consumer(bus=self._bus, intake=self._services.intake)
        return [janitor, sweeper, accountant, replayer, auditor, *self._timekeepers(), consumer]

    def _timekeepers(self) -> list[Stage]:
        clock = self._base.clock
        return [Timekeeper(self._standing, clock.stepped)] if isinstance(clock, SystemClock) else []

    def _to_provider(self, line: Line) -> list[Stage]:
        stages: list[Stage] = []
        window = self._window(line)
        if isinstance(line, Sends):
            keeper, owner = self._services.keepers.get(line.alias), self._base.settings.node.name
            hooks = keeper.stand if keeper else None
            stages.append(Sender(line, self._standing, owner=owner, window=window, hooks=hooks))
        if isinstance(line, AsksStatus):
            # Also where its settings do not ask any more: what was sent before they changed is still followed.
            stages.append(Tracker(line, self._standing, window=window))
        return stages

    def _from_provider(self, line: Line) -> list[Stage]:
        stages: list[Stage] = []
        if isinstance(line, FetchesInbox) and line.polls_inbox:
            stages.append(Poller(line, self._standing))
        if isinstance(line, SyncsMailbox) and line.syncs_mailbox:
            stages.append(Syncer(line, self._standing))
        if isinstance(line, FetchesParts):
            patience, media = self._base.settings.media.patience, self._services.media
            stages.append(Collector(line, self._standing, media=media, patience=patience, window=self._window(line)))
        if line.alias in self._services.keepers:
            stages.append(Installer(self._services.keepers[line.alias], self._standing))
        return stages

    def _window(self, line: Line) -> int:
        return self._base.settings.lines[line.alias].window

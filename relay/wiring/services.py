"""Everything beside the stages, made of the core: attachments, web hooks, consents, the listener, the socket."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog

from relay.bus.requests import CommandRules
from relay.consent import Consents
from relay.control import Controls, ControlServer
from relay.control.asking import Reload
from relay.control.evidence import evidence_of
from relay.domain.addresses import inbound
from relay.hookaddresses import Question, TakenSecrets, consent_address, hook_addresses, hook_prefix, question
from relay.intake import Intake, MediaFolder, Repeats
from relay.lines import Doings, Seen
from relay.mediastore import MediaStore
from relay.people import People
from relay.providerkit.hooks import Wanted
from relay.providerkit.spec import InstallsHooks, Line, NeedsConsent, TakesHooks
from relay.stages.leftovers import Leftovers
from relay.stages.receiver import Receiver
from relay.status import NodeStatus
from relay.telemetry.health import LineBoard
from relay.turns import BUS, UPKEEP, Turns, line_turn
from relay.web.admin import AdminListener
from relay.web.attachments import MediaRoute
from relay.web.callers import Callers
from relay.web.consent import ConsentRoute
from relay.web.gauges import BusView, Sources
from relay.web.metrics import MetricsRoute
from relay.web.public import Hooks, Listener
from relay.web.reach import ReachRoute
from relay.webhooks import HookKeeper, Webhooks
from relay.wiring.core import Core

log = structlog.get_logger()

OTHERS_FILES = 3600.0  # seconds: as long as that, an attachment that nobody knows may be one that a node is writing


class Services:
    """What stages, listeners and the control socket share, `turns` among it.

    Args:
        base: what everything stands on.
        board: shows how the lines stand.
        admin: serves attachments on this machine; it has its address already.
    """

    def __init__(self, base: Core, board: LineBoard, admin: AdminListener) -> None:
        self._base = base
        self.doings = Doings()
        self.turns = Turns(base.journal, turns_of(base.lines))
        self.secrets = TakenSecrets(base.secrets)
        self._public = base.settings.webhooks.public_url
        self.media = self._media_store(admin)
        self._media_route = MediaRoute(self.media)
        admin.mount(self._media_route)
        self.intake = self._intake()
        self.keepers: dict[str, HookKeeper] = {}
        self._by_hand: dict[str, Sequence[Wanted]] = {}
        for alias in base.lines:
            self.attend(alias)
        self.webhooks = Webhooks(self.keepers, self._by_hand, self.doings)
        self.consents = self._consents(board)

    def attend(self, alias: str) -> None:
        """See to the web hooks of a line that has come, was changed, or has gone."""
        self.keepers.pop(alias, None)
        self._by_hand.pop(alias, None)
        line = self._base.lines.get(alias)
        if isinstance(line, InstallsHooks) and isinstance(line, TakesHooks):
            if self._public:
                self.keepers[alias] = self._hook_keeper(line)
            else:
                log.warning("hooks.not_installed", line=alias, reason="webhooks.public_url is not set")
        if line is not None and (by_hand := self._done_by_hand(line)):
            self._by_hand[alias] = by_hand

    def listener(self, receiver: Receiver) -> Listener:
        """The public listener."""
        webhooks = self._base.settings.webhooks
        hooks = Hooks(self._secrets, receiver.knows, receiver.take, webhooks.max_body, self._base.meters.hook)
        callers = Callers(webhooks.allow, webhooks.proxies)
        pages = (ConsentRoute(self.consents, self._secrets), self._media_route, ReachRoute(self._secrets))
        return Listener(webhooks.listen.host, webhooks.listen.port, hooks, pages=pages, callers=callers)

    def metrics(self, board: LineBoard, bus: BusView) -> MetricsRoute:
        """What Prometheus asks for."""
        base, kept = self._base, self._base.settings.journal
        disks = {"journal" if kept.path else "spool": kept.path or kept.spool, "media": base.settings.media_directory}
        own = (base.journal, board, base.clock, base.lines, base.meters)
        return MetricsRoute(Sources(*own, spool=base.spool, bus=bus, turns=self.turns, disks=disks))

    def control(self, status: NodeStatus, leftovers: Leftovers, reload: Reload) -> ControlServer:
        """The command line's socket."""
        controls = Controls(
            take=self.intake.take,
            status=status.as_body,
            replay=leftovers.replay,
            journal=self._base.journal,
            lines=self._base.lines.served,
            webhooks=self.webhooks,
            reach=self._reach,
            consents=self.consents,
            people=People(self._base.journal, self.media, _own_numbers(self._base.lines), self._base.spool),
            clock=self._base.clock,
            evidence=Seen(self._base.lines, evidence_of),
            reload=reload,
        )
        return ControlServer(self._base.settings.admin.socket, controls)

    def _media_store(self, admin: AdminListener) -> MediaStore:
        media = self._base.settings.media
        return MediaStore(
            self._base.settings.media_directory,
            self._base.journal,
            self._base.clock,
            inline_max=media.inline_max,
            max_part=media.max_part,
            lifetime=media.lifetime,
            address=next(iter(self._public), admin.url),
            spares=OTHERS_FILES if self._base.journal.nodes.is_shared else 0.0,
        )

    def _intake(self) -> Intake:
        base = self._base
        limits, media, queue = base.settings.bus, base.settings.media, base.settings.queue
        return Intake(
            base.lines.served,
            base.journal,
            base.clock,
            CommandRules(limits.max_command_bytes, limits.max_recipients),
            self.media,
            MediaFolder(media.folder, media.max_part),
            Repeats(queue.repeat_limit, queue.repeat_within),
            self.doings,
            base.traces,
        )

    def _hook_keeper(self, line: Any) -> HookKeeper:
        base = self._base
        prefixes = [hook_prefix(public_url, line.alias) for public_url in self._public]
        wanted = self._addresses(line.alias, line.hook_events)
        return HookKeeper(line, wanted, prefixes, journal=base.journal)

    def _done_by_hand(self, line: Line) -> Sequence[Wanted]:
        """What a person has to register at the line's provider."""
        alias, found = line.alias, list[Wanted]()
        if isinstance(line, NeedsConsent):
            found.append(("consent", self._consent_address(alias)))
        if isinstance(line, TakesHooks) and alias not in self.keepers:
            found += self._addresses(alias, line.hook_events)
        return found

    def _consents(self, board: LineBoard) -> Consents:
        lines: Seen[Any] = Seen(self._base.lines.served, lambda line: line if isinstance(line, NeedsConsent) else None)
        redirects = Seen(lines, lambda line: self._consent_address(line.alias)) if self._public else {}
        return Consents(lines, redirects, journal=self._base.journal, board=board, doings=self.doings)

    def _addresses(self, alias: str, events: Sequence[str]) -> Sequence[Wanted]:
        return hook_addresses(self._public, alias, self._base.secrets[alias].current, events)

    def _consent_address(self, alias: str) -> str:
        return consent_address(self._public, alias, self._base.secrets[alias].current)

    def _reach(self) -> Question | None:
        """What shows that a public address leads here; None where no line is called."""
        return next((question(alias, each.current) for alias, each in self._base.secrets.items()), None)

    def _secrets(self, line: str) -> Sequence[str] | None:
        return self.secrets.of(line, self._base.clock.now()) if line in self._base.lines.served else None


def turns_of(lines: Iterable[str]) -> list[str]:
    """The turns that a node with these lines can take."""
    return [BUS, UPKEEP, *(line_turn(alias) for alias in lines)]


def _own_numbers(lines: Mapping[str, Line]) -> Collection[str]:
    return Seen(lines, lambda line: inbound(line.number).value).values()

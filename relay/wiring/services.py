"""Everything beside the stages, made of the core: attachments, web hooks, consents, the listener, the socket."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from relay.bus.requests import CommandRules
from relay.consent import Consents
from relay.control import Controls, ControlServer
from relay.control.evidence import evidence_of
from relay.domain.addresses import inbound
from relay.hookaddresses import TakenSecrets, consent_address, hook_addresses, hook_prefix
from relay.intake import Intake, MediaFolder, Repeats
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
from relay.web.metrics import MetricsRoute
from relay.web.public import Hooks, Listener
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
        self.turns = Turns(base.journal, (BUS, UPKEEP, *(line_turn(alias) for alias in base.lines)))
        self.secrets = TakenSecrets(base.secrets)
        self._public = base.settings.webhooks.public_url
        self.media = self._media_store(admin)
        self._media_route = MediaRoute(self.media)
        admin.mount(self._media_route)
        admin.mount(MetricsRoute(base.journal, board, base.spool))
        self.intake = self._intake()
        self.keepers = self._hook_keepers()
        self.webhooks = Webhooks(self.keepers, self._by_hand())
        self.consents = self._consents(board)

    def listener(self, receiver: Receiver) -> Listener:
        """The public listener."""
        webhooks = self._base.settings.webhooks
        hooks = Hooks(self._secrets, receiver.knows, receiver.take, webhooks.max_body)
        callers = Callers(webhooks.allow, webhooks.proxies)
        pages = (ConsentRoute(self.consents, self._secrets), self._media_route)
        return Listener(webhooks.listen.host, webhooks.listen.port, hooks, pages=pages, callers=callers)

    def control(self, status: NodeStatus, leftovers: Leftovers) -> ControlServer:
        """The command line's socket."""
        controls = Controls(
            take=self.intake.take,
            status=status.as_body,
            replay=leftovers.replay,
            journal=self._base.journal,
            lines=tuple(self._base.lines),
            webhooks=self.webhooks,
            consents=self.consents,
            people=People(self._base.journal, self.media, _own_numbers(self._base.lines.values()), self._base.spool),
            clock=self._base.clock,
            evidence={alias: evidence_of(line) for alias, line in self._base.lines.items()},
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
            base.lines,
            base.journal,
            base.clock,
            CommandRules(limits.max_command_bytes, limits.max_recipients),
            self.media,
            MediaFolder(media.folder, media.max_part),
            Repeats(queue.repeat_limit, queue.repeat_within),
        )

    def _hook_keepers(self) -> Mapping[str, HookKeeper]:
        keepers = {}
        for alias, line in self._base.lines.items():
            if not isinstance(line, InstallsHooks) or not isinstance(line, TakesHooks):
                continue
            if self._public:
                keepers[alias] = self._hook_keeper(line)
            else:
                log.warning("hooks.not_installed", line=alias, reason="webhooks.public_url is not set")
        return keepers

    def _hook_keeper(self, line: Any) -> HookKeeper:
        base = self._base
        prefixes = [hook_prefix(public_url, line.alias) for public_url in self._public]
        wanted = self._addresses(line.alias, line.hook_events)
        return HookKeeper(line, wanted, prefixes, journal=base.journal)

    def _by_hand(self) -> Mapping[str, Sequence[Wanted]]:
        """What a person has to register at the provider."""
        found: dict[str, list[Wanted]] = {}
        for alias, line in self._base.lines.items():
            if isinstance(line, NeedsConsent):
                found[alias] = [("consent", self._consent_address(alias))]
            if isinstance(line, TakesHooks) and alias not in self.keepers and line.hook_events:
                found[alias] = [*found.get(alias, ()), *self._addresses(alias, line.hook_events)]
        return found

    def _consents(self, board: LineBoard) -> Consents:
        lines: dict[str, Any] = {a: line for a, line in self._base.lines.items() if isinstance(line, NeedsConsent)}
        redirects = {alias: self._consent_address(alias) for alias in lines} if self._public else {}
        return Consents(lines, redirects, journal=self._base.journal, board=board)

    def _addresses(self, alias: str, events: Sequence[str]) -> Sequence[Wanted]:
        return hook_addresses(self._public, alias, self._base.secrets[alias].current, events)

    def _consent_address(self, alias: str) -> str:
        return consent_address(self._public, alias, self._base.secrets[alias].current)

    def _secrets(self, line: str) -> Sequence[str] | None:
        return self.secrets.of(line, self._base.clock.now())


def _own_numbers(lines: Iterable[Line]) -> set[str]:
    return {inbound(line.number).value for line in lines}

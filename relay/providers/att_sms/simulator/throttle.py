"""AT&T's rate limit: 403 POL0001 from the classic gateway, or 429 (OpenAPI of version 3)."""

from relay.providerkit.simulated import World
from relay.providers.att_sms.simulator.errors import SmsError
from relay.providers.att_sms.simulator.modes import SmsModes


class Throttle:
    """Counts the sends of each second."""

    def __init__(self, world: World, modes: SmsModes) -> None:
        self._world = world
        self._modes = modes
        self._second = 0
        self._count = 0

    def check(self) -> None:
        """Count a send; raises SmsError where it is one too many."""
        second = int(self._world.now())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        if self._modes.rate_limit and self._count > self._modes.rate_limit:
            raise self._refusal()

    def _refusal(self) -> SmsError:
        status = int(self._modes.throttle_as)
        after = self._modes.retry_after
        headers = {"Retry-After": f"{after:g}"} if status == 429 and after else None  # noqa: PLR2004 - Too Many Requests
        return SmsError(status, "POL0001", "The rate of requests exceeds the quota", headers)

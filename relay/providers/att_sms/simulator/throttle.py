"""AT&T's rate limits: 403 POL0001 from the classic gateway, or 429 (OpenAPI of version 3)."""

from relay.providerkit.simulated import ApiError, World
from relay.providers.att_sms.simulator.modes import SmsModes

_TOO_MANY_REQUESTS = 429


class Window:
    """Counts what happens in each stretch of so many seconds."""

    def __init__(self, world: World, seconds: int) -> None:
        self._world = world
        self._seconds = seconds
        self._stretch = 0
        self._count = 0

    def count(self) -> int:
        """Count one more; gives how many there are in the present stretch."""
        stretch = int(self._world.now() // self._seconds)
        self._count = self._count + 1 if stretch == self._stretch else 1
        self._stretch = stretch
        return self._count


class Throttle:
    """The sends of each second, and the requests of each minute and day."""

    def __init__(self, world: World, modes: SmsModes) -> None:
        self._modes = modes
        self._sends, self._minute, self._day = Window(world, 1), Window(world, 60), Window(world, 86_400)

    def check_send(self) -> None:
        """Count a send; raises ApiError where it is one too many."""
        self._check(self._sends, self._modes.rate_limit, "The rate of requests exceeds the quota")

    def check_request(self) -> None:
        """Count a request of any kind; raises ApiError where it is one too many."""
        self._check(self._minute, self._modes.per_minute, "The number of requests per minute exceeds the rate limit")
        self._check(self._day, self._modes.quota, "The daily quota of requests is exceeded")

    def _check(self, window: Window, limit: int, text: str) -> None:
        if window.count() > limit > 0:
            status, after = int(self._modes.throttle_as), self._modes.retry_after
            headers = {"Retry-After": f"{after:g}"} if status == _TOO_MANY_REQUESTS and after else None
            raise ApiError(status, "POL0001", text, headers)

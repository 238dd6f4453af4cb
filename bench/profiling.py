"""py-spy's samples of a process -> shares of what was at work in it."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bench.subject import Subject, program
from bench.world import World

Profile = dict[str, float]

_RATE = "200"  # samples a second
_LONGEST = "600"  # seconds

# The innermost frame that one of these knows says who was at work. Of each: words in a file's path.
KINDS = {
    "journal": ("relay/journal/", "sqlalchemy/", "sqlite3", "psycopg", "alembic/"),
    "JSON": ("/json/", "pydantic", "relay/bus/bodies", "relay/bus/commands", "relay/bus/payloads"),
    "HTTP": ("aiohttp/", "relay/providerkit/http", "relay/web/", "yarl/", "multidict/", "relay/providers/"),
    "MQTT": ("relay/bus/", "paho/", "aiomqtt/", "mqtt5", "bench/codec", "bench/paho"),
    "logging": ("structlog/", "relay/telemetry/", "/logging/", "prometheus_client/"),
    "event loop": ("asyncio/", "uvloop", "selectors.py", "concurrent/", "threading.py", "queue.py"),
}
REST = "rest"
# Innermost frames of threads that wait, which py-spy does not always see.
WAITS = ("_worker (concurrent/", "wait (threading.py", "get (queue.py", "select (selectors.py")
SHARES = (*KINDS, REST)


@asynccontextmanager
async def profiling(world: World, subject: Subject, contender: str) -> AsyncIterator[Profile]:
    """Look on while the block runs; the profile is filled in at its end. Nothing where no profile is wanted."""
    found: Profile = {}
    if not world.options.profile:
        yield found
        return
    raw = world.places.folder / f"{contender}.raw"
    words = ("record", "-p", str(subject.pid), "-d", _LONGEST, "-r", _RATE, "-t", "-f", "raw", "-o", str(raw))
    spy = await asyncio.create_subprocess_exec(
        *(program("py-spy"), *words, "--nonblocking"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield found
    finally:
        spy.send_signal(signal.SIGINT)
        await spy.wait()
    found.update(shares(raw.read_text().splitlines()))


def shares(lines: Iterable[str]) -> Profile:
    """The share of samples of each kind, of py-spy's raw format: `frame;frame;frame samples`."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if stack.rpartition(";")[2].startswith(WAITS):
            continue
        found[kind_of(stack)] += int(count)
    total = sum(found.values())
    return {kind: found[kind] / total for kind in SHARES} if total else {}


def kind_of(stack: str) -> str:
    """Which kind of work a stack is, outermost frame first."""
    for frame in reversed(stack.split(";")):
        for kind, words in KINDS.items():
            if any(word in frame for word in words):
                return kind
    return REST

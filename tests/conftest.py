"""What every test has: a guard over the event loop, Hypothesis's profiles, free ports."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from tests import brokers, databases, dealing, latesyntax
from tests.battery.table import PROPERTY, Row, lines

LONG = os.environ.get("LONG", "") not in ("", "0")

# A shared machine is slow at times: that says nothing about the code, so time is not judged here.
_PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _PATIENT, max_examples=20)
settings.register_profile("long", _PATIENT, max_examples=3000)
settings.load_profile("long" if LONG else "dev")

latesyntax.put_off()
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the long form has, and deal the rest out."""
    later = [] if LONG else [item for item in items if item.get_closest_marker("long_only")]
    if later and not config.option.keyword and len(later) < len(items):
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in set(later)]
    if WORKERS > 1:
        items[:] = dealing.dealt([(item.nodeid, item) for item in items], WORKERS)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Ten thousand tests are many objects, which stay: the search for garbage looks at them once, and never again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20)


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether the long forms of the tests are wanted (LONG=1): more rounds of the same facts."""
    return LONG


@pytest.fixture(scope="session", autouse=True)
def unblocked_loop() -> Iterator[None]:
    """Raises BlockingError where relay's code blocks an event loop, in any test.

    Files, sleeps, SQL, blocking sockets and waits for locks count, with relay anywhere on the stack. Threads without
    a loop, such as the journal's writer, may block.
    """
    with blockbuster_ctx("relay") as guard:
        for function in guard.functions.values():
            # Providers are looked for once, at start.
            function.can_block_in("relay/providers/__init__.py", "discover")
            # `make coverage` notes each line of relay's that is run, under a lock of its own.
            function.can_block_in("coverage/collector.py", "lock_data")
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_postgres() -> Iterator[None]:
    """The PostgreSQL that is started when a test first asks for a database ends with the tests."""
    yield
    databases.end_shared()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives TCP ports on loopback that nobody listens on, for servers that cannot choose one themselves."""
    return brokers.free_port


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the battery of faults found, where any of it was run."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    told = [value for report in reports for name, value in getattr(report, "user_properties", ()) if name == PROPERTY]
    if told:
        terminalreporter.section("faults")
        for line in lines(Row.of(str(one)) for one in told):
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A report on its way from a worker to the terminal: a lone surrogate in it, which tests try, would end the run."""
    return _sendable((yield))


def _sendable(data: Any) -> Any:
    match data:
        case str():
            return data.encode(errors="backslashreplace").decode()
        case list() | tuple():
            return type(data)(map(_sendable, data))
        case dict():
            return {_sendable(key): _sendable(value) for key, value in data.items()}
    return data

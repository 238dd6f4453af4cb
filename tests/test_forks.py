"""Forked processes: they run what they are told, end as others do, and have streams and variables of their own."""

import asyncio
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import forks

Program = Callable[[str], Path]
ECHO = "import os, sys; print(os.getpid(), sys.argv[1:], os.environ['WORD']); print('!', file=sys.stderr); sys.exit(3)"
WAITS = "import signal; print('there', flush=True); signal.pause()"


TESTS = """
import asyncio, os, signal, sys
from tests import forks

async def main():
    process = await forks.start(sys.argv[1], stdout=forks.PIPE)
    await process.stdout.readline()
    print(process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes a program of its text."""

    def written(code: str) -> Path:
        path = tmp_path / f"program_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(code)
        return path

    return written


async def test_a_program_has_its_own_words_variables_and_streams(program: Program) -> None:
    """It is a process of its own, and ends with its own code."""
    streams = {"stdin": forks.PIPE, "stdout": forks.PIPE, "stderr": forks.PIPE}
    process = await forks.start(program(ECHO), "one", environment={**os.environ, "WORD": "two"}, **streams)
    assert isinstance(process, forks.Forked)
    said, complained = await process.communicate()
    assert said.decode() == f"{process.pid} ['one'] two\n"
    assert complained == b"!\n"
    assert process.returncode == 3


async def test_a_module_runs_as_with_m() -> None:
    """`relay --help` is relay's, with its exit code."""
    process = await forks.start("-m", "relay", "--help", stdin=forks.PIPE, stdout=forks.PIPE)
    said, _ = await process.communicate()
    assert b"Begin with: relay demo" in said
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_signal_ends_it(program: Program, number: signal.Signals) -> None:
    """The code tells which."""
    process = await forks.start(program(WAITS), stdout=forks.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"there\n"
    assert process.returncode is None
    process.send_signal(number)
    assert await process.wait() == -number
    process.kill()  # it is gone: nothing is asked of a stranger


async def test_what_matters_before_python_runs_is_not_forked(program: Program) -> None:
    """A process that is to begin differently begins from nothing."""
    variables = {**os.environ, "PYTHONUTF8": "1"}
    code = "import sys; print(sys.flags.utf8_mode)"
    process = await forks.start(program(code), stdout=forks.PIPE, environment=variables)
    assert not isinstance(process, forks.Forked)
    assert await process.communicate() == (b"1\n", None)


async def test_all_end_with_the_tests(program: Program) -> None:
    """However the tests end: the nursery ends with them, and takes every process with it."""
    variables = {**os.environ, "PYTHONPATH": str(forks.ROOT)}
    process = await forks.start(program(TESTS), program(WAITS), stdout=forks.PIPE, environment=variables)
    assert process.stdout is not None
    forked = int(await process.stdout.readline())
    handle = os.pidfd_open(forked)
    ended, _, _ = await asyncio.to_thread(select.select, [handle], [], [], 30)
    os.close(handle)
    assert ended
    assert await process.wait() == -signal.SIGKILL

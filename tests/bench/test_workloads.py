"""Workloads run, from end to end: that they count, and never how fast they are."""

import os
from dataclasses import replace

import pytest

from bench.options import Options
from bench.pairs import Pairs
from bench.workloads import in_hook, out

TINY = Options(pairs=1, seconds=0.5, warm_up=0.1, window=8)


def _cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def _counted(pairs: Pairs) -> dict[str, bool]:
    return {run.contender: run.messages > 0 and run.cpu_us > 0 and run.peak_mb > 0 for run in pairs.runs}


@pytest.mark.timeout(120)
async def test_requests_go_out_through_relay_and_through_the_bare_script() -> None:
    """OUT, as small as can be."""
    found = await out.run(replace(TINY, ceilings=("codec",)), _cores())
    assert _counted(found) == {"relay": True, "bare-codec": True}


@pytest.mark.timeout(120)
async def test_web_hooks_come_in_through_relay_and_through_the_bare_script() -> None:
    """IN-HOOK, as small as can be."""
    assert _counted(await in_hook.run(TINY, _cores())) == {"relay": True, "bare-paho": True}

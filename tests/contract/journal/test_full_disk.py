"""A full disk: what is new is refused, what is known of work under way is written, and all goes on once there is room.

What is promised stands in `on_small_disk.py`, whose tests run where the small disk is mounted.
"""

import asyncio
import os
from pathlib import Path

from tests.smalldisk import PYTHON, small_disk

PROMISES = Path(__file__).with_name("on_small_disk.py")
ROOT = Path(__file__).parents[3]


async def test_every_promise_of_a_full_disk_is_kept(tmp_path: Path) -> None:
    """On a real file system of 6 MB."""
    async with small_disk(tmp_path / "disk", "6m") as disk:
        process = await asyncio.create_subprocess_exec(
            *disk.inside(PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", str(PROMISES)),
            env={**os.environ, "SMALL_DISK": str(disk.path), "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-6000:]
    assert b" passed" in said

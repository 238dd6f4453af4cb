"""A real file system of a few MB for tests: mounted where nobody else sees it, filled and freed from outside.

A holder process keeps a mount namespace alive; what is to see the disk runs in that namespace. Root makes one as it
is, anybody else makes it with a user namespace.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CURE = "the small disk could not be mounted: allow unprivileged user namespaces (unshare -rm), or run as root"
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class SmallDisk:
    """A disk that is mounted at `path`, for those inside."""

    path: Path
    holder: int

    @property
    def outside(self) -> Path:
        """The same directory, for those who are not inside."""
        return Path(f"/proc/{self.holder}/root{self.path}")

    def inside(self, *program: str) -> list[str]:
        """How to run a program that sees the disk."""
        own = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        return ["nsenter", "-t", str(self.holder), "-m", *own, "--wd=" + os.getcwd(), *program]

    @property
    def free_bytes(self) -> int:
        """What is left."""
        found = os.statvfs(self.outside)
        return found.f_bavail * found.f_frsize

    @property
    def filler(self) -> Path:
        """The file that fills it."""
        return self.outside / "filler"

    def fill(self, leave: int = 0) -> None:
        """Leave no more than so many bytes."""
        with self.filler.open("ab") as file, suppress(OSError):
            while self.free_bytes > leave:
                file.write(bytes(min(_CHUNK, max(self.free_bytes - leave, 1))))
                file.flush()

    def free(self) -> None:
        """Give all of it back."""
        self.filler.unlink(missing_ok=True)

    async def remount(self, how: str) -> None:
        """Remount it: `ro` or `rw`."""
        await run(self.inside("mount", "-o", f"remount,{how}", str(self.path)))


@asynccontextmanager
async def small_disk(path: Path, size: str, *, image: Path | None = None) -> AsyncIterator[SmallDisk]:
    """A disk of so many bytes ("6m") at `path`: in memory, or an ext4 in the file `image` (needs root)."""
    path.mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} none {shlex.quote(str(path))}"
    if image is not None:
        await run(["truncate", "-s", size, str(image)])
        await run(["mkfs.ext4", "-q", "-F", str(image)])
        mount = f"mount -o loop {shlex.quote(str(image))} {shlex.quote(str(path))}"
    flags = "-m" if os.geteuid() == 0 else "-rm"
    # The holder ends with its standard input, so also when the tests are killed.
    program = f"{mount} && echo mounted && exec cat > /dev/null"
    holder = await asyncio.create_subprocess_exec(
        "unshare", flags, "sh", "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert await holder.stdout.readline() == b"mounted\n", CURE
        yield SmallDisk(path, holder.pid)
    finally:
        holder.stdin.close()
        await holder.wait()


async def run(program: Sequence[str]) -> str:
    """Run a program that has to succeed; what it said."""
    process = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"{program[0]}: {said.decode(errors='replace')}"
    return said.decode(errors="replace")


PYTHON = sys.executable

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
from functools import partial
from pathlib import Path

CURE = "the small disk could not be mounted: allow unprivileged user namespaces (unshare -rm), or run as root"
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class SmallDisk:
    """A disk that is mounted at `path`, for those inside."""

    path: Path
    holder: int
    image: Path | None = None

    @property
    def outside(self) -> Path:
        """The same directory, for those who are not inside."""
        return Path(f"/proc/{self.holder}/root{self.path}")

    def inside(self, *program: str) -> list[str]:
        """How to run a program that sees the disk."""
        own = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        return ["nsenter", "-t", str(self.holder), "-m", *own, f"--wd={Path.cwd()}", *program]

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
        """Remount it: `ro` or `rw`; nobody may have a file of it open for writing."""
        await run(self.inside("mount", "-o", f"remount,{how}", str(self.path)))

    async def err(self) -> None:
        """Let the kernel find an error on it, so that it turns read-only under whoever uses it. Needs an image."""
        source = (await run(self.inside("findmnt", "-no", "SOURCE", str(self.path)))).strip()
        trigger = Path("/sys/fs/ext4") / Path(source).name / "trigger_fs_error"
        await asyncio.to_thread(trigger.write_text, "made by a test")

    async def repair(self) -> None:
        """What an operator does then, with relay stopped. Needs an image."""
        path, image = shlex.quote(str(self.path)), shlex.quote(str(self.image))
        # e2fsck says 1 where it has mended something.
        script = f"umount {path} && {{ e2fsck -p {image} || [ $? = 1 ]; }} && {_mounting(path, image)}"
        await run(self.inside("sh", "-c", script))

    async def freeze(self, *, frozen: bool) -> None:
        """Let the journal's files be written no more, whoever has them open, or again. Needs an image."""
        # Not the shared memory: the kernel would kill whoever writes to that.
        names = [str(self.path / f"relay.db{part}") for part in ("", "-wal", ".ballast")]
        await run(self.inside("chattr", "+i" if frozen else "-i", *names))


@asynccontextmanager
async def small_disk(path: Path, size: str, *, image: Path | None = None) -> AsyncIterator[SmallDisk]:
    """A disk of so many bytes ("6m") at `path`: in memory, or an ext4 in the file `image` (needs root)."""
    await asyncio.to_thread(partial(path.mkdir, parents=True, exist_ok=True))
    mount = f"mount -t tmpfs -o size={size} none {shlex.quote(str(path))}"
    if image is not None:
        assert os.geteuid() == 0, "a disk of its own in a file needs root: run this as root"
        await run(["truncate", "-s", size, str(image)])
        await run(["mkfs.ext4", "-q", "-F", str(image)])
        mount = _mounting(shlex.quote(str(path)), shlex.quote(str(image)))
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
        yield SmallDisk(path, holder.pid, image)
    finally:
        holder.stdin.close()
        await holder.wait()


def _mounting(path: str, image: str) -> str:
    return f"mount -o loop,errors=remount-ro {image} {path}"


async def run(program: Sequence[str]) -> str:
    """Run a program that has to succeed; what it said."""
    process = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"{program[0]}: {said.decode(errors='replace')}"
    return said.decode(errors="replace")


PYTHON = sys.executable

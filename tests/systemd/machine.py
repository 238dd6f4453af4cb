"""A machine for tests: this one's files with a layer of its own above them, in namespaces, booted by a real systemd.

Nothing that it writes is seen outside, and nothing of this machine's own services runs in it. Its network is this
machine's, so that brokers and providers of the tests are reached. Needs root, overlayfs and cgroup2.
"""

import asyncio
import contextlib
import itertools
import json
import os
import select
import shlex
import socket
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CURE = "systemd could not be booted in namespaces: run the tests as root, on a kernel with overlayfs and cgroup2"
PATIENCE = 30.0
_COUNT = itertools.count()

# Run in namespaces of its own: the tree is put together, and systemd becomes its first process.
_BOOT = r"""
set -eu
tree=$1 lower=$7 python=$2 packages=$3 project=$4 version=$5 notify=$6
mount --make-rprivate /
mount -t tmpfs tmpfs "$tree"
mkdir "$tree/upper" "$tree/work" "$tree/root"
mount -t overlay overlay -o lowerdir="$lower",upperdir="$tree/upper",workdir="$tree/work" "$tree/root"
cd "$tree/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
rm -rf etc/systemd/system etc/relay opt/relay opt/python var/lib/relay var/lib/private var/log/journal
# This machine's kernel is not the tests' to set up.
rm -rf lib/systemd/system/*.target.wants lib/systemd/system-generators
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
home=opt/relay/lib/$version/site-packages
mkdir -p etc/systemd/system etc/relay opt/python opt/relay/bin opt/relay/src "$home"
mount --bind "$python" opt/python
mount --bind "$packages" "$home"
mount --bind -o ro "$project" opt/relay/src
ln -s "/opt/python/bin/$version" opt/relay/bin/python
printf 'home = /opt/python/bin\n' > opt/relay/pyvenv.cfg
cat > opt/relay/bin/relay <<END
#!/opt/relay/bin/python
import sys
sys.path.insert(0, "/opt/relay/src")
from relay.cli.main import run
run()
END
chmod 755 opt/relay/bin/relay
cat > etc/systemd/system/tests.target <<END
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
END
cp -r "$project"/systemd/*.service etc/systemd/system/
mkdir old
mount -t tmpfs tmpfs tmp
pivot_root . old
umount -l old
mount --make-rshared /
exec env -i container=tests NOTIFY_SOCKET="$notify" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=tests.target --show-status=no </dev/null
"""


@dataclass
class Machine:
    """The machine, while it runs.

    Attributes:
        process: the number of its first process, as seen from here.
    """

    process: int

    @property
    def root(self) -> Path:
        """Its files, seen from here."""
        return Path(f"/proc/{self.process}/root")

    async def run(self, command: str, expected: int | None = 0) -> str:
        """Run a shell command in it; what it says. `expected`: its exit code, None for any."""
        process = await asyncio.create_subprocess_exec(
            *("nsenter", "-t", str(self.process), "-a", "--", "/bin/sh", "-c", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": "/opt/python/lib", "LC_ALL": "C.UTF-8"},
        )
        try:
            said, _ = await process.communicate()
        finally:
            # Also where nobody waits for it any longer: its pipe would outlive the test.
            process._transport.close()  # type: ignore[attr-defined] # there is no public way
        text = said.decode(errors="replace")
        assert expected is None or process.returncode == expected, f"{command}: {process.returncode}\n{text}"
        return text

    async def shows(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return (await self.run(f"systemctl show -P {name} {unit}")).strip()

    async def journal(self, unit: str = "relay") -> list[dict[str, Any]]:
        """All that its journal holds of a unit, what systemd says of it too; the oldest first."""
        lines = await self.run(f"journalctl -u {unit} -o json --all --no-pager")
        return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]

    async def until_said(self, unit: str, words: str, times: int = 1) -> None:
        """Wait until the journal of a unit holds some words so many times."""
        # `grep -q`, and one whose output is thrown away, would end with the first.
        follow = f"journalctl -u {unit} -f -n all -o cat | grep -m {times} -F -e {shlex.quote(words)} | tail -n 1"
        try:
            async with asyncio.timeout(PATIENCE):
                assert words in await self.run(follow)
        except TimeoutError:
            told = await self.run(f"journalctl -u {unit} --no-pager -n 40")
            raise AssertionError(f"{words!r} was not said {times} times:\n{told}") from None


@asynccontextmanager
async def booted(directory: Path, files: Path = Path("/")) -> AsyncIterator[Machine]:
    """A machine whose systemd has started; it ends with the block.

    Args:
        directory: an empty one.
        files: what it has, below what it writes: this machine's own, or another tree with systemd in it.
    """
    assert os.geteuid() == 0, CURE
    tree, log_path = directory / "tree", directory / "boot.log"
    tree.mkdir()
    group = _cgroup()
    name = f"relay-tests-{os.getpid()}-{next(_COUNT)}"
    version = f"python{sysconfig.get_python_version()}"
    words = (tree, sys.base_prefix, sysconfig.get_path("purelib"), ROOT, version, f"@{name}", files)
    enter = (
        f'echo $$ > {shlex.quote(str(group / "cgroup.procs"))}; exec unshare -Cmpfui --kill-child sh -c "$0" boot "$@"'
    )
    with log_path.open("wb") as log, _told(name) as told:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", enter, _BOOT, *map(str, words)), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            await _until_ready(process, told, log_path)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            yield Machine(int((await asyncio.to_thread(children.read_text)).split()[0]))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await asyncio.to_thread(_remove, group)


def _cgroup() -> Path:
    """A new cgroup2 for the machine."""
    for top in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if (Path(top) / "cgroup.procs").exists():
            made = Path(top) / f"relay-tests-{os.getpid()}"
            made.mkdir(exist_ok=True)
            return made
    raise AssertionError(CURE)


def _remove(group: Path) -> None:
    """End what is left in a cgroup, wait until it has ended, and remove the cgroup with all that systemd made in it."""
    (group / "cgroup.kill").write_text("1")
    with (group / "cgroup.events").open() as events:
        changes = select.poll()
        changes.register(events, select.POLLPRI)
        while "populated 1" in events.read():
            changes.poll(1000)
            events.seek(0)
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()


@contextlib.contextmanager
def _told(name: str) -> Iterator[socket.socket]:
    """The socket on which systemd says that it has booted."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0{name}")
        told.setblocking(False)  # noqa: FBT003 - the standard library's word
        yield told


async def _until_ready(process: asyncio.subprocess.Process, told: socket.socket, log: Path) -> None:
    loop = asyncio.get_running_loop()

    async def ready() -> None:
        while b"READY=1" not in await loop.sock_recv(told, 4096):
            pass

    waits = {asyncio.create_task(ready()), asyncio.create_task(process.wait())}
    done, rest = await asyncio.wait(waits, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    for one in rest:
        one.cancel()
    if not done or process.returncode is not None:
        raise AssertionError(f"{CURE}\n{await asyncio.to_thread(log.read_text)}")

"""Linux -> what processes used: CPU, memory, bytes written; and what cores did."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE, _WAITING = 3, 4  # places in a line of /proc/stat: what is no work


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, dead ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        for task in _listed(Path(f"/proc/{each}/task")):
            children = _read(task / "children")
            found += [int(child) for child in children.split()]
    return found


def family_cpu_seconds(pid: int) -> float:
    """As `cpu_seconds`, of a process and all that descend from it and live."""
    total = 0.0
    for each in family(pid):
        try:
            total += cpu_seconds(each)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def peak_megabytes(pid: int) -> float:
    """The most memory that a process has had resident."""
    return _status_kilobytes(pid, "VmHWM") / 1000


def resident_megabytes(pid: int) -> float:
    """The memory that a process has resident now."""
    return _status_kilobytes(pid, "VmRSS") / 1000


def bytes_written(pid: int) -> int:
    """Bytes that a process had written to disks."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])


@dataclass(frozen=True, slots=True)
class Cores:
    """What cores had done by a moment: seconds of work, by core."""

    at: float
    busy: dict[int, float]

    @classmethod
    def now(cls) -> "Cores":
        """By now."""
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")]
        busy = {
            int(name[3:]): (sum(map(int, ticks[:8])) - int(ticks[_IDLE]) - int(ticks[_WAITING])) / _TICKS
            for name, *ticks in lines
            if name != "cpu"
        }
        return cls(time.monotonic(), busy)

    def share_since(self, before: "Cores", core: int) -> float:
        """Of the time since `before`, the share in which this core worked."""
        return (self.busy[core] - before.busy[core]) / (self.at - before.at)


def _status_kilobytes(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def _listed(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""

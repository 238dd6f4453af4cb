"""On what machine, on which commit, with which command: what a figure is worth nothing without."""

import os
import platform
import shlex
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import broker
from bench.workers import ROOT


def about(words: list[str]) -> dict[str, Any]:
    """All of it; `words` are the command line's."""
    return {
        "command": shlex.join(["python", "-m", "bench", *words]),
        "commit": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(os.getppid())),
        "cpu": _cpu(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "mosquitto": _said(broker.program(), "-h").partition("\n")[0],
        "load": os.getloadavg()[0],
    }


def in_words(facts: dict[str, Any]) -> list[str]:
    """The same, to be read."""
    return [f"{name}: {fact}" for name, fact in facts.items()]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), sys.platform)


def _said(*words: str) -> str:
    found = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return found.stdout.strip() or "unknown"

"""No version with a known hole is locked, nor permitted where relay names the package itself.

An auditing tool that cannot reach its data finds nothing and says so with success: this table needs no network. Whoever
reads of a hole in something below adds a line.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.repo.test_lock import DEV, RUNTIME, SERVICE, pins, wanted

# Each package, the first version without the hole, and the hole.
FLOORS: Mapping[str, tuple[str, str]] = {
    "aiohttp": ("3.14.3", "GHSA-mfx4-hv73-q22v and GHSA-cq5v-8q36-5273: requests smuggled, memory read past its end"),
    "idna": ("3.15", "CVE-2026-45409: a host name that keeps a processor busy"),
    "jinja2": ("3.1.6", "CVE-2025-27516: out of the sandbox"),
    "mako": ("1.2.2", "CVE-2022-40023: a template that keeps a processor busy"),
    "pydantic": ("2.4.0", "CVE-2024-3772: an address that keeps a processor busy"),
    "pygments": ("2.20.0", "CVE-2026-4539: a text that keeps a processor busy"),
    "pyyaml": ("5.4", "CVE-2020-14343: a document that runs code"),
    "requests": ("2.32.4", "CVE-2024-47081: credentials sent to another host"),
    "urllib3": ("2.6.0", "CVE-2025-66418: a chain of compressions that fills memory"),
}


@pytest.mark.parametrize("lock", [RUNTIME, SERVICE, DEV], ids=lambda lock: lock.name)
def test_no_locked_version_has_a_known_hole(lock: Path) -> None:
    """Where the package is there at all."""
    locked = pins(lock)
    assert {*locked} & {*FLOORS}
    holed = {name: why for name, (floor, why) in FLOORS.items() if Version(locked.get(name, "9999")) < Version(floor)}
    assert holed == {}


def test_no_version_with_a_known_hole_may_be_installed_without_a_lock() -> None:
    """Of the packages that relay itself names: their floors in pyproject.toml leave them out."""
    named = {canonicalize_name(one.name): one for one in wanted("demo", "otel", "postgresql", "uvloop")}
    permitted = [
        f"{one} permits {below}"
        for name, (floor, _) in FLOORS.items()
        if (one := named.get(name)) and (below := f"{floor}.dev0") and one.specifier.contains(below, prereleases=True)
    ]
    assert permitted == []

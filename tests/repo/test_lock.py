"""The lock files: complete, hashed, and silent about where packages come from."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo.sources import ROOT

PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = ROOT / "requirements.lock"
SERVICE = ROOT / "requirements-service.lock"
DEV = ROOT / "requirements-dev.lock"


def _entries(lock: Path) -> list[str]:
    """Each requirement of a lock with its hashes, on one line."""
    return lock.read_text().replace("\\\n", "").splitlines()


def pins(lock: Path) -> dict[str, str]:
    """The version of each package in a lock."""
    requirements = (Requirement(entry.partition("--hash")[0]) for entry in _entries(lock))
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in requirements}


def wanted(*extras: str, groups: tuple[str, ...] = ()) -> Iterator[Requirement]:
    """What pyproject.toml asks for, with some of its extras and groups."""
    project = PROJECT["project"]
    texts = [*project["dependencies"], *(t for extra in extras for t in project["optional-dependencies"][extra])]
    texts += [t for group in groups for t in PROJECT["dependency-groups"][group]]
    return map(Requirement, texts)


def _unmet(lock: Path, wanted: Iterator[Requirement]) -> list[str]:
    locked = pins(lock)
    return [str(r) for r in wanted if not r.specifier.contains(locked.get(canonicalize_name(r.name), "0"))]


def test_the_runtime_lock_satisfies_the_project() -> None:
    """What relay and its demo need is in requirements.lock, in a version that pyproject.toml permits."""
    assert _unmet(RUNTIME, wanted("demo", groups=("build",))) == []


def test_the_service_lock_satisfies_the_project() -> None:
    """What the package for Debian brings is in requirements-service.lock: relay, and its extras for a service."""
    assert _unmet(SERVICE, wanted("otel", "postgresql", "uvloop")) == []


def test_the_development_lock_satisfies_the_project() -> None:
    """What the tests need on top is in requirements-dev.lock."""
    extras = PROJECT["project"]["optional-dependencies"]
    assert _unmet(DEV, wanted(*extras, groups=("build", "dev"))) == []


def test_both_locks_have_one_version_of_everything() -> None:
    """The tests run on what is deployed."""
    development = pins(DEV)
    for lock in (RUNTIME, SERVICE):
        assert {name: development.get(name) for name in pins(lock)} == pins(lock)


@pytest.mark.parametrize("lock", [RUNTIME, SERVICE, DEV], ids=lambda lock: lock.name)
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: Path) -> None:
    """No index, no host, no path: whoever installs decides where from, and the hashes decide what."""
    entry = re.compile(r"[a-z0-9-]+==[\w.+!]+( ; [^\\/]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in _entries(lock) if not entry.fullmatch(line)] == []
